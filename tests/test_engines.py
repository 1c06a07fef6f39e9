"""An engine is one file of facts and what opens it: put into the folder, it draws; taken out, it is gone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.studies import ROOT, copy_repository, snakemake, write
from ttstudy.dag import fingerprint
from ttstudy.errors import StudyError
from ttstudy.kinds.engines import ENGINES, LOCAL_POLICIES, LOCAL_PRMS, in_vllm
from ttstudy.kinds.registry import named
from ttstudy.study import from_mapping

PARROT = '''"""Says the same thing to everyone."""

from ttstudy.kinds.engines._engine import Engine, Option, Serving

ENGINE = Engine(
    label="a parrot",
    about="a bird",
    sources=("checkpoint",),
    policies=Serving(
        opens="ttstudy.kinds.engines.parrot:Parrot",
        options={
            "words": Option(type=str, default="hello", about="what it says"),
            "cages": Option(type=int, default=0, about="GPUs that it sits on", free=True),
        },
        gpus=lambda options, device: options["cages"],
    ),
)


class Parrot:
    def __init__(self, path, name=None, *, dtype, words, cages):
        from ttstudy.models.chat import ChatTokenizer
        from ttstudy.models.devices import Running

        self.chat, self.name, self.parameters, self.context = ChatTokenizer(path), "parrot", 1, 99
        self.words, self.running = words, Running("a parrot", "cpu", dtype)
        self.encode_chat, self.decode = self.chat.encode_chat, self.chat.decode

    def generate(self, requests, progress=None):
        from ttstudy.policies.protocol import Completion

        ids = tuple(self.chat.encode_text(self.words))
        return [Completion(ids, self.words, (0.0,) * len(ids), "eos", len(each.prompt)) for each in requests]
'''
PROGRAM = '''
import json, sys
from ttstudy.dag import fingerprint
from ttstudy.study import schema

found = {"schema": schema(), "record": fingerprint.record()}
if len(sys.argv) > 1:
    from ttstudy.dag.cells import Cell, PoolBlock
    from ttstudy.dag.generation import responses_spec
    from ttstudy.dag.layout import open_layout
    from ttstudy.run import demand
    from ttstudy.study import from_mapping

    layout = open_layout(from_mapping(json.loads(sys.argv[1])))
    found["responses"] = responses_spec(layout, PoolBlock(Cell("sums", "p"), "samples", 0, 1)).product
    found["gpus"] = demand.of_job(layout.study, policy="p").gpus
print(json.dumps(found))
'''


def told(root: Path, *arguments: str) -> dict:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=root,
        env=os.environ | {"PYTHONPATH": str(root / "workflow")}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def config(**policy) -> dict:
    return {
        "study": "own",
        "benchmarks": {"sums": {"source": "file", "path": "b.jsonl"}},
        "policies": {"p": {"source": "checkpoint", "path": "small", **policy}},
        "budgets": {"majority": [2]},
        "first_block": 2,
    }


def test_an_engine_is_one_file_and_without_it_nothing_is_left_of_it(tmp_path):
    root = copy_repository(tmp_path / "copy")
    shutil.copytree(ROOT / "workflow/checkpoints/mini-20k", root / "small")
    (root / "small/training.json").unlink()
    (root / "b.jsonl").write_text('{"problem_id": "p", "problem": "Compute 1+1.", "answer": "2"}\n')
    before = told(root)

    file = root / "workflow/ttstudy/kinds/engines/parrot.py"
    file.write_text(PARROT)
    study = config(engine="parrot", parrot={"words": "1+1=2, so \\boxed{2}"})
    found = told(root, json.dumps(study))
    assert "parrot: a bird" in found["schema"] and "what it says" in found["schema"] and found["gpus"] == 0
    assert told(root, json.dumps(config(engine="parrot", parrot={"cages": 3})))["gpus"] == 3
    assert told(root, json.dumps(config(engine="parrot")))["responses"] != found["responses"]
    assert found["record"].pop("engines/parrot")["version"] == 1
    assert found["record"] == before["record"]  # no other engine, and no step that calls a model
    snakemake(root, write(root, study), found["responses"])
    drawn = pd.read_parquet(root / found["responses"])
    assert drawn["response"].tolist() == ["1+1=2, so \\boxed{2}"] * 2 and (drawn["finish"] == "eos").all()

    file.unlink()
    assert told(root) == before


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ({"engine": "openai"}, "engine"),
        ({"engine": "vllm", "device": "cuda"}, "for the transformers engine; vLLM finds its GPUs itself"),
        ({"vllm": {"max_model_len": 99}}, "options under `vllm`, but its engine is transformers; add `engine: vllm`"),
    ],
)
def test_what_does_not_fit_an_engine_is_one_sentence(policy, sentence):
    with pytest.raises(StudyError, match=sentence):
        from_mapping(config(**policy))
    assert from_mapping(config(vllm={"max_model_len": None})).policies["p"].options == {}


def test_gpus_environment_and_search_follow_from_the_facts():
    study = from_mapping(
        config(engine="vllm", vllm={"tensor_parallel": 2, "data_parallel": 3})
        | {"prms": {"r": {"source": "checkpoint", "path": "r", "engine": "vllm", "vllm": {"tensor_parallel": 4}}}}
    )
    assert study.policies["p"].gpus == 6 and study.prms["r"].gpus == 4 and study.can_search("p")
    assert in_vllm("transformers", "vllm") and not in_vllm("transformers", "recorded")
    assert not from_mapping(config() | {"policies": {"p": {"source": "openai", "model": "m"}}}).can_search("p")
    for name, engine in ENGINES.items():
        assert not engine.local or name in {*LOCAL_POLICIES, *LOCAL_PRMS}, name


OPENERS = sorted({serving.opens for serving in (*LOCAL_POLICIES.values(), *LOCAL_PRMS.values())})


@pytest.mark.parametrize("place", OPENERS)
def test_what_opens_an_engine_is_there_and_counts_as_its_code(place):
    assert callable(named(place))
    path = ROOT / "workflow" / (place.partition(":")[0].replace(".", "/") + ".py")
    path = path if path.is_file() else path.with_suffix("") / "__init__.py"
    assert any(
        path in fingerprint.closure(fingerprint.KINDS / "engines" / f"{name}.py", only=(f"engines/{name}",))
        for name in ENGINES
    )


def test_engines_load_without_what_is_heavy():
    program = "import sys, ttstudy.kinds.engines; sys.exit(bool({'torch', 'pandas', 'tokenizers'} & {*sys.modules}))"
    run = subprocess.run([sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")})
    assert run.returncode == 0

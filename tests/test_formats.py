"""A PRM format is one file: put into the folder, it is read, scored with, told and versioned; taken out, it is gone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tests.rewards_checkpoints import make
from tests.studies import ROOT
from ttstudy.dag import fingerprint
from ttstudy.kinds.formats import FORMATS
from ttstudy.models.checkpoint import Checkpoint
from ttstudy.prms.vllm import VllmScoring

DUMMY = '''"""Each step on a line of its own, scored at its end by half of a tanh."""

from ttstudy.kinds.formats._parts import Encoded, Head, HeadFormat, Published, checked


class Lines:
    def __init__(self, tokenizer, mark: str = "#"):
        self.tokenizer, self.mark = tokenizer, tokenizer.encode(mark)

    def encode(self, problem, steps):
        ids, positions = self.stem(problem), []
        for step in checked(steps):
            ids += (*self.tokenizer.encode(step), *self.mark)
            positions.append(len(ids) - 1)
        return Encoded(ids, positions)

    def stem(self, problem):
        return [*self.tokenizer.encode(problem), *self.mark]


class Half(Head):
    keys = ("verdict.weight",)

    def __init__(self, weight):
        self.weights = {"weight": weight.float()}

    def __call__(self, hidden):
        return (hidden @ self.weights["weight"].T)[:, 0].tanh() / 2 + 0.5

    @classmethod
    def shapes(cls, hidden):
        return ((1, hidden),)


LINES = HeadFormat(
    label="Lines", version=3, architectures=("LinesForSteps",), encoder=Lines, head=Half,
    published={"owner/lines": Published({"mark": "+"})},
)
'''  # fmt: skip
PROGRAM = '''
import json, sys
from pathlib import Path
from ttstudy.dag import fingerprint
from ttstudy.dag.layout import open_layout
from ttstudy.dag.models import judge
from ttstudy.models.catalogue import CATALOGUE
from ttstudy.prms import open_reward_model
from ttstudy.study import from_mapping, schema

folder, scored = Path(sys.argv[1]), {}
if folder.is_dir():
    model = open_reward_model(folder, device="cpu")
    scored["whole"] = model.score("What is 1+1?", ["It is 2.", "So 2."])
    scored["last"] = model.score_last("What is 1+1?", ["It is 2."], ["So 2.", "So 3."])
    scored["other"] = open_reward_model(folder, device="cpu", text={"mark": "+"}).score("What is 1+1?", ["It is 2."])
    config = json.loads(sys.argv[2])
    own = judge(open_layout(from_mapping(config), folder.parent), "own")
    scored["judge"] = [own.format, own.formats]
print(json.dumps({"schema": schema(), "record": fingerprint.record(), "known": sorted(CATALOGUE), **scored}))
'''


@pytest.fixture()
def copy(tmp_path: Path) -> Path:
    for folder in ("workflow/ttstudy", "scripts"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def told(root: Path, folder: Path) -> dict:
    config = {
        "study": "own",
        "benchmarks": {"sums": {"source": "file", "path": "b.jsonl"}},
        "policies": {"p": {"source": "checkpoint", "path": folder.name}},
        "prms": {"own": {"source": "checkpoint", "path": folder.name, "format": "lines"}},
        "budgets": {"best_of_n": [2]},
    }
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder, json.dumps(config)],
        env=os.environ | {"PYTHONPATH": str(root / "workflow")}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_a_format_is_one_file_and_without_it_nothing_is_left_of_it(copy, tmp_path):
    before = told(copy, tmp_path / "none")
    folder = make(tmp_path / "lines", "skywork-7b")
    tensors = load_file(folder / "model.safetensors")
    tensors["verdict.weight"] = tensors.pop("v_head.summary.weight")
    del tensors["v_head.summary.bias"]
    save_file(tensors, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["LinesForSteps"]}))

    file = copy / "workflow/ttstudy/kinds/formats/lines.py"
    file.write_text(DUMMY)
    (copy / "b.jsonl").write_text('{"problem_id": "p", "problem": "What is 1+1?", "answer": "2"}\n')
    found = told(copy, folder)
    assert len(found["whole"]) == 2 and all(0 < score < 1 for score in found["whole"])
    assert found["last"][0] == pytest.approx(found["whole"][1], abs=1e-6) and found["last"][1] != found["last"][0]
    assert found["other"][0] != found["whole"][0]
    assert found["judge"] == ["lines", {"lines": 3}]
    assert "lines: Lines" in found["schema"] and "owner/lines" in found["known"]
    assert found["record"].pop("formats/lines")["version"] == 3
    assert found["record"] == before["record"]  # no other format, and no step that calls a model

    file.unlink()
    assert told(copy, tmp_path / "none") == before


@pytest.mark.parametrize("text", ["", DUMMY + "\nMORE = HeadFormat(label='', encoder=Lines, head=Half)\n"])
def test_a_file_that_defines_no_format_or_two_is_refused_by_name(copy, text):
    (copy / "workflow/ttstudy/kinds/formats/lines.py").write_text(text)
    run = subprocess.run(
        [sys.executable, "-c", "import ttstudy.study"],
        env=os.environ | {"PYTHONPATH": str(copy / "workflow")}, capture_output=True, text=True,
    )  # fmt: skip
    assert "lines.py: must define one PRMFormat" in run.stderr


def test_a_change_of_a_format_is_that_formats_and_no_others(copy):
    def record() -> dict:
        return told(copy, copy / "none")["record"]

    before = record()
    file = copy / "workflow/ttstudy/kinds/formats/skywork.py"
    file.write_text(file.read_text().replace('problem + "\\n"', 'problem + "\\n\\n"'))
    after = record()
    assert [name for name in before if before[name] != after[name]] == ["formats/skywork"]


def test_formats_load_without_what_is_heavy():
    program = "import sys, ttstudy.kinds.formats; sys.exit(bool({'torch', 'pandas', 'tokenizers'} & {*sys.modules}))"
    run = subprocess.run([sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")})
    assert run.returncode == 0


def test_every_format_has_a_digest_of_its_own():
    record = fingerprint.record()
    digests = {record[f"formats/{name}"]["code"] for name in FORMATS}
    assert len(digests) == len(FORMATS) == sum(name.startswith("formats/") for name in record)


def test_vllm_says_which_format_it_cannot_score_in(tmp_path):
    folder = make(tmp_path / "qwen", "qwen")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ValueError, match="cannot score in the format qwen"):
        patch.setitem(FORMATS, "qwen", replace(FORMATS["qwen"], vllm=None))
        VllmScoring(Checkpoint(folder), "qwen", None, "float32")

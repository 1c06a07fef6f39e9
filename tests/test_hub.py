"""Fetching from a hub that works, refuses, breaks off and lies; pins; nothing of the token is shown."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save
from tokenizers import Tokenizer

from tests import hub_server, paths
from tests.hub_server import COMMIT, TOKEN, Repository
from tests.studies import ROOT, step_command
from ttstudy.dag.inputs import benchmark_spec, labelled_spec
from ttstudy.dag.layout import fetched, open_layout
from ttstudy.dag.models import weights
from ttstudy.dag.specs.inputs import FetchSpec, LabelledSpec
from ttstudy.data import hub, revisions, tables
from ttstudy.errors import StudyError
from ttstudy.models import sentencepiece
from ttstudy.models.checkpoint import origin
from ttstudy.models.text import TextTokenizer
from ttstudy.prms.formats import make_format
from ttstudy.study import from_mapping

WEIGHTS = {"layer.weight": torch.arange(60_000, dtype=torch.float32).reshape(200, 300)}
CONFIG = b'{"model_type": "llama", "auto_map": {"AutoModel": "code.Evil"}}'
MODEL = {
    "config.json": CONFIG,
    "tokenizer.json": b"{}",
    "model.safetensors": save(WEIGHTS),
    "code.py": b"raise SystemExit",
    "README.md": b"read me",
    "original/params.json": b"{}",
    "training_args.bin": b"pickle",
    "consolidated.safetensors": save(WEIGHTS),
}

MARKED = [{"id": "a-0", "generator": "g", "problem": "1+1?", "steps": ["1+1=3", "so 3"], "label": 0}]
DRIVER = """
import json, sys
from pathlib import Path
from ttstudy.data import fetching, hub
from ttstudy.errors import StudyError
for line in sys.stdin:
    function, arguments = json.loads(line)
    try:
        place = {"fetch_model": 2, "fetch_dataset_file": 4}.get(function)
        if place is not None:
            arguments[place] = Path(arguments[place])
        found = getattr(fetching if function == "fetch_model" else hub, function)(*arguments)
        answer = {"value": str(found)}
    except StudyError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
"""


TRAIN = """
import random, sys, sentencepiece
random.seed(0)
lines = [f"{random.randint(1, 99)} + {random.randint(1, 99)} = 2 ки\\nSo 2 - 1 = 1 ки" for _ in range(2000)]
open(sys.argv[1] + ".txt", "w").write("\\n".join(lines))
sentencepiece.SentencePieceTrainer.train(
    input=sys.argv[1] + ".txt", model_prefix=sys.argv[1], vocab_size=400, model_type="bpe", byte_fallback=True,
    normalization_rule_name="identity", remove_extra_whitespaces=False, hard_vocab_limit=False,
)
processor = sentencepiece.SentencePieceProcessor(model_file=sys.argv[1] + ".model")
import json
print(json.dumps([[text, processor.encode(text)] for text in [*lines[:200], *json.loads(sys.argv[2])]]))
"""
TEXTS = ["", " two  spaces ", "ки ки", "\U0001f600 and é", "a\n\n\nb", "\t tab", "▁under", "x" * 300, "12 + 3 =\n4"]


@pytest.fixture(scope="module")
def spoken(vllm, tmp_path_factory) -> tuple[Path, list]:
    """A SentencePiece model trained on sums, and what its own library makes of many texts."""
    place = tmp_path_factory.mktemp("spm") / "tokenizer"
    run = subprocess.run([vllm, "-c", TRAIN, place, json.dumps(TEXTS)], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    return place.with_suffix(".model"), json.loads(run.stdout)


@pytest.fixture(scope="module")
def trained(spoken) -> Path:
    return spoken[0]


def test_a_built_tokenizer_gives_the_ids_of_sentencepiece_itself(spoken):
    path, known = spoken
    tokenizer = sentencepiece.built(path)
    for text, ids in known:
        assert tokenizer.encode(text, add_special_tokens=False).ids == ids, text
        assert tokenizer.decode(ids) == text or "  " in text or not text or text.startswith("▁")
    assert tokenizer.encode("1").tokens[0] == "<s>"


def test_another_kind_of_sentencepiece_model_is_refused_and_garbage_too(spoken, tmp_path):
    whole = spoken[0].read_bytes()
    for name, content in (("cut", whole[: len(whole) // 2]), ("noise", bytes(range(256)) * 9), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(StudyError, match=f"{name} is no "):
            sentencepiece.built(tmp_path / name)


def _pytorch(tensors) -> bytes:
    import io

    stream = io.BytesIO()
    torch.save(tensors, stream)
    return stream.getvalue()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A hub and one process that asks it: (ask, server, folder, what the process wrote to stderr)."""
    home = tmp_path_factory.mktemp("hub")
    long = save({"layer.weight": torch.arange(6_000_000, dtype=torch.float32)})
    repositories = {
        ("models", "good/model"): Repository(MODEL),
        ("models", "gated/model"): Repository(MODEL, gated=True),
        ("models", "old/model"): Repository(
            {"config.json": CONFIG, "tokenizer.json": b"{}"}
            | {"pytorch_model-00001-of-00002.bin": _pytorch({"a": torch.ones(3)})}
            | {"pytorch_model-00002-of-00002.bin": _pytorch({"b": torch.zeros(2)})}
            | {"pytorch_model.bin.index.json": b'{"weight_map": {}}'}
        ),
        ("models", "evil/model"): Repository(
            {"config.json": CONFIG, "tokenizer.json": b"{}", "pytorch_model.bin": pickle.dumps(subprocess.Popen)}
        ),
        ("models", "empty/model"): Repository({"config.json": CONFIG}),
        ("models", "spm/model"): Repository(
            {"config.json": CONFIG, "model.safetensors": save(WEIGHTS), "tokenizer.model": b"sentencepiece"}
        ),
        ("models", "bare/model"): Repository({"config.json": CONFIG, "model.safetensors": save(WEIGHTS)}),
        ("models", "slow/model"): Repository(
            MODEL | {"model.safetensors": long}, lost={"model.safetensors": [11_000_000, 0, 900_000]}
        ),
        ("models", "lying/model"): Repository(
            MODEL, served={"model.safetensors": bytes(len(MODEL["model.safetensors"]))}
        ),
        ("datasets", "some/problems"): Repository(
            {"test.jsonl": b'{"problem_id": "a", "problem": "1+1", "answer": 2}\n', "train.jsonl": b"", "x.py": b""}
        ),
        ("datasets", "some/marked"): Repository({f"{name}.json": json.dumps(MARKED).encode() for name in "ab"}),
    }
    with hub_server.serving(repositories) as server:
        environment = os.environ | server.environment(home) | {"HF_TOKEN": "", "PYTHONPATH": str(ROOT / "workflow")}
        errors = (home / "stderr").open("w+")
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip

        def ask(function: str, *arguments) -> dict:
            process.stdin.write(json.dumps([function, arguments], default=str) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield ask, server, home
        process.stdin.close()
        process.wait(20)


def test_a_model_arrives_whole_with_weights_tokenizer_and_configuration_alone(world):
    ask, _, home = world
    assert "value" in ask("fetch_model", "good/model", COMMIT, home / "good")
    names = {path.name for path in (home / "good").iterdir()}
    assert names == {"config.json", "tokenizer.json", "model.safetensors", "fetched.json"}
    assert (home / "good/model.safetensors").read_bytes() == MODEL["model.safetensors"]
    record = json.loads((home / "good/fetched.json").read_text())
    assert record["revision"] == COMMIT and origin(home / "good") == "good/model"
    assert record["files"]["model.safetensors"]["bytes"] == len(MODEL["model.safetensors"])
    assert not list(home.glob(".good*"))


def test_pickled_weights_become_safetensors_and_code_in_them_is_refused(world):
    ask, _, home = world
    assert "value" in ask("fetch_model", "old/model", COMMIT, home / "old")
    assert not list((home / "old").glob("*.bin*"))
    index = json.loads((home / "old/model.safetensors.index.json").read_text())["weight_map"]
    assert load((home / "old" / index["a"]).read_bytes())["a"].tolist() == [1, 1, 1]
    assert set(index) == {"a", "b"}
    assert "holds more than tensors" in ask("fetch_model", "evil/model", COMMIT, home / "evil")["error"]
    assert not (home / "evil").exists()


def test_a_repository_without_a_tokenizer_is_refused_before_its_weights_are_fetched(world):
    ask, _, home = world
    told = ask("fetch_model", "bare/model", COMMIT, home / "bare")["error"]
    assert told.startswith("bare/model: has no tokenizer.json") and "`source: checkpoint`" in told
    assert not list(home.glob("*bare*"))
    told = ask("fetch_model", "spm/model", COMMIT, home / "spm")["error"]
    assert told.startswith("spm/model: tokenizer.model is no SentencePiece model")
    assert not (home / "spm").exists()


SHEPHERD = "peiyi9979/math-shepherd-mistral-7b-prm"


def test_a_tokenizer_is_built_from_sentencepiece_where_that_is_all_there_is(world, trained):
    ask, server, home = world
    small = {"config.json": CONFIG, "model.safetensors": save(WEIGHTS), "tokenizer.model": trained.read_bytes()}
    server.repositories["models", "built/model"] = server.repositories["models", SHEPHERD] = Repository(small)
    assert "value" in ask("fetch_model", "built/model", COMMIT, home / "built")
    record = json.loads((home / "built/fetched.json").read_text())
    assert record["built"]["tokenizer.json"].startswith("from tokenizer.model by ttstudy.models.sentencepiece, ")
    assert set(record["files"]) == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer.model"}
    encoder = make_format("math_shepherd", TextTokenizer(home / "built", {"bos_token_id": 1}))
    assert encoder.tag == Tokenizer.from_file(str(home / "built/tokenizer.json")).token_to_id("▁ки")
    # This one's step tag is not where the published code looks for it.
    told = ask("fetch_model", SHEPHERD, COMMIT, home / "shepherd")["error"]
    assert "'▁ки' has the id" in told and "not 12902 as in its published code" in told
    assert not (home / "shepherd").exists()


def test_a_mirror_that_forges_files_and_listing_alike_is_found_out(world):
    ask, server, home = world
    whole = {name: content for name, content in MODEL.items() if "/" not in name}
    taken = ("config.json", "tokenizer.json", "model.safetensors")
    pinned = {name: sha256(whole[name]).hexdigest() for name in taken}
    forged = {
        "model.safetensors": save({"layer.weight": torch.zeros(200, 300)}),
        "config.json": CONFIG.replace(b"llama", b"qwen2"),
        "tokenizer.json": b"[]",
    }
    for name, content in forged.items():
        # The forger lists what it serves: sizes and hashes agree with each other, at the commit that is asked for.
        server.repositories["models", "forged/model"] = Repository(whole | {name: content})
        sent = len(server.requests)
        told = ask("fetch_model", "forged/model", COMMIT, home / f"forged-{name}", pinned)["error"]
        assert f"gives another {name} at {COMMIT[:12]} than the one that was pinned" in told, told
        assert not (home / f"forged-{name}").exists()
        if name == "model.safetensors":  # told by the listing, before anything large is sent
            assert not any("resolve" in line for line in server.requests[sent:])
    server.repositories["models", "forged/model"] = Repository(whole)
    assert "value" in ask("fetch_model", "forged/model", COMMIT, home / "forged", pinned)
    assert json.loads((home / "forged/fetched.json").read_text())["unpinned"] == []
    more = pinned | {"model-2.safetensors": "0" * 64}
    told = ask("fetch_model", "forged/model", COMMIT, home / "again", more)["error"]
    assert "model-2.safetensors has a checksum but is not among the model's files" in told
    told = ask(
        "fetch_dataset_file", "some/problems", COMMIT, None, "test", home / "data2", {"test.jsonl": "0" * 64}
    )["error"]
    assert "gives another test.jsonl" in told and not (home / "data2/test.jsonl").exists()


def test_a_connection_that_breaks_off_is_taken_up_where_it_was(world):
    ask, server, home = world
    assert "value" in ask("fetch_model", "slow/model", COMMIT, home / "slow")
    ranges = [line for line in server.requests if line.startswith("GET /slow/model/resolve") and "bytes=" in line]
    assert any("bytes=10485760-" in line for line in ranges), ranges


def test_a_file_that_is_not_the_one_listed_is_deleted_and_named(world):
    ask, server, home = world
    error = ask("fetch_model", "lying/model", COMMIT, home / "lying")["error"]
    assert "model.safetensors is not the file that the hub lists" in error
    assert not (home / "lying").exists()
    server.repositories["models", "lying/model"].served.clear()
    assert "value" in ask("fetch_model", "lying/model", COMMIT, home / "lying")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fetch_model", "gated/model", COMMIT), "gated; accept its licence at http://127.0.0.1"),
        (("fetch_model", "no/model", COMMIT), "shows no model of this name"),
        (("fetch_model", "good/model", "f" * 40), "has no commit ffff"),
        (("fetch_model", "good/model", None), "no revision is pinned; `python scripts/pin_revisions.py"),
        (("fetch_model", "empty/model", COMMIT), "has no weights"),
        (("fetch_dataset_file", "some/problems", COMMIT, None, "validation"), "those at this revision: test.jsonl"),
        (("commit", "model", "no/model"), "shows no model of this name"),
    ],
    ids=["gated", "unknown", "no commit", "unpinned", "no weights", "no split", "pin unknown"],
)
def test_what_goes_wrong_is_one_sentence(world, arguments, words):
    ask, _, home = world
    output = () if arguments[0] == "commit" else (home / "nothing",)
    error = ask(*arguments, *output)["error"]
    assert words in error and "\n" not in error and "hf_" not in error
    assert not (home / "nothing/fetched.json").exists()


def test_a_data_sets_file_is_found_by_its_split(world):
    ask, _, home = world
    path = ask("fetch_dataset_file", "some/problems", COMMIT, None, "test", home / "data")["value"]
    assert path.endswith("test.jsonl") and "problem_id" in Path(path).read_text()


@pytest.mark.parametrize("name", ["../test.jsonl", "/etc/test.jsonl", "data/../../test.jsonl", "data//test.jsonl"])
def test_a_file_of_a_data_set_stays_in_its_folder(name, tmp_path):
    listed = hub.Listed(name, 1, None, "0" * 40)
    with pytest.raises(StudyError, match="which is no name of a file"):
        hub.download("dataset", "some/data", "0" * 40, [listed], tmp_path / "data")
    assert not list(tmp_path.iterdir())


def test_pins_are_written_beside_the_study_and_no_token_is_shown(world, tmp_path):
    _, server, _ = world
    study = tmp_path / "mine.yaml"
    sets = {f"set-{name}": HAND | {"file": f"{name}.json"} for name in "ab"}
    judge = {"source": "hub", "id": "good/model", "format": "qwen"}
    study.write_text(json.dumps(SMALL | {"labelled": sets, "prms": {"judge": judge}}))
    environment = os.environ | server.environment(tmp_path / "home") | {"HF_TOKEN": TOKEN}
    environment |= {"PYTHONPATH": str(ROOT / "workflow")}
    command = [sys.executable, str(ROOT / "scripts/pin_revisions.py"), str(study)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    lock = revisions.read_lock(tmp_path / "mine.revisions.yaml")
    assert lock["model"]["good/model"].revision == lock["dataset"]["some/problems"].revision == COMMIT
    files = ("config.json", "tokenizer.json", "model.safetensors")
    checksums = {name: sha256(MODEL[name]).hexdigest() for name in files}
    assert lock["model"]["good/model"].checksums == checksums
    assert set(lock["dataset"]["some/problems"].checksums) == {"test.jsonl"}
    pinned = revisions.load(study)
    assert pinned.policies["tiny"].checksums == checksums
    assert pinned.benchmarks["b"].checksums == lock["dataset"]["some/problems"].checksums
    # Of a data set that several entries read, every file's checksum is written down.
    assert set(lock["dataset"]["some/marked"].checksums) == {"a.json", "b.json"}
    assert set(pinned.labelled["set-b"].checksums) == {"b.json"} and pinned.labelled["set-b"].revision == COMMIT
    # What was written down once is held against what the hub says later.
    server.repositories["models", "good/model"] = Repository(MODEL | {"tokenizer.json": b"{} "})
    again = subprocess.run(command, env=environment, capture_output=True, text=True)
    server.repositories["models", "good/model"] = Repository(MODEL)
    assert again.returncode == 1 and "the hub says that the SHA-256 of tokenizer.json" in again.stderr
    revisions.require(pinned)
    assert pinned.policies["tiny"].revision == COMMIT
    shown = run.stdout + run.stderr
    outputs = {"output": str(tmp_path / "x" / "fetched.json")}
    fetch = step_command(FetchSpec(id="gated/model", revision=COMMIT, outputs=outputs), tmp_path)
    environment["HF_TOKEN"] = TOKEN[:-1]
    refused = subprocess.run(fetch, env=environment, capture_output=True, text=True)
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1 and "gated" in refused.stderr
    assert TOKEN[:-1] not in shown + refused.stdout + refused.stderr


def test_labelled_solutions_of_the_hub_are_fetched_and_refused_where_they_are_others(world, tmp_path):
    _, server, _ = world
    environment = os.environ | server.environment(tmp_path / "home") | {"PYTHONPATH": str(ROOT / "workflow")}

    def run(checksum: str) -> subprocess.CompletedProcess:
        told = HAND | {"file": "a.json", "revision": COMMIT, "checksums": {"a.json": checksum}}
        outputs = {"output": str(tmp_path / "solutions.parquet")}
        spec = LabelledSpec.model_validate({"settings": told, "version": 1, "outputs": outputs})
        return subprocess.run(step_command(spec, tmp_path), env=environment, capture_output=True, text=True)

    refused = run("0" * 64)
    assert refused.returncode == 1 and "a.json" in refused.stderr and not (tmp_path / "solutions.parquet").exists()
    assert run(sha256(json.dumps(MARKED).encode()).hexdigest()).returncode == 0
    frame = tables.read("labelled", tmp_path / "solutions.parquet")
    assert (frame["problem"].tolist(), frame["first_error"].tolist()) == (["1+1?"], [0])
    given = from_mapping(SMALL | {"labelled": {"far": HAND | {"file": "a.json"}}, "prms": {"judge": {
        "source": "hub", "id": "good/model", "format": "qwen"}}})  # fmt: skip
    layout = open_layout(given)
    assert labelled_spec(layout, "far").product in fetched(layout)


# -- configuration: no network --------------------------------------------------------------------------------

HAND = {"source": "hub", "id": "some/marked", "format": "processbench"}
SMALL = {
    "study": "mine",
    "benchmarks": {"b": {"source": "hub", "id": "some/problems"}},
    "policies": {"tiny": {"source": "hub", "id": "good/model", "prompt": "llama"}},
    "budgets": {"majority": [4]},
}


def test_a_study_without_pins_is_planned_and_not_run():
    study = from_mapping(SMALL)
    layout = open_layout(study)
    assert weights(layout, "tiny").path.startswith("results/models/hub/model-")
    assert fetched(layout) == [weights(layout, "tiny").path, benchmark_spec(layout, "b").product]
    with pytest.raises(StudyError, match=r"policies\.tiny \(good/model\).*pin_revisions\.py x\.yaml"):
        revisions.require(study, "x.yaml")


def test_another_commit_is_another_folder_and_another_pool():
    def places(revision):
        layout = open_layout(from_mapping(SMALL | {"policies": {"tiny": SMALL["policies"]["tiny"] | revision}}))
        return weights(layout, "tiny").path, paths.pool_folder(layout, "b", "tiny", "samples")

    first, second = places({"revision": "a" * 40}), places({"revision": "b" * 40})
    assert first[0] != second[0] and first[1] != second[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"revision": "main"}, "policies.tiny.revision: 'main' is not a commit of 40 hex digits"),
        ({"id": "../../etc/passwd"}, "policies.tiny.id: '../../etc/passwd' is not an id of the hub"),
    ],
)
def test_a_branch_and_a_path_are_refused(change, words):
    with pytest.raises(StudyError, match=words.replace(".", r"\.")):
        from_mapping(SMALL | {"policies": {"tiny": SMALL["policies"]["tiny"] | change}})


def test_a_lock_file_with_a_branch_is_refused(tmp_path):
    (tmp_path / "s.revisions.yaml").write_text("model: {good/model: main}\n")
    with pytest.raises(StudyError, match="'main' is no commit"):
        revisions.with_revisions(SMALL, [tmp_path / "s.yaml"])

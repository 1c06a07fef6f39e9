"""The configuration: what is right passes, and each mistake is one sentence with the key's path."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import yaml

from ttstudy.data.revisions import load
from ttstudy.errors import StudyError
from ttstudy.study import from_mapping, read_yaml, schema

ROOT = Path(__file__).resolve().parent.parent
_FILES = sorted((ROOT / "workflow" / "studies").glob("*.yaml"))
STUDIES = [ROOT / "config.yaml", *(path for path in _FILES if not path.stem.endswith(".revisions"))]
DEFINITION = {"model": {}, "training": {}, "seed": 1}


def small() -> dict:
    return {
        "study": "small",
        "benchmarks": {"sums": {"source": "miniature", "problems": 10, "seed": 1}},
        "policies": {"tiny": {"source": "trained", "definition": dict(DEFINITION)}},
        "prms": {"good": {"source": "trained", "policies": ["tiny"], "definition": dict(DEFINITION)}},
        "budgets": {"majority": [4], "best_of_n": [4], "beam_search": [4], "dvts": [4, 8]},
    }


def test_a_small_study_is_accepted():
    study = from_mapping(small())
    assert study.budgets.pool == 4
    assert study.sampling_of("tiny", "cot")["temperature"] == 0


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_every_study_in_the_repository_is_accepted(path):
    load(path)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_every_study_written_out_in_full_is_the_same_study(path):
    study = load(path)
    assert from_mapping(study.model_dump(mode="json")) == study


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_every_study_names_the_schema_for_editors(path):
    first = path.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (path.parent / first.split("=", 1)[1]).resolve() == ROOT / "workflow/schemas/study.schema.json"


def test_the_exported_schema_is_that_of_the_code():
    assert (ROOT / "workflow/schemas/study.schema.json").read_text() == schema()
    assert json.loads(schema())["properties"]["policies"]


@pytest.mark.parametrize(
    "policy",
    [
        {"source": "trained", "definition": DEFINITION},
        {"source": "trained", "definition": DEFINITION, "engine": "vllm", "vllm": {"data_parallel": 2}},
        {"source": "hub", "id": "a/b", "device": "cuda"},
        {"source": "openai", "model": "m", "base_url": "$HOST", "key_variable": None},
    ],
    ids=lambda policy: policy.get("engine", policy["source"]),
)
def test_a_study_written_out_whole_is_the_same_study(policy):
    study = from_mapping(small() | {"policies": {"tiny": small()["policies"]["tiny"], "other": policy}})
    assert from_mapping(study.model_dump(mode="json")) == study


def test_one_policys_sampling_changes_only_what_it_names():
    config = small()
    config["policies"]["tiny"]["sampling"] = {"responses": {"temperature": 1.0}}
    study = from_mapping(config)
    assert study.sampling_of("tiny", "responses")["temperature"] == 1.0
    assert study.sampling_of("tiny", "search")["temperature"] == 0.7


def test_a_study_of_endpoints_alone_refuses_search_in_one_sentence():
    config = small() | {"policies": {"far": {"source": "openai", "model": "m"}}}
    config["prms"]["good"] = {"source": "checkpoint", "path": "prm"}
    with pytest.raises(StudyError, match="budgets.beam_search: no policy here can be searched with"):
        from_mapping(config)
    config["budgets"] = {"majority": [4], "best_of_n": [4]}
    assert not from_mapping(config).can_search("far")


def test_a_study_may_vary_another(tmp_path):
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(small()))
    (tmp_path / "more.yaml").write_text("base: base.yaml\nstudy: more\nbudgets: {majority: [4, 64]}\n")
    study = load(tmp_path / "more.yaml")
    assert (study.study, study.budgets.majority, study.budgets.dvts) == ("more", [4, 64], [4, 8])
    (tmp_path / "third.yaml").write_text("base: more.yaml\nstudy: third\n")
    with pytest.raises(StudyError, match="has a `base` itself"):
        load(tmp_path / "third.yaml")


MISTAKES = {
    "unknown key": (("polices",), {}, "polices: unknown key"),
    "unknown nested key": (("search", "beam_widht"), 4, "search.beam_widht: unknown key"),
    "missing benchmarks": (("benchmarks",), None, "benchmarks"),
    "no policies": (("policies",), {}, "policies"),
    "budget not a multiple": (("budgets", "beam_search"), [6], "budgets.beam_search: 6 is not a multiple"),
    "dvts not a multiple": (("budgets", "dvts"), [4, 10], "budgets.dvts: 10 is not a multiple"),
    "budget twice": (("budgets", "majority"), [4, 4], "majority lists a budget twice"),
    "negative budget": (("budgets", "majority"), [-4], "budgets.majority.0"),
    "budget a word": (("budgets", "majority"), ["four"], "budgets.majority.0"),
    "empty budgets": (("budgets", "majority"), [], "budgets.majority"),
    "no prm": (("prms",), {}, "prms: none is defined"),
    "prm of unknown policy": (("prms", "good", "policies"), ["huge"], "prms.good.policies: 'huge' is not defined"),
    "prm without policies": (("prms", "good", "policies"), [], "prms.good.policies"),
    "pairs of an unknown prm": (("pairs",), {"bad": ["tiny"]}, "pairs.bad"),
    "pairs with an unknown policy": (("pairs",), {"good": ["huge"]}, "pairs.good"),
    "unknown source": (("policies", "tiny", "source"), "zoo", "policies.tiny: source 'zoo' is not one of"),
    "no source": (("policies", "tiny"), {"definition": DEFINITION}, "policies.tiny: needs a `source`"),
    "slash in a name": (("policies", "a/b"), {"source": "trained", "definition": DEFINITION}, "is not a name"),
    "traversal in a name": (("benchmarks", ".."), {"source": "miniature", "problems": 1, "seed": 1}, "is not a name"),
    "space in the study's name": (("study",), "my study", "study: 'my study' is not a name"),
    "newline in a name": (("study",), "a\n", "study"),
    "reserved benchmark": (("benchmarks", "models"), {"source": "miniature", "problems": 1, "seed": 1}, "kept for"),
    "negative temperature": (("sampling", "cot"), {"temperature": -1, "max_tokens": 5}, "sampling.cot.temperature"),
    "top_p above one": (
        ("sampling", "cot"),
        {"temperature": 0, "top_p": 1.5, "max_tokens": 5},
        "sampling.cot.top_p",
    ),
    "zero problems": (("benchmarks", "sums", "problems"), 0, "benchmarks.sums.problems"),
    "fraction of a problem": (("benchmarks", "sums", "problems"), 1.5, "benchmarks.sums.problems"),
    "train split": (("benchmarks", "sums", "split"), "train", "benchmarks.sums.split"),
    "thresholds swapped": (("difficulty",), {"thresholds": [10, 50]}, "thresholds must fall"),
    "unknown score": (("score",), "median", "score"),
    "unknown grader": (("grader",), "lenient", "grader"),
    "zero beam width": (("search", "beam_width"), 0, "search.beam_width"),
    "seed a word": (("seed",), "lucky", "seed"),
    "policies a list": (("policies",), ["tiny"], "policies"),
    "a key in an address": (
        ("policies", "tiny"),
        {"source": "openai", "model": "m", "base_url": "https://user:secret@host/v1"},
        "policies.tiny.base_url: must be $NAME or an address",
    ),
    "a key for its variable": (
        ("policies", "tiny"),
        {"source": "openai", "model": "m", "key_variable": "sk-123"},
        "policies.tiny.key_variable",
    ),
    "unknown engine": (("policies", "tiny", "engine"), "sglang", "policies.tiny.engine"),
    "vllm options without vllm": (("policies", "tiny", "vllm"), {"tensor_parallel": 2}, "add `engine: vllm`"),
    "a PRM's options without vllm": (("prms", "good", "vllm"), {"tensor_parallel": 2}, "add `engine: vllm`"),
    "no GPU in parallel": (
        ("policies", "tiny"),
        {"source": "trained", "definition": DEFINITION, "engine": "vllm", "vllm": {"tensor_parallel": 0}},
        "policies.tiny.vllm.tensor_parallel",
    ),
}


@pytest.mark.parametrize(("path", "value", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_sentence_with_the_path(path, value, words):
    config = copy.deepcopy(small())
    target = config
    for key in path[:-1]:
        target = target.setdefault(key, {})
    if value is None:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    with pytest.raises(StudyError) as caught:
        from_mapping(config, "my.yaml")
    message = str(caught.value)
    assert message.startswith("my.yaml: ")
    assert words in message
    assert "\n" not in message.replace("'a\\n'", "")


FILES = {
    "duplicate key": ("study: a\nstudy: b\n", "line 2: key 'study' is given twice"),
    "nested duplicate": ("study: a\nsearch:\n  beam_width: 4\n  beam_width: 8\n", "line 4: key 'beam_width'"),
    "not yaml": ("study: [a\n", "not valid YAML"),
    "a list": ("- a\n- b\n", "must be a mapping"),
    "empty": ("", "must be a mapping"),
    "python object": ("study: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
    "deep": ("[" * 5000, "YAML"),
}


@pytest.mark.parametrize(("text", "words"), FILES.values(), ids=FILES.keys())
def test_a_bad_file_is_one_sentence_with_its_name(tmp_path, text, words):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    try:
        read_yaml(path)
    except StudyError as error:
        assert str(path) in str(error)
        assert words in str(error) or "nested too deeply" in str(error)
    else:
        pytest.fail("the file was accepted")


def test_a_file_that_is_missing_or_binary_is_named(tmp_path):
    with pytest.raises(StudyError, match="cannot be read"):
        read_yaml(tmp_path / "no.yaml")
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00study")
    with pytest.raises(StudyError, match="not UTF-8"):
        read_yaml(tmp_path / "x.yaml")


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path):
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + yaml.safe_dump(small()).replace("\n", "\r\n").encode())
    assert load(path).study == "small"

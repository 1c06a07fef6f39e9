"""Endpoints that answer wrongly rather than not at all: nothing hangs, nothing is made up, the key stays here."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from ttstudy.errors import StudyError
from ttstudy.policies import openai as openai_engine
from ttstudy.policies.openai import Answer, Endpoint, Journal, ask, read_answer, retry_after

KEY = "sk-test-0c5d11e7f2"
WHOLE = {
    "choices": [{"message": {"content": "It is 4."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 5},
}
GOOD = Answer("It is 4.", 3, 5, None, "eos")


def reply(content: bytes | dict, status: str = "200 OK", **headers: str) -> bytes:
    """A response as bytes."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    given = {"Content_Length": str(len(body)), "Connection": "close"} | headers
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def answering(*replies):
    """Address and requests of a server that gives these replies (bytes, or pieces with pauses), the last for ever."""
    requests: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(1 << 16)
            head, _, body = data.partition(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            while len(body) < length:
                body += connection.recv(1 << 16)
            requests.append(head + b"\r\n\r\n" + body)
            chosen = replies[min(len(requests), len(replies)) - 1]
            try:
                for piece in [chosen] if isinstance(chosen, bytes) else chosen():
                    connection.sendall(piece)
            except OSError:
                return

    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", requests
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("TTSTUDY_TEST_KEY", KEY)


def asked(url: str, folder, **changes) -> Answer:
    settings = {"policy": "far", "model": "mini", "base_url": url, "key_variable": "TTSTUDY_TEST_KEY", "attempts": 3}
    journal = Journal(folder / "journal")
    try:
        ask(Endpoint(**settings | changes), [(("p", 0), {"messages": []})], journal)
        return journal.answers["p", 0]
    finally:
        journal.close()


def drip():
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    while True:
        time.sleep(0.05)
        yield b" "


def flood():
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"
    while True:
        yield b" " * (1 << 16)


TWICE_PACKED = reply(gzip.compress(gzip.compress(b" " * 100_000)), Content_Encoding="gzip, gzip")
PASSING = {
    "cut before its length": reply(json.dumps(WHOLE).encode(), Content_Length="9999"),
    "longer than its length": reply(json.dumps(WHOLE).encode(), Content_Length="60"),
    "an error for an answer": reply({"error": {"message": "upstream overloaded", "code": 502}}),
    "no reason to end": reply({"choices": [WHOLE["choices"][0] | {"finish_reason": None}]}),
    "a count that no table holds": reply(WHOLE | {"usage": {"prompt_tokens": 3, "completion_tokens": 10**30}}),
    "packed twice": TWICE_PACKED,
    "a page": reply(b"<html>maintenance</html>", Content_Type="text/html"),
}


@pytest.mark.parametrize("kind", PASSING)
def test_what_is_no_whole_answer_is_asked_for_again(kind, tmp_path):
    with answering(PASSING[kind], reply(WHOLE)) as (url, requests):
        assert asked(url, tmp_path) == GOOD
    assert len(requests) == 2


def test_an_answer_that_drips_for_ever_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(openai_engine, "SILENCES", 4)
    started = time.monotonic()
    with answering(drip, reply(WHOLE)) as (url, requests):
        assert asked(url, tmp_path, timeout_s=0.5) == GOOD
    # Given up after four silences, though it was never silent for one: without that, this would go on for ever.
    assert len(requests) == 2 and time.monotonic() - started >= 2


def test_a_body_without_end_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(openai_engine, "LARGEST_BODY", 1 << 20)
    with answering(flood) as (url, requests):
        with pytest.raises(StudyError, match="failed 2 times in a row .an answer of more than 1048576 bytes"):
            asked(url, tmp_path, attempts=2)
    assert len(requests) == 2


def test_the_words_of_an_error_in_an_answers_place_reach_the_user_without_key_and_escapes(tmp_path):
    error = {"error": {"message": f"quota of {KEY} \x1b[31mgone\ud800"}}
    with answering(reply(error)) as (url, _), pytest.raises(StudyError, match="quota of") as caught:
        asked(url, tmp_path, attempts=2)
    assert KEY not in str(caught.value) and str(caught.value).isprintable()


def test_a_redirect_carries_the_key_nowhere(tmp_path):
    with answering(reply(WHOLE)) as (elsewhere, strangers):
        moved = reply(b"", "307 Temporary Redirect", Location=f"{elsewhere}/chat/completions")
        with answering(moved) as (url, requests), pytest.raises(StudyError, match="status 307") as caught:
            asked(url, tmp_path)
    assert len(requests) == 1 and strangers == [] and KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"usage": None}, Answer("It is 4.", None, None, None, "eos")),
        ({"choices": WHOLE["choices"] * 2}, Answer("It is 4.", 3, None, None, "eos")),
        ({"choices": [{"message": {"content": None, "tool_calls": [{}]}, "finish_reason": "tool_calls"}]},
         Answer("", 3, 5, None, "stop")),
        ({"choices": [WHOLE["choices"][0] | {"logprobs": {"content": [{"logprob": -(10**400)}]}}]}, GOOD),
        ({"model": "m\ud800\x1b[0m"}, Answer("It is 4.", 3, 5, None, "eos", "m?\x1b[0m")),
    ],
    ids=["no usage", "two choices", "a tool call", "a log-probability beyond floats", "a model's name that is no text"],
)  # fmt: skip
def test_odd_answers_are_read_for_what_they_say(change, expected):
    assert read_answer(json.dumps(WHOLE | change).encode()) == expected


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("Thu, 01 Jan 1970 00:02:00", 20),
        ("Thu, 01 Jan 1970 00:02:00 -0000", 20),
        ("Wed, 21 Oct 2015 07:28:00 +99999999999999999999", 0),
        ("9" * 400, 0),
        ("Thursday, 01-Jan-70 00:02:00 GMT", 20),
    ],
)
def test_a_date_to_wait_for_may_be_any(value, seconds, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert retry_after({"retry-after": value}, lambda: 100.0) == seconds
    finally:
        monkeypatch.undo()
        time.tzset()

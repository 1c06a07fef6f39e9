"""Policies behind an OpenAI-compatible endpoint: chat completions, asked concurrently, kept as they arrive.

Every response is appended to a journal, durably, the moment it is complete; a job that ends early goes on from there.
What may pass (rate limits, server errors, dropped connections, bodies that are no whole answer) is tried again with
back-off and jitter; what cannot pass (a wrong key, an unknown model) ends the job with one sentence at once. The key
comes from an environment variable and goes into one header, nowhere else.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Any

import httpx2
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from ttstudy.errors import StudyError, one_line
from ttstudy.policies import servers
from ttstudy.policies.asking import passes, side_by_side
from ttstudy.policies.protocol import Finish, Progress, Sampling

LARGEST_BODY = 64 * 2**20
"""Bytes of one answer; more is no answer."""
SILENCES = 6
"""An answer may take as long as so many of its longest silences: one that drips byte by byte has no end."""
MOST_TOKENS = 10**9
"""Tokens of one answer that can be meant; more is no count."""
LONGEST_WAIT = 3600.0
"""Seconds that a server may ask us to wait."""
_SEEDS = (1 << 53) - 1  # numbers that every JSON reader keeps
_TOO_LONG = re.compile(r"context.length.exceeded|maximum context length|maximum model length", re.IGNORECASE)
_NO_CREDIT = re.compile(r"insufficient_quota|billing", re.IGNORECASE)
_FINISH: dict[str, Finish] = {"stop": "eos", "length": "length"}
_SHOWN = 200
_UNKNOWN = -9998.0


@dataclass(frozen=True)
class Endpoint:
    """Where a policy answers and how it is asked; see `ttstudy.study.OpenAIPolicy`."""

    policy: str
    model: str
    base_url: str
    server: str | None = None
    reasoning: bool = False
    key_variable: str | None = None
    concurrency: int = 16
    requests_per_minute: float | None = None
    timeout_s: float = 600.0
    attempts: int = 12

    @property
    def url(self) -> str:
        """Address of chat completions; StudyError where it is given as `$NAME` and NAME is not set."""
        base = self.base_url
        if base.startswith("$"):
            base = os.environ.get(base[1:], "")
            if not base:
                raise StudyError(f"{self.place}.base_url: the environment variable {self.base_url[1:]} is not set")
        if not base.startswith(("http://", "https://")):
            raise StudyError(f"{self.place}.base_url: must begin with http:// or https://")
        return base.rstrip("/") + "/chat/completions"

    @property
    def key(self) -> str | None:
        """The key out of the environment; StudyError where the variable is not set or holds no key."""
        if self.key_variable is None:
            return None
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            raise StudyError(
                f"{self.place}.key_variable: the environment variable {self.key_variable} holds no key; set it, "
                "or give `key_variable: null` for an endpoint without keys"
            )
        if not key.isascii() or not key.isprintable():
            raise StudyError(f"{self.place}.key_variable: {self.key_variable} holds characters that no key has")
        return key

    @property
    def place(self) -> str:
        """Path of the policy in the configuration."""
        return f"policies.{self.policy}"

    def body(self, messages: Sequence[Mapping[str, str]], sampling: Sampling, seed: int) -> dict[str, Any]:
        """A request. Reasoning models take neither temperature nor seed nor log-probabilities, and count thoughts."""
        body: dict[str, Any] = {"model": self.model, "messages": list(messages), "n": 1}
        if self.reasoning:
            return body | {"max_completion_tokens": sampling.max_tokens}
        body |= {"max_tokens": sampling.max_tokens, "temperature": sampling.temperature, "top_p": sampling.top_p}
        body |= servers.keys(self.server, sampling) | ({"stop": list(sampling.stop)} if sampling.stop else {})
        asked = {"top_logprobs": sampling.likeliest} if sampling.likeliest else {}
        return body | {"seed": seed & _SEEDS, "logprobs": True} | asked


@dataclass(frozen=True)
class Answer:
    """What the endpoint said: counts and log-probability are None where it does not tell them."""

    text: str
    prompt_tokens: int | None
    tokens: int | None
    logprob: float | None
    finish: Finish
    model: str = ""
    peaks: Sequence[float] | None = None
    """As `ttstudy.kinds.confidences.Tokens` has them, where they were asked for and told."""


class _PassingError(Exception):
    """Something that may be gone at the next try; `wait` in seconds, where the server named it."""

    def __init__(self, what: str, wait: float = 0.0) -> None:
        super().__init__(what)
        self.wait = wait


class Journal:
    """Answers on disk, one JSON line each: {"key": [...], "answer": {...}}. The first of a key stands."""

    def __init__(self, path: Path) -> None:
        """Read what is there; a last line that was cut by a kill is dropped, as is any that is no answer."""
        self.path = path
        self.answers: dict[tuple[Any, ...], Answer] = {}
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        for line in whole.splitlines():
            try:
                record = json.loads(line)
                self.answers.setdefault(tuple(record["key"]), Answer(**record["answer"]))
            except (ValueError, KeyError, TypeError):
                continue
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("r+b" if path.exists() else "w+b")
        self._stream.truncate(len(whole))
        self._stream.seek(0, os.SEEK_END)

    def keep(self, key: tuple[Any, ...], answer: Answer) -> None:
        """Write one answer through to the disk."""
        if key not in self.answers:
            self.answers[key] = answer
            line = json.dumps({"key": list(key), "answer": vars(answer)})
            self._stream.write(line.encode() + b"\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


Job = tuple[tuple[Any, ...], dict[str, Any]]
"""Key of a response, body of its request."""


def ask(
    endpoint: Endpoint,
    jobs: Iterable[Job],
    journal: Journal,
    progress: Progress | None = None,
    log: IO[str] | None = None,
) -> None:
    """Ask for every job whose key the journal does not hold; StudyError for what no further try can mend.

    At most `concurrency` requests are under way, started at most at `requests_per_minute`; when the server says to
    wait (Retry-After), all of them wait.
    """
    asyncio.run(_Asking(endpoint, journal, progress, log).run([job for job in jobs if job[0] not in journal.answers]))


class _Asking:
    def __init__(self, endpoint: Endpoint, journal: Journal, progress: Progress | None, log: IO[str] | None) -> None:
        self.endpoint, self.journal, self.progress, self.log = endpoint, journal, progress, log
        self.url, self.key = endpoint.url, endpoint.key
        self._next = 0.0
        self._tokens = sum(answer.tokens or 0 for answer in journal.answers.values())

    async def run(self, jobs: Sequence[Job]) -> None:
        headers = {} if self.key is None else {"Authorization": f"Bearer {self.key}"}
        count = min(self.endpoint.concurrency, len(jobs))
        limits = httpx2.Limits(max_connections=count, max_keepalive_connections=count)
        timeout = httpx2.Timeout(self.endpoint.timeout_s, connect=min(30.0, self.endpoint.timeout_s))
        # No redirect is followed: it could carry the key elsewhere.
        async with httpx2.AsyncClient(
            headers=headers, limits=limits, timeout=timeout, follow_redirects=False
        ) as client:

            async def work(job: Job) -> None:
                key, body = job
                answer = await self._answer(client, body)
                self.journal.keep(key, answer)
                self._tokens += answer.tokens or 0
                if self.progress is not None:
                    self.progress(len(self.journal.answers), self._tokens)

            await side_by_side(jobs, count, work)

    async def _answer(self, client: httpx2.AsyncClient, body: dict[str, Any]) -> Answer:
        backoff = wait_random_exponential(multiplier=0.5, max=60)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return max(backoff(state), getattr(error, "wait", 0.0))

        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(_PassingError),
                wait=wait,
                stop=stop_after_attempt(self.endpoint.attempts),
                before_sleep=self._note,
                reraise=True,
            ):
                with attempt:
                    return await self._try(client, body)
        except _PassingError as error:
            raise StudyError(
                f"{self.endpoint.place}: the endpoint failed {self.endpoint.attempts} times in a row ({error}); "
                "run again later: the responses that have arrived are kept"
            ) from None
        raise AssertionError("unreachable")

    def _note(self, state: RetryCallState) -> None:
        if self.log is not None and state.outcome is not None:
            wait = state.next_action.sleep if state.next_action else 0.0
            print(f"{state.outcome.exception()}; again in {wait:.1f} s", file=self.log, flush=True)

    async def _turn(self) -> None:
        """Wait for this request's turn: the rate that is asked for, and what the server told all to wait."""
        while True:
            now = time.monotonic()
            if now >= self._next:
                pace = self.endpoint.requests_per_minute
                self._next = now + 60.0 / pace if pace else self._next
                return
            await asyncio.sleep(self._next - now)

    async def _try(self, client: httpx2.AsyncClient, body: dict[str, Any]) -> Answer:
        await self._turn()
        try:
            async with (
                asyncio.timeout(SILENCES * self.endpoint.timeout_s),
                client.stream("POST", self.url, json=body) as response,
            ):
                if "," in response.headers.get("content-encoding", ""):
                    # Each layer may be a thousand times as large as the one around it.
                    raise _PassingError("an answer that is packed more than once")
                content = bytearray()
                async for piece in response.aiter_bytes():
                    content += piece
                    if len(content) > LARGEST_BODY:
                        raise _PassingError(f"an answer of more than {LARGEST_BODY} bytes")
                status, headers = response.status_code, response.headers
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise _PassingError(f"{type(error).__name__}: no whole answer") from None
        except TimeoutError:
            raise _PassingError(f"no whole answer in {SILENCES * self.endpoint.timeout_s:g} s") from None
        if status == 200:
            try:
                return read_answer(bytes(content))
            except _PassingError as error:
                told = self._own_words(bytes(content))
                raise _PassingError(one_line(f"{error}: {told}" if told else str(error))) from None
        self._refused(status, headers, self._own_words(bytes(content)))
        # Too long for the context: with what room is left instead of max_tokens, as local engines do; else not at all.
        room = {key: value for key, value in body.items() if key not in ("max_tokens", "max_completion_tokens")}
        if len(room) == len(body):
            return Answer("", None, 0, None, "context")
        answer = await self._try(client, room)
        return replace(answer, finish="context") if answer.finish == "length" else answer

    def _refused(self, status: int, headers: Mapping[str, str], told: str) -> None:
        """Raise for a status that is no answer; return where prompt and max_tokens are longer than the context."""
        place, said = self.endpoint.place, f" ({told})" if told else ""
        if status in (401, 403):
            variable = self.endpoint.key_variable
            whose = f"the key in {variable}" if variable else "a request without a key (key_variable is null)"
            raise StudyError(f"{place}: the endpoint refuses {whose}, status {status}; correct it and run again")
        if status == 429 and _NO_CREDIT.search(told):
            raise StudyError(f"{place}: the endpoint says that the account has no credit left{said}")
        if passes(status):
            wait = retry_after(headers)
            if wait and status in (429, 503):
                self._next = max(self._next, time.monotonic() + wait)
            raise _PassingError(f"status {status}", wait)
        if status == 400 and _TOO_LONG.search(told):
            return
        if status == 404:
            raise StudyError(f"{place}: the endpoint knows no model {self.endpoint.model!r} at this base_url{said}")
        raise StudyError(f"{place}: the endpoint refuses the request, status {status}{said}")

    def _own_words(self, content: bytes) -> str:
        """The server's own words, short, without the key."""
        text = content[:10_000].decode("utf-8", "replace")
        try:
            error = json.loads(content)["error"]
            text = f"{error['code']}: {error['message']}" if isinstance(error, dict) and error.get("code") else text
            text = str(error.get("message", text)) if isinstance(error, dict) and not error.get("code") else text
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        if self.key:
            text = text.replace(self.key, "[key]")
        return " ".join(text.split())[:_SHOWN]


def read_answer(content: bytes) -> Answer:
    """The answer in a body; _PassingError where the body is none: cut, not JSON, or not of the right shape."""
    try:
        data = json.loads(content)
        choice = data["choices"][0]
        text, ended = choice["message"].get("content"), choice["finish_reason"]
        if not isinstance(text, str | None) or not isinstance(ended, str):
            raise TypeError
        usage = data.get("usage") or {}
        prompt, drawn = (_count(usage.get(key)) for key in ("prompt_tokens", "completion_tokens"))
        if len(data["choices"]) > 1:
            # One was asked for; what the others took is in the count.
            drawn = None
        model = _text(str(data.get("model") or ""))[:_SHOWN]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise _PassingError("a body that is no whole answer") from None
    text = _text(text or "")
    # Anything else (a filter, a tool call) ended the answer before its end.
    finish: Finish = _FINISH.get(ended, "stop")
    logprobs = choice.get("logprobs")
    return Answer(text, prompt, drawn, _logprob(logprobs), finish, model, _peaks(logprobs))


def _text(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates are valid JSON and no valid text."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _count(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_TOKENS:
        raise TypeError
    return value


def _logprob(logprobs: Any) -> float | None:
    """Sum over the answer's tokens; None where the endpoint gives none, or no numbers."""
    try:
        total = float(sum(token["logprob"] for token in logprobs["content"]))
    except (TypeError, KeyError, ValueError, OverflowError):
        return None
    return total if math.isfinite(total) else None


def _peaks(logprobs: Any) -> list[float] | None:
    """Minus the mean log-probability of each token's likeliest ones; None where the endpoint does not give them."""
    try:
        likeliest = [[float(other["logprob"]) for other in token["top_logprobs"]] for token in logprobs["content"]]
        # -9999 is no log-probability: some servers say it of tokens that they know none of.
        known = [[value for value in values if value > _UNKNOWN] for values in likeliest]
        peaks = [-sum(values) / len(values) for values in known]
    except (TypeError, KeyError, ValueError, OverflowError, ZeroDivisionError):
        return None
    return peaks if all(map(math.isfinite, peaks)) else None


def retry_after(headers: Mapping[str, str], clock: Callable[[], float] = time.time) -> float:
    """Seconds that `Retry-After` asks to wait (a number or a date), within bounds; 0 where it says nothing."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * scale
        except ValueError:
            try:
                date = parsedate_to_datetime(value)
                # Dates of HTTP are in GMT, also where they do not say so.
                seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - clock()
            except (ValueError, OverflowError):
                continue
        if math.isfinite(seconds):
            return min(max(seconds, 0.0), LONGEST_WAIT)
    return 0.0

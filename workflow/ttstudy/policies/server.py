"""A running vLLM server: what it serves, and many requests to it at a time.

Connections that fail and errors of the server are tried again with back-off; what cannot pass ends the job with one
sentence. The key comes from an environment variable and goes into one header, nowhere else.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import httpx2
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from ttstudy.errors import StudyError, one_line
from ttstudy.policies.asking import passes, side_by_side

_CONNECT_S = 30.0
_SHOWN = 300
_BLOCK = re.compile(r'block_size="(\d+)"')
_BROKEN = (httpx2.TransportError, httpx2.DecodingError, json.JSONDecodeError, UnicodeDecodeError)
"""What reading an answer raises where it is no whole one."""
_OTHER_SHAPE = (LookupError, TypeError, ValueError, AttributeError)
"""What taking an answer apart raises where it is none."""
Read = TypeVar("Read")
ADVICE = "see docs/models.md"


class _PassingError(Exception):
    """Something that may be gone at the next try."""


class Server:
    """A vLLM server. Options: see `ttstudy.kinds.engines.served`.

    `name`: of the model there; `context`, the server's max_model_len; `version`, vLLM's.
    """

    def __init__(
        self,
        *,
        url: str | None,
        model: str | None = None,
        key_variable: str | None = None,
        concurrency: int = 256,
        timeout_s: float = 600.0,
        attempts: int = 6,
    ) -> None:
        """Ask what is served; StudyError where no server answers, or not with this model."""
        self.url = _address(url)
        self._key = _key(key_variable)
        self._concurrency, self._timeout, self._attempts = concurrency, timeout_s, attempts
        listed = self._get("/v1/models").json()
        models = {str(each["id"]): each for each in listed.get("data", [])}
        if not models or (model is None and len(models) > 1):
            raise StudyError(f"served.model: the server at {self.url} has {', '.join(models) or 'none'}; name one")
        self.name = model or next(iter(models))
        if self.name not in models:
            raise StudyError(
                f"served.model: the server at {self.url} has no {self.name!r} but {', '.join(models)}; name one of "
                "these, or start it with `--served-model-name`"
            )
        self.context = int(models[self.name].get("max_model_len") or 0)
        if not self.context:
            raise StudyError(f"served.url: the server at {self.url} tells no max_model_len; it is no vLLM server")
        self.version = str(self._get("/version").json().get("version", "of an unknown version"))

    @property
    def words(self) -> str:
        """What answers, for the record beside a result."""
        return f"vllm {self.version}, served at {self.url} as {self.name}"

    def block(self) -> int:
        """Tokens of a block of its cache of prefixes; 16, vLLM's own, where it does not tell."""
        found = _BLOCK.search(self._get("/metrics").text)
        return int(found[1]) if found else 16

    def ask(self, path: str, bodies: Sequence[dict[str, Any]], read: Callable[[int, Any], Read]) -> list[Read]:
        """What `read` makes of the answers to requests, given the request's place and the answer; in their order.

        `read` is called as they come. What it cannot take apart is no whole answer, and is asked for again.
        """
        return asyncio.run(self._ask(path, bodies, read)) if bodies else []

    async def _ask(self, path: str, bodies: Sequence[dict[str, Any]], read: Callable[[int, Any], Read]) -> list[Read]:
        found: dict[int, Read] = {}
        count = min(self._concurrency, len(bodies))
        async with httpx2.AsyncClient(
            limits=httpx2.Limits(max_connections=count, max_keepalive_connections=count), **self._settings()
        ) as client:

            async def work(number: int) -> None:
                body = {"model": self.name, **bodies[number]}
                found[number] = await self._answer(client, path, body, lambda answer: read(number, answer))

            await side_by_side(range(len(bodies)), count, work)
        return [found[number] for number in range(len(bodies))]

    async def _answer(
        self, client: httpx2.AsyncClient, path: str, body: dict[str, Any], read: Callable[[Any], Read]
    ) -> Read:
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(_PassingError),
                wait=wait_random_exponential(multiplier=0.5, max=30),
                stop=stop_after_attempt(self._attempts),
                reraise=True,
            ):
                with attempt:
                    try:
                        response = await client.post(self.url + path, json=body)
                        answer = self._checked(response, path).json()
                    except _BROKEN as error:
                        raise _PassingError(type(error).__name__) from None
                    try:
                        return read(answer)
                    except _OTHER_SHAPE:
                        raise _PassingError("an answer of another shape") from None
        except _PassingError as error:
            raise self._silent(error) from None
        raise AssertionError("unreachable")

    def _get(self, path: str) -> httpx2.Response:
        try:
            with httpx2.Client(**self._settings()) as client:
                response = self._checked(client.get(self.url + path), path)
                if path != "/metrics" and not isinstance(response.json(), dict):
                    raise _PassingError("an answer of another shape")
                return response
        except (*_BROKEN, _PassingError) as error:
            raise self._silent(error) from None

    def _settings(self) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        timeout = httpx2.Timeout(self._timeout, connect=min(_CONNECT_S, self._timeout))
        # No redirect is followed: it could carry the key elsewhere.
        return {"headers": headers, "timeout": timeout, "follow_redirects": False, "trust_env": False}

    def _silent(self, error: Exception) -> StudyError:
        said = str(error) if isinstance(error, _PassingError) else type(error).__name__
        return StudyError(
            f"served.url: no vLLM server answers at {self.url} ({one_line(said)}); start one ({ADVICE}), or wait until "
            "it has loaded, and run again"
        )

    def _checked(self, response: httpx2.Response, path: str) -> httpx2.Response:
        status = response.status_code
        if status == 200:
            return response
        told = " ".join(response.text.split())[:_SHOWN]
        if self._key:
            told = told.replace(self._key, "[key]")
        if passes(status):
            raise _PassingError(f"status {status}: {told}")
        if status in (401, 403):
            raise StudyError(
                f"served.key_variable: the server at {self.url} refuses the key, status {status}; name the environment "
                "variable that holds the key it was started with"
            )
        if status == 404:
            raise StudyError(f"served.url: the server at {self.url} has no {path}: it serves something else; {ADVICE}")
        raise StudyError(f"served: the server at {self.url} refuses a request, status {status} ({one_line(told)})")


def _address(url: str | None) -> str:
    """The address without a path; StudyError where the variable that holds it is not set or holds none."""
    given = url or ""
    if given.startswith("$"):
        given = os.environ.get(given[1:], "").strip()
        if not given:
            raise StudyError(f"served.url: the environment variable {str(url)[1:]} is not set")
    if not given.startswith(("http://", "https://")) or "@" in given:
        raise StudyError("served.url: must be an address like http://host:8000, without user and key")
    return given.rstrip("/").removesuffix("/v1")


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        raise StudyError(f"served.key_variable: the environment variable {variable} holds no key")
    return key

"""Requests in flight: others may join while some are drawn, and each completion comes back as it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Protocol, cast

from ttstudy.policies.protocol import Completion, Engine, Progress, Request

PLACES = 512
"""Completions that an engine which does not say so is taken to draw together."""
AHEAD = 8
"""Requests in work for each of them that such an engine can use."""


class Stream(Protocol):
    """An engine at work. What is drawn is what `Engine.generate` draws, whatever joins when."""

    places: int
    """Completions that are drawn together: more in flight only wait."""
    ahead: int
    """Requests in work that it can use; more would only crowd its cache, and a PRM's."""
    slack: float
    """Share of the places in use that may fall empty before it is worth to stop for a PRM on the same device."""
    tokens: int
    """Tokens drawn so far; of completions that have not ended only where the engine tells."""

    def submit(self, jobs: Sequence[tuple[int, Request]], lane: int = 0) -> None:
        """Take requests, each with a number of the caller's. Those of one lane share their prompts' beginnings."""

    def poll(self) -> list[tuple[int, Completion]]:
        """Draw on a little; (number, completion) of what has ended since, in any order, or nothing yet."""


class _Calls:
    """The stream of an engine that has none: all that was submitted is drawn in one call."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._jobs = engine, list[tuple[int, Request]]()
        self.places, self.ahead, self.slack, self.tokens = PLACES, AHEAD * PLACES, 1.0, 0

    def submit(self, jobs: Sequence[tuple[int, Request]], lane: int = 0) -> None:
        """See `Stream.submit`."""
        self._jobs += jobs

    def poll(self) -> list[tuple[int, Completion]]:
        """See `Stream.poll`."""
        jobs, self._jobs = self._jobs, []
        completions = self._engine.generate([request for _, request in jobs])
        self.tokens += sum(completion.tokens for completion in completions)
        return [(number, done) for (number, _), done in zip(jobs, completions, strict=True)]


def stream_of(engine: Engine) -> Stream:
    """The engine's own stream, or one made of its `generate`."""
    own = getattr(engine, "stream", None)
    return cast(Stream, own()) if own is not None else _Calls(engine)


def drawn(
    stream: Stream,
    requests: Sequence[Request],
    progress: Progress | None = None,
    most: int | None = None,
    first: int = 0,
) -> Iterator[tuple[int, Completion]]:
    """(number of the request, completion) as they end; `progress` is told ten times a second at most, and at the end.

    `most`: requests that are submitted together, and drawn to the end before the next; `first`: so many of them are
    begun before the others.
    """
    numbered, most = list(enumerate(requests)), most or max(1, len(requests))
    finished, told = 0, time.monotonic()
    for start in range(0, len(numbered), most):
        some = numbered[start : start + most]
        ended: list[tuple[int, Completion]] = []
        for part in (some[:first], some[first:]):
            # Samples of one prompt are one lane.
            for lane, (_, jobs) in enumerate(groupby(part, key=lambda job: job[1].prompt)):
                stream.submit(list(jobs), lane)
            if first and part:
                ended += stream.poll()
        first, until = 0, finished + len(some)
        while True:
            finished += len(ended)
            if progress is not None and (finished == len(requests) or time.monotonic() - told >= 0.1):
                told = time.monotonic()
                progress(finished, stream.tokens)
            yield from ended
            if finished >= until:
                break
            ended = stream.poll()


def draw_all(stream: Stream, requests: Sequence[Request], progress: Progress | None = None) -> list[Completion]:
    """One completion per request, in their order; see `drawn`."""
    done = dict(drawn(stream, requests, progress))
    return [done[number] for number in range(len(requests))]

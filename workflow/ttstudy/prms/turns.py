"""Scoring in the meantime: a PRM with a process or a device of its own scores while the policy draws on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, cast

from ttstudy.prms.protocol import RewardModel
from ttstudy.prms.scorer import parted

Item = tuple[str, Sequence[str], Sequence[str]]
"""(problem, steps before, candidates)."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A call of `score_last_batch`: scores by item and candidate, and what each item took of the PRM."""

    scores: list[list[float]]
    tokens: list[int]
    """Tokens that went through the PRM, by item."""
    reencoded: list[int]
    """Tokens of a PRM that encodes every candidate's prefix anew, by item; 0 where it does not count them."""


class Scoring(Protocol):
    """One call of a PRM at a time, which others need not wait for."""

    apart: bool
    """Whether the policy can draw during a call."""
    busy: float
    """Seconds that calls took."""
    calls: int

    def start(self, items: Sequence[Item]) -> None:
        """Have the candidates of some items scored."""

    def done(self) -> bool:
        """Whether the call that was started has ended."""

    def result(self) -> Scored:
        """What the call gave, once it has ended."""


class Calls:
    """Calls of a PRM: in this thread, or in one beside it where the PRM is apart.

    A PRM that is not apart computes in this process as the policy does; two threads would only hold each other up.
    """

    def __init__(self, reward_model: RewardModel) -> None:
        """Start with no call."""
        self.reward_model = reward_model
        self.apart: bool = getattr(reward_model, "apart", False)
        self.busy, self.calls = 0.0, 0
        self._thread = ThreadPoolExecutor(1, "scoring") if self.apart else None
        self._call: Future[Scored] = Future()

    def start(self, items: Sequence[Item]) -> None:
        """See `Scoring.start`."""
        self.calls += 1
        if self._thread is not None:
            self._call = self._thread.submit(self._score, items)
        else:
            self._call = Future()
            self._call.set_result(self._score(items))

    def done(self) -> bool:
        """See `Scoring.done`."""
        return self._call.done()

    def result(self) -> Scored:
        """See `Scoring.result`; what the PRM raised is raised here."""
        return self._call.result()

    def _score(self, items: Sequence[Item]) -> Scored:
        clock, model = time.perf_counter(), self.reward_model
        before = model.tokens, getattr(model, "tokens_reencoded", 0)
        scores = model.score_last_batch(items)
        ran, reencoded = model.tokens - before[0], getattr(model, "tokens_reencoded", 0) - before[1]
        weights = [len(candidates) for _, _, candidates in items]
        taken = getattr(model, "taken", None) or zip(parted(ran, weights), parted(reencoded, weights), strict=True)
        tokens, whole = map(list, zip(*taken, strict=True))
        self.busy += time.perf_counter() - clock
        return Scored(scores, tokens, whole)


def scoring_of(reward_model: RewardModel) -> Scoring:
    """The PRM's own way to score in the meantime, or calls of it."""
    own = getattr(reward_model, "scoring", None)
    return cast(Scoring, own()) if own is not None else Calls(reward_model)

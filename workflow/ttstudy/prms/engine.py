"""What scores encoded steps: the protocol behind every reward model, and what is common to its implementations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, TypeVar

from ttstudy.kinds.formats import Encoded
from ttstudy.models.devices import Running

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Siblings:
    """Candidates for the next step after one prefix.

    `ids`: what all of them begin with, perhaps nothing. `cuts`: lengths of prefixes of `ids` that may have been run
    before, ascending, `len(ids)` included. `suffixes`: at least one more token each, ending at the scored position.
    """

    ids: list[int]
    cuts: list[int]
    suffixes: list[list[int]]


class ScoringEngine(Protocol):
    """Runs token ids through a PRM. `tokens` counts those that really went through it."""

    parameters: int
    context: int
    """Largest number of tokens that the model was made for."""
    tokens: int
    running: Running
    shares: bool
    """Whether `run` runs once what sequences about one problem begin with alike."""

    def run(self, batch: Sequence[Encoded], problems: Sequence[int]) -> list[list[float]]:
        """Score at each position of each sequence. Those with one number in `problems` are about one problem.

        An engine that `shares` runs once what these begin with alike, as `shared` counts it; others all of each.
        """

    def run_last(self, groups: Sequence[Siblings]) -> list[list[float]]:
        """Score at the end of each candidate of each group, common tokens run once."""

    def forget(self) -> None:
        """Empty caches, and count from 0 again. An engine without it is loaded anew for every job."""


class Counting:
    """An engine without weights: for what is only counted. See `ScoringEngine`."""

    parameters = tokens = 0
    running = Running("none", "none", "none")

    def __init__(self, context: int, shares: bool) -> None:
        """As the engine that it stands for."""
        self.context, self.shares = context, shares

    def run(self, batch: Sequence[Encoded], problems: Sequence[int]) -> list[list[float]]:
        """It has no scores."""
        raise NotImplementedError("this engine has no weights")

    def run_last(self, groups: Sequence[Siblings]) -> list[list[float]]:
        """It has no scores."""
        raise NotImplementedError("this engine has no weights")

    def forget(self) -> None:
        """There is nothing to forget."""


def in_batches(
    batch: Sequence[Encoded], budget: int, score: Callable[[list[Encoded]], list[float]]
) -> list[list[float]]:
    """Score at each position of each sequence, in order; `score` gets some of like length, `budget` tokens at most.

    It gives one flat list for all of them.
    """
    order = sorted(range(len(batch)), key=lambda i: len(batch[i].ids))
    scores: list[list[float]] = [[] for _ in batch]
    for chosen in batches(order, [len(batch[i].ids) for i in order], budget):
        flat = iter(score([batch[i] for i in chosen]))
        for i in chosen:
            scores[i] = [next(flat) for _ in batch[i].positions]
    return scores


def batches(items: Sequence[T], costs: Sequence[int], budget: int) -> Iterator[list[T]]:
    """Consecutive items whose costs add up to at most `budget`; a dearer one goes alone."""
    batch: list[T] = []
    total = 0
    for item, cost in zip(items, costs, strict=True):
        if batch and total + cost > budget:
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += cost
    if batch:
        yield batch


def common_length(ids: Sequence[int], others: Sequence[int]) -> int:
    """How many ids both begin with."""
    most = min(len(ids), len(others))
    if ids[:most] == others[:most]:
        return most
    return next((length for length in range(most) if ids[length] != others[length]), most)


def shared(batch: Sequence[Encoded], problems: Sequence[int]) -> tuple[list[int], list[int]]:
    """An order in which sequences that begin alike are neighbours, and how many ids each has from the one before it.

    Only sequences about one problem share. What is shared ends before a position whose score the one before has not.
    """
    order = sorted(range(len(batch)), key=lambda i: (problems[i], batch[i].ids))
    known = [0] * len(order)
    for place, (one, other) in enumerate(pairwise(order), 1):
        if problems[one] == problems[other]:
            length = common_length(batch[one].ids, batch[other].ids)
            has = set(batch[one].positions)
            known[place] = next((at for at in batch[other].positions if at < length and at not in has), length)
    return order, known

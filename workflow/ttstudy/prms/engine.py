"""What scores encoded steps: the protocol behind every reward model, and what is common to its implementations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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

    def run(self, batch: Sequence[Encoded]) -> list[list[float]]:
        """Score at each position of each sequence, one pass per sequence."""

    def run_last(self, groups: Sequence[Siblings]) -> list[list[float]]:
        """Score at the end of each candidate of each group, common tokens run once."""

    def forget(self) -> None:
        """Empty caches, and count from 0 again. An engine without it is loaded anew for every job."""


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

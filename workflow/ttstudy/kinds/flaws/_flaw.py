"""What a flaw of a process reward model is, and the labelled, scored steps that it is measured on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ttstudy.kinds import registry
from ttstudy.vocabulary import NO_ERROR

HALF = 0.5
"""A step scored below it is called wrong, above it right."""


@dataclass(frozen=True)
class Steps:
    """Scored steps of labelled solutions, solution after solution.

    Per solution [S]: `problem` (codes 0 ... units - 1), `error` (index of the first wrong step or -1), `start` (of
    its steps). Per step [n]: `solution`, `position`, `score`, `length`.
    """

    problem: np.ndarray
    error: np.ndarray
    start: np.ndarray
    solution: np.ndarray
    position: np.ndarray
    score: np.ndarray
    length: np.ndarray

    @classmethod
    def of(cls, solutions: Any) -> Steps:
        """Steps of a table of solutions (problem_id, first_error, lengths, step_scores); one without steps is left out.

        ValueError where a solution has another number of scores than of steps.
        """
        counts = solutions["lengths"].map(len).to_numpy()
        scored = solutions["step_scores"].map(len).to_numpy()
        if (wrong := np.flatnonzero(counts != scored)).size:
            row = solutions.iloc[wrong[0]]
            raise ValueError(
                f"problem {row['problem_id']}: {scored[wrong[0]]} scores of {counts[wrong[0]]} steps; "
                "labels and scores are of different responses"
            )
        kept = solutions[counts > 0]
        counts = counts[counts > 0]
        ends = np.cumsum(counts)
        number = np.repeat(np.arange(len(counts)), counts)
        join = np.concatenate if len(counts) else lambda parts: np.empty(0)
        return cls(
            problem=np.unique(kept["problem_id"].to_numpy(dtype=str), return_inverse=True)[1],
            error=kept["first_error"].to_numpy(dtype=int),
            start=ends - counts,
            solution=number,
            position=np.arange(len(number)) - np.repeat(ends - counts, counts),
            score=join(list(kept["step_scores"])).astype(float),
            length=join(list(kept["lengths"])).astype(float),
        )

    @cached_property
    def is_error(self) -> np.ndarray:
        """Whether a step is its solution's first wrong one."""
        return self.position == self.error[self.solution]

    @cached_property
    def is_right(self) -> np.ndarray:
        """Whether a step is labelled right."""
        error = self.error[self.solution]
        return (error == NO_ERROR) | (self.position < error)

    @cached_property
    def clean(self) -> np.ndarray:
        """Whether a solution has no error [S]."""
        return self.error == NO_ERROR

    def lowest(self, chosen: np.ndarray) -> np.ndarray:
        """Lowest score of each solution [S] among chosen steps; infinite where none is."""
        return np.minimum.reduceat(np.where(chosen, self.score, np.inf), self.start)

    def apart(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Scores and lengths of each solution's steps."""
        cuts = self.start[1:]
        return list(zip(np.split(self.score, cuts), np.split(self.length, cuts), strict=True))


@dataclass(frozen=True, slots=True)
class Share:
    """A flaw that is a share of cases: 0 or 1 of each case, and the solution that each is of."""

    values: np.ndarray
    solutions: np.ndarray


@dataclass(frozen=True, slots=True)
class Fit:
    """A flaw that is a number of sums over problems, so that problems can be drawn again.

    `sums` are arrays [problems, ...]; `of` takes their sums (or sums of resamples, with an axis of these before) to the
    number, NaN where they tell none; `cases` are the steps behind it.
    """

    sums: Sequence[np.ndarray]
    of: Callable[[Sequence[np.ndarray]], np.ndarray]
    cases: int


@dataclass(frozen=True, slots=True)
class Scored:
    """The steps of a path of a search tree: scores, whether the path is right so far, log2 of their lengths."""

    scores: list[float]
    right: list[bool]
    sizes: list[float]


@dataclass(frozen=True, slots=True)
class Round:
    """What a repair knows of the round that it mends."""

    measured: float
    """The flaw of this PRM, as measured."""
    size: float
    """Mean of log2 of the length of the round's steps."""


@dataclass(frozen=True, slots=True)
class Look(registry.Look):
    """How a flaw is shown; in no digest, as every `Look`."""

    case: str = ""
    """What its worked case shows, after its name."""
    note: str = ""
    """A sentence on how it is measured, for the report's reader; "" where its label says all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """A way in which a PRM's scores are wrong; a file of this folder is one."""

    look: Look
    rank: int
    """Place in tables and figures; no two have the same."""
    source: str
    measure: Callable[[Steps], Share | Fit | None]
    """Only steps up to the first error are labelled. None where there are no steps to measure it on."""
    share: bool = True
    """Whether it is a share, which is shown in percent."""
    of_prefixes: bool = False
    """No flaw of a PRM that values whole prefixes, so that it stands in tables only."""
    repair: Callable[[Scored, Round], list[float]] | None = None
    """Scores of a path without it; a failed search is pruned again with them. None: it explains no failure."""
    clearest: Callable[[Steps], np.ndarray] | None = None
    """How clear it is in each solution [S]; the largest above 0 is the worked case."""

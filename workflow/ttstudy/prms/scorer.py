"""A process reward model: a format that makes token ids and an engine that scores them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import compress
from typing import Literal, get_args

from ttstudy.kinds.formats import Encoded
from ttstudy.models.devices import Running
from ttstudy.prms.engine import ScoringEngine, Siblings
from ttstudy.prms.formats import Format

Overflow = Literal["warn", "error", "drop"]
FAR = 4
"""Contexts: what a model writes without end shall not cost a GPU-day, or its memory, to judge."""


class StepScorer:
    """The RewardModel of every format and engine (see `ttstudy.prms.protocol`).

    Args:
        name: for tables.
        format, engine: what to run.
        on_overflow: what happens to a solution longer than the model's context. `warn`: it is run all the same, as
            the study's code did, unless it is `FAR` times too long. `error`: ValueError. `drop`, and far too long:
            steps that end past the context score 0. Nothing is ever cut off on the left.
    """

    def __init__(self, name: str, format: Format, engine: ScoringEngine, on_overflow: Overflow = "warn") -> None:
        """Start with no token counted."""
        if on_overflow not in get_args(Overflow):
            raise ValueError(f"on_overflow must be one of {', '.join(get_args(Overflow))}, not {on_overflow!r}.")
        self.name, self.format, self.engine, self.on_overflow = name, format, engine, on_overflow
        self.tokens_reencoded = 0
        """Tokens that a model would run which encodes every solution, and every candidate's prefix, anew."""

    @property
    def parameters(self) -> int:
        """Weights of backbone and head."""
        return self.engine.parameters

    @property
    def tokens(self) -> int:
        """Tokens run so far."""
        return self.engine.tokens

    @property
    def context(self) -> int:
        """Largest number of tokens that the model was made for."""
        return self.engine.context

    @property
    def running(self) -> Running:
        """What it runs on."""
        return self.engine.running

    def encode(self, problem: str, steps: Sequence[str]) -> Encoded:
        """Ids and score positions; ValueError for no steps or a blank step."""
        return self.format.encode(problem, steps)

    def counts(self, problem: str, steps: Sequence[str]) -> dict[str, int]:
        """Columns of a solution's row: tokens that it takes."""
        return {"prm_tokens": len(self.encode(problem, steps).ids)}

    def score(self, problem: str, steps: Sequence[str]) -> list[float]:
        """One score in [0, 1] per step."""
        return self.score_batch([(problem, steps)])[0]

    def score_batch(self, items: Sequence[tuple[str, Sequence[str]]]) -> list[list[float]]:
        """`score` of many (problem, steps) in one pass each; equal items are run once."""
        places: dict[tuple[str, tuple[str, ...]], int] = {}
        distinct: list[Encoded] = []
        for problem, steps in items:
            if (key := (problem, tuple(steps))) not in places:
                places[key] = len(distinct)
                distinct.append(self.encode(problem, steps))
        which = [places[problem, tuple(steps)] for problem, steps in items]
        self.tokens_reencoded += sum(len(distinct[i].ids) for i in which)
        fitting = [self._fit(encoded) for encoded in distinct]
        run = iter(self.engine.run([encoded for encoded in fitting if encoded.positions]))
        scores = [next(run) if encoded.positions else [] for encoded in fitting]
        scores = [
            each + [0.0] * (len(encoded.positions) - len(each)) for each, encoded in zip(scores, distinct, strict=True)
        ]
        return [list(scores[i]) for i in which]

    def score_last(self, problem: str, prefix: Sequence[str], candidates: Sequence[str]) -> list[float]:
        """Score of each candidate as the next step after `prefix`: tree search for one parent."""
        return self.score_last_batch([(problem, prefix, candidates)])[0]

    def score_last_batch(self, items: Sequence[tuple[str, Sequence[str], Sequence[str]]]) -> list[list[float]]:
        """`score_last` of many (problem, prefix, candidates); prefixes are run once, candidates only their tokens.

        The same numbers as `score(problem, [*prefix, candidate])[-1]`.
        """
        groups: list[Siblings] = []
        places: list[list[int | None]] = []
        for problem, prefix, candidates in items:
            if isinstance(candidates, str):
                raise ValueError("Candidates must be a list of texts, not one text.")
            encoded = [self.encode(problem, [*prefix, candidate]) for candidate in candidates]
            self.tokens_reencoded += sum(len(each.ids) for each in encoded)
            fits = [len(self._fit(each).positions) == len(each.positions) for each in encoded]
            kept = iter(range(len(fits)))
            places.append([next(kept) if each else None for each in fits])
            groups.append(self._siblings(problem, list(compress(encoded, fits))))
        run = iter(self.engine.run_last([group for group in groups if group.suffixes]))
        scores = [next(run) if group.suffixes else [] for group in groups]
        return [
            [0.0 if place is None else mine[place] for place in where]
            for where, mine in zip(places, scores, strict=True)
        ]

    def _siblings(self, problem: str, encoded: Sequence[Encoded]) -> Siblings:
        """Candidates that share a prefix, cut where it ends."""
        if not encoded:
            return Siblings([], [], [])
        first = encoded[0]
        cuts = [position + 1 for position in first.positions[:-1]]
        stem = _common(self.format.stem(problem), [each.ids for each in encoded])
        if 0 < stem < (cuts[0] if cuts else len(first.ids)):
            cuts.insert(0, stem)
        end = cuts[-1] if cuts else 0
        return Siblings(first.ids[:end], cuts, [each.ids[end:] for each in encoded])

    def _fit(self, encoded: Encoded) -> Encoded:
        """What of a solution is run."""
        if len(encoded.ids) <= self.context:
            return encoded
        text = f"A solution of {len(encoded.ids)} tokens is longer than the context of {self.name}, {self.context}"
        if self.on_overflow == "error":
            raise ValueError(f"{text}.")
        if self.on_overflow == "warn" and len(encoded.ids) <= FAR * self.context:
            warnings.warn(f"{text}; it is scored all the same.", stacklevel=3)
            return encoded
        positions = [position for position in encoded.positions if position < self.context]
        return Encoded(encoded.ids[: positions[-1] + 1 if positions else 0], positions)


def _common(ids: Sequence[int], others: Sequence[Sequence[int]]) -> int:
    """Length of what `ids` and all the others begin with, short of a whole one of the others."""
    length = min(len(ids), *(len(other) - 1 for other in others))
    for other in others:
        while list(ids[:length]) != list(other[:length]):
            length -= 1
    return length

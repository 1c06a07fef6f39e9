"""A process reward model: a format that makes token ids and an engine that scores them.

A solution may be longer than the model's context. Steps that end inside it are scored as always, whatever the rule
(`prms.NAME.overflow` of a study) says of the others, and each of those is counted (`overlong`):

- `score`: they are read on past the context, as the paper's code does, unless the solution is `FAR` times too long.
- `cut`: they get 0, and so do those of a solution that is far too long to be read on.
- `windows`: they are read in a window of their own, after the problem and the latest steps, which take half of it.
- `refuse`: StudyError.

A step that no window holds gets 0. A step's score never hangs on later steps, and nothing is cut off on the left of a
window but whole steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import get_args

from ttstudy.errors import StudyError
from ttstudy.kinds.formats import Encoded
from ttstudy.models.devices import Running
from ttstudy.prms.engine import ScoringEngine, Siblings, common_length, shared
from ttstudy.prms.formats import Format
from ttstudy.study.prms import Overflow

FAR = 4
"""Contexts: what a model writes without end shall not cost a GPU-day, or its memory, to judge."""
Solution = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is run of a solution in one pass, and the numbers of the steps whose scores are taken from it.

    They are the last ones that it holds.
    """

    encoded: Encoded
    steps: range

    def taken(self, scores: Sequence[float]) -> Iterator[tuple[int, float]]:
        """Numbers of steps with their scores, from those at all positions."""
        return zip(self.steps, scores[len(scores) - len(self.steps) :], strict=True)


SHARED = 4
"""Tokens after their prefix that siblings must begin with alike for these to be run once, in a pass of their own."""


class StepScorer:
    """The RewardModel of every format and engine (see `ttstudy.prms.protocol`).

    Args:
        name: for tables.
        format, engine: what to run.
        overflow: the rule for what is longer than the model's context.
    """

    def __init__(self, name: str, format: Format, engine: ScoringEngine, overflow: Overflow = "score") -> None:
        """Start with no token counted."""
        if overflow not in get_args(Overflow):
            raise ValueError(f"overflow must be one of {', '.join(get_args(Overflow))}, not {overflow!r}.")
        self.name, self.format, self.engine, self.overflow = name, format, engine, overflow
        self.taken: list[tuple[int, int]] = []
        """Tokens run for each item of the last `score_last_batch`, and those of `tokens_reencoded`."""
        self.tokens_reencoded = 0
        """Tokens that a model would run which encodes every solution, and every candidate's prefix, anew."""
        self._overlong: dict[Solution, int] = {}

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

    def forget(self) -> None:
        """Be as one that has just been opened: a job that finds it loaded counts as in a process of its own."""
        self.tokens_reencoded, self._overlong = 0, {}
        self.engine.forget()

    @property
    def capacity(self) -> int | None:
        """Tokens whose states it can keep for prefixes that come back; None where that is not known."""
        return getattr(self.engine, "capacity", None)

    @property
    def apart(self) -> bool:
        """Whether it has a process or a device of its own, so that a policy can draw while it scores."""
        return getattr(self.engine, "apart", False)

    def encode(self, problem: str, steps: Sequence[str]) -> Encoded:
        """Ids and score positions; ValueError for no steps or a blank step."""
        return self.format.encode(problem, steps)

    def counts(self, problem: str, steps: Sequence[str]) -> dict[str, int]:
        """Columns of a solution's row: tokens that it takes, and steps past the context."""
        encoded, over = self.encode(problem, steps), self.overlong(problem, steps)
        if not over or self.overflow == "score":
            return {"prm_tokens": len(encoded.ids), "overlong": over}
        pieces = self._pieces(problem, steps, encoded)
        return {"prm_tokens": sum(len(piece.encoded.ids) for piece in pieces), "overlong": over}

    def run_of(self, problem: str, solutions: Sequence[Sequence[str]]) -> list[int]:
        """Tokens that are run of each solution where all of a problem are scored in one call.

        Their sum is what the engine counts. Of equal solutions, and what an engine that shares meets again, it is run
        once: for whom is in the order of their ids. A solution without a step takes none.
        """
        distinct = {tuple(steps): place for place, steps in reversed(list(enumerate(solutions))) if len(steps)}
        pieces = [self._pieces(problem, steps, self.encode(problem, steps)) for steps in distinct]
        batch, _ = _together(pieces, [problem] * len(pieces))
        known = dict(zip(*shared(batch, [0] * len(batch)), strict=True)) if self.engine.shares else {}
        new = iter([len(encoded.ids) - known.get(i, 0) for i, encoded in enumerate(batch)])
        run = [0] * len(solutions)
        for place, mine in zip(distinct.values(), pieces, strict=True):
            run[place] = sum(next(new) for _ in mine)
        return run

    def overlong(self, problem: str, steps: Sequence[str]) -> int:
        """Steps past the context, of what the last call scored."""
        return self._overlong.get((problem, tuple(steps)), 0)

    def score(self, problem: str, steps: Sequence[str]) -> list[float]:
        """One score in [0, 1] per step."""
        return self.score_batch([(problem, steps)])[0]

    def score_batch(self, items: Sequence[tuple[str, Sequence[str]]]) -> list[list[float]]:
        """`score` of many (problem, steps) in one pass each; equal items are run once."""
        self._overlong = {}
        places: dict[Solution, int] = {}
        distinct: list[list[_Piece]] = []
        sizes: list[int] = []
        for problem, steps in items:
            if (key := (problem, tuple(steps))) not in places:
                places[key] = len(distinct)
                encoded = self.encode(problem, steps)
                distinct.append(self._pieces(problem, steps, encoded))
                sizes.append(len(encoded.ids))
        which = [places[problem, tuple(steps)] for problem, steps in items]
        self.tokens_reencoded += sum(sizes[i] for i in which)
        run = iter(self.engine.run(*_together(distinct, [problem for problem, _ in places])))
        scores = []
        for (_, steps), pieces in zip(places, distinct, strict=True):
            mine = [0.0] * len(steps)
            for piece in pieces:
                for number, score in piece.taken(next(run)):
                    mine[number] = score
            scores.append(mine)
        return [list(scores[i]) for i in which]

    def score_last(self, problem: str, prefix: Sequence[str], candidates: Sequence[str]) -> list[float]:
        """Score of each candidate as the next step after `prefix`: tree search for one parent."""
        return self.score_last_batch([(problem, prefix, candidates)])[0]

    def score_last_batch(self, items: Sequence[tuple[str, Sequence[str], Sequence[str]]]) -> list[list[float]]:
        """`score_last` of many (problem, prefix, candidates); prefixes are run once, candidates only their tokens.

        The same numbers as `score(problem, [*prefix, candidate])[-1]`.
        """
        self._overlong = {}
        groups: list[Siblings] = []
        places: list[list[tuple[int, int] | None]] = []
        items_of: list[int] = []  # the item of each group
        reencoded = [0] * len(items)
        for item, (problem, prefix, candidates) in enumerate(items):
            if isinstance(candidates, str):
                raise ValueError("Candidates must be a list of texts, not one text.")
            whole: list[Encoded] = []
            where: list[tuple[int, int] | None] = []
            group = len(groups)
            groups.append(Siblings([], [], []))
            for candidate in candidates:
                steps = [*prefix, candidate]
                encoded = self.encode(problem, steps)
                reencoded[item] += len(encoded.ids)
                pieces = self._pieces(problem, steps, encoded)
                if not pieces or pieces[-1].steps.stop < len(steps):
                    where.append(None)
                elif pieces[-1].encoded is encoded:
                    where.append((group, len(whole)))
                    whole.append(encoded)
                else:  # a window of its own: others may begin elsewhere
                    where.append((len(groups), 0))
                    groups.append(self._siblings(problem, [pieces[-1].encoded]))
            groups[group] = self._siblings(problem, whole)
            places.append(where)
            items_of += [item] * (len(groups) - len(items_of))
        self.tokens_reencoded += sum(reencoded)
        before = self.tokens
        run = iter(self.engine.run_last([group for group in groups if group.suffixes]))
        taken = self._taken(groups, items_of, self.tokens - before)
        self.taken = list(zip(taken, reencoded, strict=True))
        scores = [next(run) if group.suffixes else [] for group in groups]
        return [[0.0 if place is None else scores[place[0]][place[1]] for place in where] for where in places]

    def _taken(self, groups: Sequence[Siblings], items: Sequence[int], total: int) -> list[int]:
        """Tokens run for each item, of which each group has one; by the groups' lengths where no engine tells."""
        run = [(item, group) for item, group in zip(items, groups, strict=True) if group.suffixes]
        weights = [len(group.ids) + sum(map(len, group.suffixes)) for _, group in run]
        taken = [0] * (items[-1] + 1 if items else 0)
        shares = getattr(self.engine, "taken", None) or parted(total, weights)
        for (item, _), tokens in zip(run, shares, strict=True):
            taken[item] += tokens
        return taken

    def _siblings(self, problem: str, encoded: Sequence[Encoded]) -> Siblings:
        """Candidates that share a prefix, cut where it ends."""
        if not encoded:
            return Siblings([], [], [])
        first = encoded[0]
        cuts = [position + 1 for position in first.positions[:-1]]
        stem = _common(self.format.stem(problem), [each.ids for each in encoded])
        if 0 < stem < (cuts[0] if cuts else len(first.ids)):
            cuts.insert(0, stem)
        distinct = [list(ids) for ids in {tuple(each.ids) for each in encoded}]
        shared = _common(first.ids, distinct) if len(distinct) > 1 else 0
        if shared - (cuts[-1] if cuts else 0) >= SHARED:
            cuts.append(shared)
        end = cuts[-1] if cuts else 0
        return Siblings(first.ids[:end], cuts, [each.ids[end:] for each in encoded])

    def _pieces(self, problem: str, steps: Sequence[str], encoded: Encoded) -> list[_Piece]:
        """What of a solution is run; where that is not simply all of it, its steps past the context are noted."""
        count, size = len(encoded.positions), len(encoded.ids)
        if size <= self.context:
            return [_Piece(encoded, range(count))]
        fits = sum(position < self.context for position in encoded.positions)
        self._overlong[problem, tuple(steps)] = count - fits
        if self.overflow == "refuse":
            raise StudyError(
                f"{self.name}: a solution of {size} tokens is longer than its context, {self.context}, and `overflow` "
                f"says refuse; set it to score, cut or windows. It begins: {' '.join(steps)[:60]!r}"
            )
        if self.overflow == "score" and size <= FAR * self.context:
            return [_Piece(encoded, range(count))]
        pieces = [_cut(encoded, 0, range(fits))] if fits else []
        return pieces + (self._windows(problem, steps, encoded, fits) if self.overflow == "windows" else [])

    def _windows(self, problem: str, steps: Sequence[str], encoded: Encoded, done: int) -> list[_Piece]:
        """Further passes over the steps from `done` on, each after as many whole steps as half the context holds."""
        pieces = []
        ends = [0, *(position + 1 for position in encoded.positions)]
        while done < len(steps):
            short = (start for start in range(1, done) if ends[done] - ends[start] <= self.context // 2)
            for start in dict.fromkeys((next(short, done), done)):
                window = self.encode(problem, steps[start:])
                fits = start + sum(position < self.context for position in window.positions)
                if fits > done:
                    pieces.append(_cut(window, start, range(done, fits)))
                    break
            done = max(fits, done + 1)
        return pieces


def _together(solutions: Sequence[list[_Piece]], problems: Sequence[str]) -> tuple[list[Encoded], list[int]]:
    """What is run of solutions, and the number of the problem that each piece is about."""
    numbers = {problem: number for number, problem in enumerate(dict.fromkeys(problems))}
    pairs = [
        (piece.encoded, numbers[problem])
        for pieces, problem in zip(solutions, problems, strict=True)
        for piece in pieces
    ]
    return [encoded for encoded, _ in pairs], [number for _, number in pairs]


def _cut(encoded: Encoded, start: int, steps: range) -> _Piece:
    """An encoding of the steps from `start` on, cut after the last one whose score is taken from it."""
    positions = encoded.positions[: steps.stop - start]
    return _Piece(Encoded(encoded.ids[: positions[-1] + 1], positions), steps)


def _common(ids: Sequence[int], others: Sequence[Sequence[int]]) -> int:
    """Length of what `ids` and all the others begin with, short of a whole one of the others."""
    return min(common_length(ids, other[:-1]) for other in others)


def parted(total: int, weights: Sequence[int]) -> list[int]:
    """A whole number in whole parts, as near to the proportions of `weights` as can be; their sum is the number."""
    ends = [total * share // max(1, sum(weights)) for share in accumulate(weights)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]

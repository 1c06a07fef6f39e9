"""What is known of the responses of one group: a few bytes of each, so that millions can be sorted and counted.

An index is made when a group is first looked at, and again where its files have changed since; the texts stay on disk.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ttstudy.data.columns import CHOICES
from ttstudy.kinds.scores import SCORES, Score
from ttstudy.view import rows
from ttstudy.view.groups import Files, Part

RIGHT, WRONG, NO_ANSWER, TIMED_OUT, UNGRADED = range(5)
VERDICTS = ("right", "wrong", "no answer", "grading timed out", "not graded yet")
FINISHES = CHOICES["finish"]
_BATCH = 65536
MEMORY = 2**29
"""Bytes that all indexes may take; those that were not looked at for longest go first."""


@dataclass(frozen=True)
class Index:
    """Arrays over the responses [R] of a group, in the order of its tables."""

    problems: tuple[str, ...]
    """Ids in the order met."""
    problem: np.ndarray
    """Place of each response's problem in `problems`."""
    sample: np.ndarray
    verdict: np.ndarray
    finish: np.ndarray
    differ: np.ndarray
    """Whether another grader judges the response otherwise."""
    scores: Mapping[str, np.ndarray]
    """By way to score; NaN where there is none. Empty without a PRM."""
    starts: np.ndarray
    """Where each part's responses start, and where the last one's end."""
    aside: Mapping[Path, np.ndarray | None] = field(default_factory=dict)
    """Row of each response of a part in a table beside it, -1 for none; None where they stand in the same order."""

    def __len__(self) -> int:
        """How many responses."""
        return len(self.sample)

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        arrays = [self.problem, self.sample, self.verdict, self.finish, self.differ, *self.scores.values()]
        return sum(array.nbytes for array in [*arrays, *(a for a in self.aside.values() if a is not None)])

    def part(self, row: int) -> tuple[int, int]:
        """The part that holds a response, and its row there."""
        place = int(np.searchsorted(self.starts, row, side="right")) - 1
        return place, row - int(self.starts[place])

    def beside(self, path: Path, row: int) -> int | None:
        """Row of a part's response in a table beside it."""
        if path not in self.aside:
            return None
        at = self.aside[path]
        found = row if at is None else int(at[row])
        return None if found < 0 else found

    def find(self, problem: str, sample: int) -> int | None:
        """The response of a problem with this number."""
        if problem not in self._places:
            return None
        found = np.flatnonzero((self.problem == self._places[problem]) & (self.sample == sample))
        return int(found[0]) if len(found) else None

    def place(self, problem: str) -> int | None:
        """Place of a problem in `problems`."""
        return self._places.get(problem)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {problem: place for place, problem in enumerate(self.problems)}


class _Names:
    """Problems by their place, in the order met."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def codes(self, column: pa.Array) -> np.ndarray:
        """Place of each row's problem."""
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        mine = [self.known.setdefault(str(name), len(self.known)) for name in column.dictionary.to_pylist()]
        return np.asarray(mine, dtype=np.int32)[column.indices.to_numpy(zero_copy_only=False)]


def build(files: Files, prm: str = "") -> Index:
    """The index of a group; with a PRM, the scores that it gave. What is not there yet is left out."""
    names, starts = _Names(), [0]
    parts = [part for part in files.parts if part.responses.exists()]
    columns: list[dict[str, np.ndarray]] = []
    aside: dict[Path, np.ndarray | None] = {}
    for part in parts:
        columns.append(_part(part, prm, names, aside))
        starts.append(starts[-1] + len(columns[-1]["sample"]))

    def whole(name: str, kind: type) -> np.ndarray:
        return np.concatenate([np.zeros(0, dtype=kind), *(each[name] for each in columns)])

    scored = [name for name in SCORES if any(name in each for each in columns)]
    for each in columns:
        for name in scored:
            each.setdefault(name, np.full(len(each["sample"]), np.nan, dtype=np.float32))
    return Index(
        problems=tuple(names.known),
        problem=whole("problem", np.int32),
        sample=whole("sample", np.int32),
        verdict=whole("verdict", np.uint8),
        finish=whole("finish", np.uint8),
        differ=whole("differ", np.bool_),
        scores={name: whole(name, np.float32) for name in scored},
        starts=np.asarray(starts),
        aside=aside,
    )


def _part(part: Part, prm: str, names: _Names, aside: dict[Path, np.ndarray | None]) -> dict[str, np.ndarray]:
    """The arrays of one part."""
    read = list(_columns(part.responses, ("finish", "step_scores"), names))
    problem, sample, finish = (_joined(read, name) for name in ("problem", "sample", "finish"))
    size = len(sample)
    found = {"problem": problem, "sample": sample, "finish": finish.astype(np.uint8)}
    verdict, differ = np.full(size, UNGRADED, dtype=np.uint8), np.zeros(size, dtype=np.bool_)
    for place, path in enumerate(part.grades.values()):
        if not path.exists():
            continue
        graded = list(_columns(path, ("status", "correct"), names))
        aside[path] = at = _aligned(problem, sample, graded)
        theirs = _taken(_joined(graded, "verdict"), at, UNGRADED)
        if not place:
            verdict = theirs
        else:
            differ |= (theirs != UNGRADED) & (verdict != UNGRADED) & ((theirs == RIGHT) != (verdict == RIGHT))
    found |= {"verdict": verdict, "differ": differ}
    if (path := part.scores.get(prm, Path())) != Path() and path.exists():
        scored = list(_columns(path, ("step_scores",), names))
        aside[path] = at = _aligned(problem, sample, scored)
        found |= {name: _taken(_joined(scored, name), at, np.nan) for name in SCORES}
    elif not part.scores and all("last" in each for each in read):  # of a search, which carries its scores
        found |= {name: _joined(read, name) for name in SCORES}
    return found


def _columns(path: Path, more: Sequence[str], names: _Names) -> Iterator[dict[str, np.ndarray]]:
    """Keys of a table, and arrays of some of its other columns, batch by batch."""
    for _, batch in rows.batches(path, ["problem_id", "sample", *more], size=_BATCH):
        found = {
            "problem": names.codes(batch.column("problem_id")),
            "sample": batch.column("sample").to_numpy(zero_copy_only=False).astype(np.int32),
        }
        there = set(batch.schema.names)
        if "finish" in there:
            found["finish"] = pc.index_in(batch.column("finish"), pa.array(FINISHES)).fill_null(0).to_numpy(
                zero_copy_only=False
            )  # fmt: skip
        if "status" in there:
            found["verdict"] = _verdicts(batch)
        if "step_scores" in there:
            found |= _scores(batch.column("step_scores"))
        yield found


def _verdicts(batch: pa.RecordBatch) -> np.ndarray:
    status = batch.column("status")
    correct = batch.column("correct").to_numpy(zero_copy_only=False).astype(bool)
    verdict = np.where(correct, RIGHT, WRONG).astype(np.uint8)
    for word, code in (("no_answer", NO_ANSWER), ("timed_out", TIMED_OUT)):
        verdict[pc.equal(status, word).fill_null(False).to_numpy(zero_copy_only=False)] = code
    return verdict


def _scores(column: pa.Array) -> dict[str, np.ndarray]:
    """Every score of each response, from those of its steps."""
    lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    flat = column.flatten().to_numpy(zero_copy_only=False).astype(float)
    filled = lengths > 0
    kept = lengths[filled]
    starts = np.cumsum(kept) - kept
    found = {}
    for name, score in SCORES.items():
        found[name] = np.full(len(lengths), np.nan, dtype=np.float32)
        found[name][filled] = _of(score, flat, starts, kept)
    return found


def _of(score: Score, flat: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    if not len(starts):
        return np.zeros(0)
    if score.of_all is not None:
        return score.of_all(flat, starts, lengths)
    each = zip(starts, lengths, strict=True)
    return np.array([score.of(flat[start : start + size].tolist()) for start, size in each])


def _joined(read: Sequence[Mapping[str, np.ndarray]], name: str) -> np.ndarray:
    return np.concatenate([each[name] for each in read]) if read else np.zeros(0, dtype=np.int32)


def _aligned(problem: np.ndarray, sample: np.ndarray, other: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray | None:
    """Row of each response in another table with these keys, -1 for none; None where both stand in the same order."""
    theirs = _joined(other, "problem"), _joined(other, "sample")
    if np.array_equal(problem, theirs[0]) and np.array_equal(sample, theirs[1]):
        return None
    mine, keys = (each[0].astype(np.int64) << 32 | each[1].astype(np.int64) for each in ((problem, sample), theirs))
    if not len(keys):
        return np.full(len(mine), -1, dtype=np.int32)
    order = np.argsort(keys, kind="stable")
    place = np.clip(np.searchsorted(keys[order], mine), 0, len(keys) - 1)
    return np.where(keys[order[place]] == mine, order[place], -1).astype(np.int32)


def _taken(values: np.ndarray, at: np.ndarray | None, missing: float) -> np.ndarray:
    if at is None:
        return values
    if not len(values):
        return np.full(len(at), missing, dtype=values.dtype)
    return np.where(at >= 0, values[np.maximum(at, 0)], missing).astype(values.dtype)


class Kept:
    """Indexes of the groups that were looked at last, in bounded memory."""

    def __init__(self, memory: int = MEMORY) -> None:
        """Nothing is read before it is asked for."""
        self._memory, self._kept = memory, OrderedDict[object, tuple[object, Index]]()
        self._lock = threading.Lock()

    def of(self, key: object, files: Files, prm: str = "") -> Index:
        """The index of a group, made anew where its files have changed; one at a time is made."""
        with self._lock:
            told = _state(files)
            known = self._kept.get((key, prm))
            if known is None or known[0] != told:
                self._kept[key, prm] = known = (told, build(files, prm))
            self._kept.move_to_end((key, prm))
            while len(self._kept) > 1 and sum(index.bytes for _, index in self._kept.values()) > self._memory:
                self._kept.popitem(last=False)
            return known[1]


def _state(files: Files) -> tuple[tuple[int, int] | None, ...]:
    """What tells whether the files of a group have changed."""
    paths = [path for part in files.parts for path in (part.responses, *part.grades.values(), *part.scores.values())]
    found: list[tuple[int, int] | None] = []
    for path in paths:
        try:
            known = path.stat()
            found.append((known.st_mtime_ns, known.st_size))
        except OSError:
            found.append(None)
    return tuple(found)

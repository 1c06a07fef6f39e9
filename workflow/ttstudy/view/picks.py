"""Which responses of a group are shown, and in which order: filters, words in their text, and scores."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ttstudy.answers.extraction import CUT
from ttstudy.view import rows
from ttstudy.view.groups import Files
from ttstudy.view.index import FINISHES, NO_ANSWER, RIGHT, TIMED_OUT, UNGRADED, WRONG, Index

SECONDS = 2.0
"""That one look into texts may take; the next one goes on where it stopped."""
SORTS = {"drawn": "as drawn", "best": "highest score first", "worst": "lowest score first"}


def top(index: Index, score: str) -> np.ndarray:
    """The response with an answer that has the highest score, of each problem that has one: row numbers."""
    if score not in index.scores:
        return np.zeros(0, dtype=np.int64)
    values = index.scores[score]
    there = np.flatnonzero(np.isfinite(values) & ((index.verdict == RIGHT) | (index.verdict == WRONG)))
    order = there[np.lexsort((-values[there], index.problem[there]))]
    _, first = np.unique(index.problem[order], return_index=True)
    return order[first]


def _fooled(index: Index, score: str) -> np.ndarray:
    best = top(index, score)
    return _mask(index, best[index.verdict[best] == WRONG])


def _misled(index: Index, score: str) -> np.ndarray:
    with_right = np.zeros(len(index.problems), dtype=bool)
    with_right[index.problem[index.verdict == RIGHT]] = True
    return _fooled(index, score) & with_right[index.problem]


def _mask(index: Index, chosen: np.ndarray) -> np.ndarray:
    mask = np.zeros(len(index), dtype=bool)
    mask[chosen] = True
    return mask


def _cut(index: Index, _score: str) -> np.ndarray:
    return np.isin(index.finish, [FINISHES.index(name) for name in CUT])


class Filter(NamedTuple):
    """Some of the responses: in words, and by a mask over them."""

    words: str
    of: Callable[[Index, str], np.ndarray]


FILTERS: Mapping[str, Filter] = {
    "all": Filter("all", lambda index, _: np.ones(len(index), dtype=bool)),
    "wrong": Filter("wrong", lambda index, _: (index.verdict != RIGHT) & (index.verdict != UNGRADED)),
    "right": Filter("right", lambda index, _: index.verdict == RIGHT),
    "differ": Filter("graders differ", lambda index, _: index.differ),
    "fooled": Filter("PRM fooled: wrong, and scored highest", _fooled),
    "misled": Filter("PRM fooled though a right one was there", _misled),
    "cut": Filter("cut off", _cut),
    "none": Filter("no answer", lambda index, _: index.verdict == NO_ANSWER),
    "late": Filter("grading timed out", lambda index, _: index.verdict == TIMED_OUT),
    "ungraded": Filter("not graded yet", lambda index, _: index.verdict == UNGRADED),
}


class Pick(NamedTuple):
    """What is asked for."""

    show: str = "all"
    problem: str = ""
    """One problem's alone; "": of all."""
    words: str = ""
    """Text that a response holds, in whatever case."""
    sort: str = "drawn"
    score: str = ""


class Picked(NamedTuple):
    """Row numbers in the order in which they are shown, and how many of the texts that were to be read were."""

    rows: np.ndarray
    read: int
    of: int


class Picks:
    """Answers to what was asked last, kept; a search in texts goes on from where the last look stopped."""

    def __init__(self, seconds: float = SECONDS, kept: int = 16) -> None:
        """`seconds`: for a look into texts; `kept`: how many answers."""
        self._seconds, self._most = seconds, kept
        self._found: OrderedDict[object, tuple[Index, np.ndarray, int]] = OrderedDict()

    def of(self, index: Index, files: Files, pick: Pick) -> Picked:
        """The responses of a group that a pick shows."""
        mask = FILTERS[pick.show].of(index, pick.score)
        if pick.problem:
            mask &= index.problem == index.place(pick.problem) if index.place(pick.problem) is not None else False
        chosen = np.flatnonzero(mask)
        read = len(chosen)
        if pick.words:
            chosen, read = self._holding(index, files, pick, chosen)
        if pick.sort != "drawn" and pick.score in index.scores:
            values = index.scores[pick.score][chosen]
            values = np.where(np.isfinite(values), -values if pick.sort == "best" else values, np.inf)
            chosen = chosen[np.argsort(values, kind="stable")]
        return Picked(chosen, read, int(mask.sum()))

    def _holding(self, index: Index, files: Files, pick: Pick, chosen: np.ndarray) -> tuple[np.ndarray, int]:
        """Those of some responses whose text holds the words, as far as it was read, and how many were."""
        key = (id(index), pick._replace(sort="drawn"))
        known = self._found.get(key)
        found, done = (known[1], known[2]) if known is not None and known[0] is index else (chosen[:0], 0)
        end = time.monotonic() + self._seconds
        parts = [part for part in files.parts if part.responses.exists()]
        more = [found]
        for place, part in enumerate(parts[: len(index.starts) - 1]):
            start, stop = index.starts[place], index.starts[place + 1]
            left = chosen[done:]
            mine = left[(left >= start) & (left < stop)] - start
            if not len(mine):
                continue
            for at, batch in rows.batches(part.responses, ["response"], mine):
                here = mine[np.searchsorted(mine, at) : np.searchsorted(mine, at + len(batch))]
                held = _holds(batch.column("response"), pick.words)[here - at]
                more.append(here[held] + start)
                done += len(here)
                if time.monotonic() > end:
                    break
            if time.monotonic() > end:
                break
        found = np.concatenate(more)
        self._found[key] = (index, found, done)
        self._found.move_to_end(key)
        while len(self._found) > self._most:
            self._found.popitem(last=False)
        return found, done


def _holds(column: pa.Array, words: str) -> np.ndarray:
    """Whether each text holds these words, in whatever case."""
    held = pc.match_substring(column, words, ignore_case=True)
    return np.asarray(held.fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)

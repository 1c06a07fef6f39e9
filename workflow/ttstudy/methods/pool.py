"""Pools: graded and scored responses as arrays, one row per problem."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ttstudy.kinds.scores import SCORES

NO_STEPS = -1.0
"""Score of a response without steps: below every PRM score."""


def aggregate(step_scores: Sequence[float], how: str) -> float:
    """Score of a response from those of its steps (how: one of `SCORES`); -1.0 without steps."""
    return float(aggregate_all([step_scores], how)[0])


def aggregate_all(step_scores: Iterable[Sequence[float]], how: str) -> np.ndarray:
    """`aggregate` of many responses at once; ValueError for a score that is not a number."""
    if how not in SCORES:
        raise ValueError(f"score must be one of {', '.join(SCORES)}, not {how!r}")
    lists = list(step_scores)
    lengths = np.fromiter((len(item) for item in lists), dtype=np.int64, count=len(lists))
    result = np.full(len(lists), NO_STEPS)
    filled = lengths > 0
    if not filled.any():
        return result
    flat = np.concatenate([np.asarray(lists[i], dtype=float) for i in np.flatnonzero(filled)])
    if np.isnan(flat).any():
        raise ValueError(
            "a step score is not a number; score the responses again with a PRM that returns numbers"
        )
    kept, score = lengths[filled], SCORES[how]
    if score.of_all is not None:
        result[filled] = score.of_all(flat, np.cumsum(kept) - kept, kept)
    else:
        result[filled] = [score.of(steps.tolist()) for steps in np.split(flat, np.cumsum(kept)[:-1])]
    return result


@dataclass(frozen=True, slots=True)
class Pool:
    """Responses to P problems, at most M each, of one (benchmark, policy) and at most one PRM.

    `answer_class` numbers a problem's classes of equivalent answers from 0; -1 is no answer. `scores[how]`
    holds one score per response. `tree` is the tree of a DVTS response. Where problems have unequal numbers
    of responses, `valid` marks the real ones.
    """

    problem_ids: list[str]
    correct: np.ndarray
    answer_class: np.ndarray
    scores: dict[str, np.ndarray] = field(default_factory=dict)
    tree: np.ndarray | None = None
    valid: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together."""
        shape = self.correct.shape
        others = {"answer_class": self.answer_class, "tree": self.tree, "valid": self.valid} | self.scores
        if len(shape) != 2 or shape[0] != len(self.problem_ids):
            raise ValueError(
                f"correct has shape {shape}; it must be ({len(self.problem_ids)} problems, responses)"
            )
        for name, array in others.items():
            if array is not None and array.shape != shape:
                raise ValueError(
                    f"{name} has shape {array.shape}, correct has {shape}; they must be the same"
                )

    @classmethod
    def build(
        cls,
        grades: pd.DataFrame,
        scores: pd.DataFrame | None = None,
        problem_ids: Sequence[str] | None = None,
        given: pd.DataFrame | None = None,
    ) -> Pool:
        """Pool of the tables `grades` and, with a PRM, `scores` (or search responses: their `tree` is kept).

        `given` has the scores of responses themselves: problem_id, sample, and a column for each.

        `problem_ids` fixes the problems and their order, so that one for which a search returned nothing is
        there too; by default those graded, in sorted order. ValueError when a response is there twice or
        has no score.
        """
        ids = sorted(set(grades["problem_id"])) if problem_ids is None else list(problem_ids)
        grades = grades.sort_values(["problem_id", "sample"], kind="stable")
        if grades.duplicated(["problem_id", "sample"]).any():
            row = grades[grades.duplicated(["problem_id", "sample"])].iloc[0]
            raise ValueError(f"problem {row['problem_id']} has sample {row['sample']} twice in the grades")
        rows = pd.Index(ids).get_indexer(grades["problem_id"])
        if (rows < 0).any():
            stranger = grades["problem_id"].iloc[int(np.argmax(rows < 0))]
            raise ValueError(f"problem {stranger} is graded but not among the problems given")
        columns = grades.groupby("problem_id", sort=False).cumcount().to_numpy()
        shape = (len(ids), int(columns.max(initial=-1)) + 1)

        def spread(values: np.ndarray, empty: object, dtype: type) -> np.ndarray:
            array = np.full(shape, empty, dtype=dtype)
            array[rows, columns] = values
            return array

        classes = _classes(rows, grades["canonical"])
        correct = grades["correct"].to_numpy(dtype=bool) & (classes >= 0)
        valid = spread(np.ones(len(rows), dtype=bool), False, bool)
        pool = {
            "problem_ids": ids,
            "correct": spread(correct, False, bool),
            "answer_class": spread(classes, -1, np.int64),
            "valid": None if valid.all() else valid,
        }
        if scores is not None:
            wanted = grades[["problem_id", "sample"]]
            columns_kept = ["problem_id", "sample", "step_scores", *(["tree"] if "tree" in scores else [])]
            found = wanted.merge(
                scores[columns_kept], how="left", on=["problem_id", "sample"], validate="1:1"
            )
            absent = found["step_scores"].isna().to_numpy()
            if absent.any():
                row = found[absent].iloc[0]
                raise ValueError(
                    f"problem {row['problem_id']}, sample {row['sample']}: graded, but without a PRM score"
                )
            lists = found["step_scores"].to_list()
            pool["scores"] = {how: spread(aggregate_all(lists, how), NO_STEPS, float) for how in SCORES}
            if "tree" in found:
                pool["tree"] = spread(found["tree"].to_numpy(), -1, np.int64)
        if given is not None:
            found = grades[["problem_id", "sample"]].merge(given, how="left", on=["problem_id", "sample"])
            names = [name for name in given if name not in ("problem_id", "sample")]
            pool["scores"] = {name: spread(found[name].to_numpy(dtype=float), NO_STEPS, float) for name in names}
        return cls(**pool)

    def columns(self, start: int, stop: int) -> Pool:
        """The responses from column `start` to before `stop` of each problem; all have equally many."""
        there = slice(start, stop)
        scores = {how: array[:, there] for how, array in self.scores.items()}
        tree = None if self.tree is None else self.tree[:, there]
        return Pool(self.problem_ids, self.correct[:, there], self.answer_class[:, there], scores, tree)

    def of_trees(self, first: int, stop: int) -> Pool:
        """The pool with the answers of trees `first` to before `stop` alone; a problem without any has none."""
        assert self.tree is not None
        there = (self.tree >= first) & (self.tree < stop)
        classes, correct = np.where(there, self.answer_class, -1), self.correct & there
        scores = {how: np.where(there, array, NO_STEPS) for how, array in self.scores.items()}
        return Pool(self.problem_ids, correct, classes, scores, self.tree, self.valid)

    @property
    def sizes(self) -> np.ndarray:
        """Number of responses of each problem, shape [P]."""
        problems, most = self.correct.shape
        return np.full(problems, most) if self.valid is None else self.valid.sum(axis=1)


def _classes(rows: np.ndarray, canonical: pd.Series) -> np.ndarray:
    """Answer class of each response, from 0 in each problem; -1 without an answer."""
    codes, texts = pd.factorize(canonical, sort=True, use_na_sentinel=True)
    classes = np.full(len(rows), -1, dtype=np.int64)
    answered = codes >= 0
    pairs, inverse = np.unique(rows[answered] * (len(texts) + 1) + codes[answered], return_inverse=True)
    problem_of_pair = pairs // (len(texts) + 1)
    first = np.searchsorted(problem_of_pair, problem_of_pair)
    classes[answered] = inverse - first[inverse]
    return classes


def rectangles(pool: Pool) -> Iterator[tuple[np.ndarray, Pool]]:
    """Parts of the pool in which every problem has equally many responses, with their row numbers."""
    sizes = pool.sizes
    for size in np.unique(sizes):
        rows = np.flatnonzero(sizes == size)
        if pool.valid is None:
            yield rows, pool
            return
        order = np.argsort(~pool.valid[rows], axis=1, kind="stable")[:, :size]

        def take(array: np.ndarray, rows: np.ndarray = rows, order: np.ndarray = order) -> np.ndarray:
            return np.take_along_axis(array[rows], order, axis=1)

        scores = {how: take(array) for how, array in pool.scores.items()}
        yield (
            rows,
            Pool([pool.problem_ids[i] for i in rows], take(pool.correct), take(pool.answer_class), scores),
        )

"""The flaws themselves: rates and slopes of labelled, scored steps, with intervals over problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ttstudy.analysis import statistics
from ttstudy.analysis.diagnostics.labels import NO_ERROR
from ttstudy.vocabulary import FLAWS

__all__ = ["BINS", "FLAWS", "HALF", "Steps", "by_policy", "calibration_table", "flaw_table", "skill_table"]

HALF = 0.5
"""A step scored below it is called wrong, above it right."""
THRESHOLDS = np.round(np.arange(0.01, 1.0, 0.01), 2)
"""Thresholds among which ProcessBench's is chosen."""
FOLDS = 5
BINS = 10
RESAMPLES = 2000
"""Bootstrap resamples of statistics that are not means."""


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
    def of(cls, solutions: pd.DataFrame) -> Steps:
        """Steps of solutions (problem_id, first_error, lengths, step_scores); those without a step are left out.

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

    @property
    def is_error(self) -> np.ndarray:
        """Whether a step is its solution's first wrong one."""
        return self.position == self.error[self.solution]

    @property
    def is_right(self) -> np.ndarray:
        """Whether a step is labelled right."""
        error = self.error[self.solution]
        return (error == NO_ERROR) | (self.position < error)

    def lowest(self, chosen: np.ndarray) -> np.ndarray:
        """Lowest score of each solution [S] among chosen steps; infinite where none is."""
        return np.minimum.reduceat(np.where(chosen, self.score, np.inf), self.start)


def flaw_table(steps: Steps, seed: int = 0) -> pd.DataFrame:
    """Columns flaw, value, low, high, count (steps or solutions behind it); a flaw without cases has no row."""
    rows = []
    for flaw, (values, solutions) in _shares(steps).items():
        if len(values):
            low, high = statistics.interval(values, seed=seed, clusters=steps.problem[solutions].tolist())
            rows.append((flaw, float(values.mean()), low, high, len(values)))
    if (fall := _fall_per_doubling(steps, seed)) is not None:
        rows.append(("length_bias", *fall))
    return pd.DataFrame(rows, columns=["flaw", "value", "low", "high", "count"])


def _shares(steps: Steps) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of each flaw that is a share: 0 or 1 per case, and the solution of each case."""
    right, error = steps.is_right, steps.is_error
    before, at, after = (steps.lowest(chosen) for chosen in (right, error, ~right & ~error))
    has_error = np.flatnonzero(steps.error != NO_ERROR)
    early = has_error[np.isfinite(before[has_error])]
    late = has_error[np.isfinite(after[has_error])]
    upto = np.minimum(before, at)
    return {
        "over_criticism": ((steps.score[right] < HALF).astype(float), steps.solution[right]),
        "error_neglect": ((steps.score[error] > HALF).astype(float), steps.solution[error]),
        "localisation_bias": ((before[early] < at[early]).astype(float), early),
        "localisation_late": ((after[late] < upto[late]).astype(float), late),
    }


def _fall_per_doubling(steps: Steps, seed: int) -> tuple[float, float, float, int] | None:
    """Fall of the score per doubling of a step's length, its percentile interval, and the steps behind it.

    Least squares on log2(length) with an intercept for every (right or wrong, position). None where length never
    differs within such a group.
    """
    right = steps.is_right
    used = right | steps.is_error
    if not used.any():
        return None
    x, y = np.log2(steps.length[used]), steps.score[used]
    groups = np.unique(np.stack([steps.position[used], right[used]]), axis=1, return_inverse=True)[1].ravel()
    units, width = steps.problem[steps.solution[used]], int(groups.max()) + 1
    x, y = x - x.mean(), y - y.mean()  # so that sums of squares lose no digits
    cell = units * width + groups
    shape = (int(units.max()) + 1, width)
    size = shape[0] * width
    sums = [np.bincount(cell, weights, size).reshape(shape) for weights in (np.ones_like(x), x, y, x * x, x * y)]

    def slope(totals: Sequence[np.ndarray]) -> np.ndarray:
        n, sx, sy, sxx, sxy = totals
        n = np.maximum(n, 1e-300)
        down = (sxx - sx * sx / n).sum(axis=-1)
        return np.divide((sxy - sx * sy / n).sum(axis=-1), down, out=np.full_like(down, np.nan), where=down > 1e-9)

    estimate = float(slope([part.sum(axis=0) for part in sums]))
    if not np.isfinite(estimate):
        return None
    weights = statistics.resample_weights(shape[0], RESAMPLES, seed).astype(float)
    drawn = slope([weights @ part for part in sums])
    low, high = np.nanquantile(-drawn, [0.025, 0.975]) if np.isfinite(drawn).any() else (-estimate, -estimate)
    return -estimate, min(float(low), -estimate), max(float(high), -estimate), int(used.sum())


def skill_table(steps: Steps, seed: int = 0) -> pd.DataFrame:
    """One row: how well scores tell right steps from wrong ones; none where there are no steps.

    `auc`: of labelled steps. ProcessBench (arXiv 2412.06559): the first step scored below a threshold is called the
    first error; `error_found` and `right_passed` are the shares of solutions with and without an error in which that
    is so, `f1` their harmonic mean. The threshold of each solution is the one that is best on the other problems
    (five folds; `threshold` is their median); `f1_at_half` has 0.5 for all. `calibration_error`: mean distance of
    score and share of right steps over ten bins.
    """
    right, error = steps.is_right, steps.is_error
    used = right | error
    if not used.any():
        return pd.DataFrame(columns=[*_SKILL])
    found, threshold = _cross_fitted(steps, seed)
    wrong = steps.error != NO_ERROR
    f1, low, high = _f1_interval(found, wrong, steps.problem, seed)
    bins = calibration_table(steps, seed=seed, intervals=False)
    distance = (bins["steps"] * (bins["score"] - bins["right"]).abs()).sum() / bins["steps"].sum()
    area = statistics.area_under_curve(right[used].tolist(), steps.score[used].tolist())
    row = {
        "solutions": len(wrong),
        "wrong_solutions": int(wrong.sum()),
        "steps": int(used.sum()),
        "auc": np.nan if area is None else area,
        "f1": f1,
        "low": low,
        "high": high,
        "threshold": threshold,
        "f1_at_half": _f1(*_accuracies(_hits(steps, np.array([HALF]))[:, 0].astype(float), wrong)),
        "error_found": float(found[wrong].mean()) if wrong.any() else np.nan,
        "right_passed": float(found[~wrong].mean()) if (~wrong).any() else np.nan,
        "calibration_error": float(distance),
    }
    return pd.DataFrame([row])[[*_SKILL]]


_SKILL = (
    "solutions wrong_solutions steps auc f1 low high threshold f1_at_half error_found right_passed calibration_error"
).split()


def _hits(steps: Steps, thresholds: np.ndarray) -> np.ndarray:
    """Whether the first step below each threshold is the first error (or there is neither) [S, thresholds]."""
    before, at = steps.lowest(steps.is_right), steps.lowest(steps.is_error)
    passed = before[:, None] >= thresholds
    return np.where((steps.error == NO_ERROR)[:, None], passed, passed & (at[:, None] < thresholds))


def _cross_fitted(steps: Steps, seed: int) -> tuple[np.ndarray, float]:
    """Hit or miss of each solution [S] at the threshold that is best on the other folds, and the median threshold.

    Folds are of problems, so that no problem helps to judge itself.
    """
    units = int(steps.problem.max()) + 1
    fold = np.random.default_rng([seed, units]).permutation(units)[steps.problem] % min(FOLDS, units)
    hits, wrong = _hits(steps, THRESHOLDS), steps.error != NO_ERROR
    found, chosen = np.zeros(len(wrong)), []
    for number in range(int(fold.max()) + 1):
        inside = fold == number
        others = ~inside if (~inside).any() else inside
        scores = [_f1(*_accuracies(column[others], wrong[others])) for column in hits.T.astype(float)]
        best = int(np.argmax(np.nan_to_num(scores, nan=-1.0)))
        chosen.append(THRESHOLDS[best])
        found[inside] = hits[inside, best]
    return found, float(np.median(chosen))


def _accuracies(hits: np.ndarray, wrong: np.ndarray) -> tuple[float, float]:
    """Share of hits among solutions with an error and among those without; NaN where there are none."""
    return tuple(float(hits[kind].mean()) if kind.any() else np.nan for kind in (wrong, ~wrong))


def _f1(a: float, b: float) -> float:
    """Harmonic mean; NaN where one side has no solutions."""
    return 0.0 if a + b == 0 else 2 * a * b / (a + b)


def _f1_interval(hits: np.ndarray, wrong: np.ndarray, problem: np.ndarray, seed: int) -> tuple[float, float, float]:
    """F1 of hits, and its percentile interval over problems; NaN where there are only solutions of one kind."""
    if wrong.all() or not wrong.any():
        return np.nan, np.nan, np.nan
    units = int(problem.max()) + 1
    sums = [np.bincount(problem[kind], part[kind], units) for kind in (wrong, ~wrong) for part in (hits, hits * 0 + 1)]
    weights = statistics.resample_weights(units, RESAMPLES, seed).astype(float)

    def f1(found_wrong, wrongs, found_right, rights):  # noqa: ANN001, ANN202 - arrays
        a, b = found_wrong / np.maximum(wrongs, 1e-300), found_right / np.maximum(rights, 1e-300)
        return 2 * a * b / np.maximum(a + b, 1e-300)

    estimate = float(f1(*(part.sum() for part in sums)))
    low, high = np.quantile(f1(*(weights @ part for part in sums)), [0.025, 0.975])
    return estimate, min(float(low), estimate), max(float(high), estimate)


def calibration_table(steps: Steps, seed: int = 0, intervals: bool = True) -> pd.DataFrame:
    """Share of right steps by tenths of the score: columns bin, steps, score (mean), right (share), low, high.

    Labelled steps only; bins without steps are left out.
    """
    right = steps.is_right
    used = np.flatnonzero(right | steps.is_error)
    tenth = np.minimum((steps.score[used] * BINS).astype(int), BINS - 1)
    rows = []
    for number in np.unique(tenth):
        inside = used[tenth == number]
        values = right[inside].astype(float)
        low = high = float(values.mean())
        if intervals:
            low, high = statistics.interval(values, seed=seed, clusters=steps.problem[steps.solution[inside]].tolist())
        rows.append((int(number), len(inside), float(steps.score[inside].mean()), float(values.mean()), low, high))
    return pd.DataFrame(rows, columns=["bin", "steps", "score", "right", "low", "high"])


def by_policy(
    solutions: pd.DataFrame, measure: Callable[[Steps], pd.DataFrame], everyone: str = "all"
) -> Iterator[pd.DataFrame]:
    """A measure of the solutions of all policies together (`everyone`), then of each policy's."""
    groups = [(everyone, solutions)]
    if solutions["policy"].nunique() > 1:
        groups += list(solutions.groupby("policy", sort=True))
    else:
        groups += [(str(solutions["policy"].iloc[0]), solutions)] if len(solutions) else []
    for policy, part in groups:
        yield measure(Steps.of(part)).assign(policy=policy)

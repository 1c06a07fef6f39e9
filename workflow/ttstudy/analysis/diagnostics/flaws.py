"""Flaws, skill and calibration of labelled, scored steps, with intervals over problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from ttstudy.analysis import statistics
from ttstudy.kinds.flaws import FLAWS, HALF, Fit, Share, Steps
from ttstudy.vocabulary import NO_ERROR

THRESHOLDS = np.round(np.arange(0.01, 1.0, 0.01), 2)
"""Thresholds among which ProcessBench's is chosen."""
FOLDS = 5
BINS = 10
RESAMPLES = 2000
"""Bootstrap resamples of statistics that are not means."""


def flaw_table(steps: Steps, seed: int = 0) -> pd.DataFrame:
    """Columns flaw, value, low, high, count (steps or solutions behind it); a flaw without cases has no row."""
    rows = []
    for name, flaw in FLAWS.items():
        found = flaw.measure(steps)
        row = _share(steps, found, seed) if isinstance(found, Share) else _fitted(found, seed) if found else None
        if row is not None:
            rows.append((name, *row))
    return pd.DataFrame(rows, columns=["flaw", "value", "low", "high", "count"])


def _share(steps: Steps, found: Share, seed: int) -> tuple[float, float, float, int] | None:
    """Share, its interval over problems, and its cases; None where there are none."""
    if not len(found.values):
        return None
    low, high = statistics.interval(found.values, seed=seed, clusters=steps.problem[found.solutions].tolist())
    return float(found.values.mean()), low, high, len(found.values)


def _fitted(found: Fit, seed: int) -> tuple[float, float, float, int] | None:
    """The number, its percentile interval over problems, and the steps behind it; None where they tell none."""
    estimate = float(found.of([part.sum(axis=0) for part in found.sums]))
    if not np.isfinite(estimate):
        return None
    weights = statistics.resample_weights(len(found.sums[0]), RESAMPLES, seed).astype(float)
    drawn = found.of([weights @ part for part in found.sums])
    low, high = np.nanquantile(drawn, [0.025, 0.975]) if np.isfinite(drawn).any() else (estimate, estimate)
    return estimate, min(float(low), estimate), max(float(high), estimate), found.cases


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
    of_wrong, of_right = (float(hits[kind].mean()) if kind.any() else float("nan") for kind in (wrong, ~wrong))
    return of_wrong, of_right


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

    def f1(found_wrong: Any, wrongs: Any, found_right: Any, rights: Any) -> Any:
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

"""Grids of values and the choice of a strategy on them: naive, or cross-fitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from ttstudy.analysis.statistics import resample_weights
from ttstudy.kinds.methods import CHOSEN
from ttstudy.kinds.scores import SCORES
from ttstudy.kinds.votes import VOTES

THETA = ["method", "score", "vote"]
_VOTES = {name: place for place, name in enumerate(VOTES)}
_SCORES = {name: place for place, name in enumerate(["none", *SCORES])}
_ROUNDING = 1e-9
ERROR = 0.003
"""Repeats of cross-fitting go on until the mean is known to this, at 95 %: 0.3 points."""
AT_ONCE = 40
MOST = 4000
"""Repeats at a time, and at most."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Values of every theta on every problem of one (benchmark, policy, prm, budget)."""

    cell: dict[str, object]
    problem_ids: list[str]
    levels: np.ndarray
    """Level of each problem, shape [P]."""
    thetas: list[tuple[str, str, str]]
    values: np.ndarray
    """Shape [P, len(thetas)]."""


def grids(outcomes: pd.DataFrame) -> Iterator[Grid]:
    """One grid per (benchmark, policy, prm, budget): the PRM's methods, and the majority at the same budget.

    Problems on which some theta has no value are left out.
    """
    usable = outcomes[outcomes["method"].isin(CHOSEN)]
    for (benchmark, policy), part in usable.groupby(["benchmark", "policy"], sort=True, observed=True):
        guided = part[part["prm"] != "none"]
        plain = part[(part["prm"] == "none") & part["method"].isin(CHOSEN)]
        for (prm, budget), cell in guided.groupby(["prm", "budget"], sort=True, observed=True):
            rows = pd.concat([plain[plain["budget"] == budget], cell])
            table = rows.set_index(["problem_id", *THETA])["value"].unstack(THETA).dropna().sort_index()
            if table.empty:
                continue
            order = [k for _, k in sorted((_rank(name), k) for k, name in enumerate(table.columns))]
            levels = rows.drop_duplicates("problem_id").set_index("problem_id")["level"].reindex(table.index)
            yield Grid(
                {"benchmark": benchmark, "policy": policy, "prm": prm, "budget": int(budget)},
                table.index.tolist(),
                levels.to_numpy(dtype=object),
                [tuple(table.columns[k]) for k in order],
                table.to_numpy()[:, order],
            )


def levels_of(levels: pd.DataFrame, cell: Mapping[str, object]) -> pd.Series:
    """Level by problem_id for one cell, out of a table that may tell them by benchmark, policy and PRM.

    A PRM without levels of its own takes those of prm "none".
    """
    for key in ("benchmark", "policy"):
        if key in levels:
            levels = levels[levels[key] == cell[key]]
    if "prm" in levels:
        own = (levels["prm"] == cell["prm"]).any()
        levels = levels[levels["prm"] == (cell["prm"] if own else "none")]
    return levels.set_index("problem_id")["level"]


def _rank(theta: tuple[str, str, str]) -> tuple[int, int, int]:
    method, score, vote = theta
    return CHOSEN.index(method), _VOTES.get(vote, len(_VOTES)), _SCORES.get(score, len(_SCORES))


def folds_of(groups: np.ndarray, folds: int, repeats: int, seed: int, part: int = 0) -> np.ndarray:
    """Fold of each problem in each repeat, balanced within groups: [repeats, P]; each `part` has others."""
    rng = np.random.default_rng([seed, len(groups), part])
    result = np.zeros((repeats, len(groups)), dtype=np.int64)
    for group in sorted(set(groups)):
        rows = np.flatnonzero(groups == group)
        place = rng.random((repeats, len(rows))).argsort(axis=1)
        # a random start, so that small groups do not always fill the first folds
        result[:, rows] = (place + rng.integers(folds, size=(repeats, 1))) % folds
    return result


class Crossed(NamedTuple):
    """A cross-fitted choice: value on each problem [P], how often each theta was chosen for it [P, T], and its error.

    `error` is the half-width of the 95 % interval that the random folds leave to the mean value.
    """

    values: np.ndarray
    chosen: np.ndarray
    error: float


def cross_fit(
    values: np.ndarray,
    groups: np.ndarray,
    folds: int = 5,
    repeats: int | None = None,
    seed: int = 0,
    allowed: np.ndarray | None = None,
) -> Crossed:
    """Held-out value of the chosen theta on each problem, and how often each theta was chosen for it.

    `values` is [P, T]; the choice is made within `groups` [P] on the other folds, or on the other folds of
    all groups where those hold none of the group's own problems. Folds are drawn anew `repeats` times, by default until
    the mean is known to `ERROR`. `allowed` [P, T] tells the thetas that may be chosen, the same within a group.
    """
    expected, chosen = np.zeros(len(values)), np.zeros(values.shape)
    means: list[float] = []
    error = np.inf
    while len(means) < (repeats or MOST) and (repeats is not None or error > ERROR):
        count = min(AT_ONCE, (repeats or MOST) - len(means))
        fold_of = folds_of(groups, folds, count, seed, part=len(means))
        means += _held_out(values, groups, fold_of, folds, allowed, expected, chosen)
        error = 1.96 * float(np.std(means, ddof=1)) / len(means) ** 0.5 if len(means) > 1 else np.inf
    return Crossed(expected / len(means), chosen / len(means), error)


def _held_out(
    values: np.ndarray,
    groups: np.ndarray,
    fold_of: np.ndarray,
    folds: int,
    allowed: np.ndarray | None,
    expected: np.ndarray,
    chosen: np.ndarray,
) -> list[float]:
    """Add each repeat's values to `expected` and choices to `chosen`; the mean value of each repeat."""
    held = fold_of[:, None, :] == np.arange(folds)[:, None]  # [repeats, folds, P]
    everywhere = _means(~held, values)
    total = np.zeros(len(fold_of))
    for group in sorted(set(groups)):
        rows = np.flatnonzero(groups == group)
        train = ~held[:, :, rows]
        means = np.where(train.any(axis=2)[:, :, None], _means(train, values[rows]), everywhere)
        if allowed is not None:
            means = np.where(allowed[rows[0]], means, -np.inf)
        used = np.take_along_axis(_first(means), fold_of[:, rows], axis=1)  # [repeats, rows]
        found = values[rows, used]
        expected[rows] += found.sum(axis=0)
        total += found.sum(axis=1)
        np.add.at(chosen, (np.broadcast_to(rows, used.shape), used), 1.0)
    return [float(mean) for mean in total / len(values)]


def _first(means: np.ndarray) -> np.ndarray:
    """First of the largest along the last axis; means that differ by rounding are equal."""
    return np.asarray((means >= means.max(axis=-1, keepdims=True) - _ROUNDING).argmax(axis=-1))


def _means(chosen: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean value of each theta over the chosen problems: [..., P] and [P, T] give [..., T]; 0 over none."""
    return (chosen.astype(float) @ values) / np.maximum(chosen.sum(axis=-1), 1)[..., None]


def resampled(
    values: np.ndarray,
    groups: np.ndarray,
    folds: int,
    repeats: int,
    resamples: int,
    seed: int,
    allowed: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean naive and mean cross-fitted value when problems are drawn anew and both choices made anew: [resamples] each.

    Copies of a problem stay in one fold. `allowed` [P, T] tells the thetas that may be chosen, the same within a group.
    """
    weights = resample_weights(len(values), resamples, seed).astype(float)
    best, fitted = np.zeros(resamples), np.zeros(resamples)
    for group in sorted(set(groups)):
        rows = np.flatnonzero(groups == group)
        columns = np.arange(values.shape[1]) if allowed is None else np.flatnonzero(allowed[rows[0]])
        w, v = weights[:, rows], values[np.ix_(rows, columns)]
        best += (w @ v).max(axis=1)
        for fold_of in folds_of(groups[rows], folds, repeats, seed):
            for fold in range(folds):
                test = fold_of == fold
                if test.any():
                    chosen = _first((w * ~test) @ v)
                    fitted += ((w * test) @ v)[np.arange(resamples), chosen] / repeats
    return best / len(values), fitted / len(values)


def choice_variance(
    values: np.ndarray,
    groups: np.ndarray,
    fitted: np.ndarray,
    folds: int = 5,
    repeats: int = 3,
    resamples: int = 200,
    seed: int = 0,
    allowed: np.ndarray | None = None,
) -> float:
    """Variance of a mean cross-fitted value that the spread of `fitted` over problems does not show.

    Where strategies are nearly equal, the choice itself moves with the problems drawn: an interval over the fitted
    values alone holds the truth in 87 to 90 % of studies, not 95. What resampling the whole procedure adds is twice
    what it should be, since a resample tells as much as half as many distinct problems (see
    reports/benchmarks/intervals.md).
    """
    return unseen(resampled(values, groups, folds, repeats, resamples, seed, allowed)[1], fitted)


class Fitted(NamedTuple):
    """A cross-fitted choice with the variance that it adds (`choice_variance`); the rest is as in `Crossed`."""

    values: np.ndarray
    chosen: np.ndarray
    extra: float
    error: float = 0.0


def compute_optimal(values: np.ndarray, groups: np.ndarray, seed: int = 0) -> Fitted:
    """The compute-optimal strategy of a grid: chosen within `groups` on other problems than those that it is judged on.

    `values` [P, T] and `groups` [P] as in `cross_fit`; this is what TTS means (see `ttstudy.analysis.definitions`).
    """
    found = cross_fit(values, groups, seed=seed)
    extra = choice_variance(values, groups, found.values, seed=seed)
    return Fitted(found.values, found.chosen, extra, found.error)


def unseen(drawn: np.ndarray, fitted: np.ndarray) -> float:
    """Half of what the variance of `drawn`, means of resampled choices, has above that of the mean of `fitted`."""
    if len(fitted) < 2:
        return 0.0
    return max(0.0, float(drawn.var(ddof=1)) - float(fitted.var(ddof=1)) / len(fitted)) / 2


def naive(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Value of each level's best theta on the problems it was chosen on, and which that was: [P], [P, T]."""
    expected, chosen = np.zeros(len(grid.values)), np.zeros(grid.values.shape)
    for level in sorted(set(grid.levels)):
        rows = grid.levels == level
        best = int(_first(grid.values[rows].mean(axis=0)))
        expected[rows], chosen[rows, best] = grid.values[rows, best], 1.0
    return expected, chosen

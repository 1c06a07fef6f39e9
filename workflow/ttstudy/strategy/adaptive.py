"""Adaptive budgets: more samples where they pay, fewer where the vote is decided."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from ttstudy import statistics
from ttstudy.strategy.choice import METHODS, THETA, folds_of
from ttstudy.voting import Pool


def allocate(
    outcomes: pd.DataFrame,
    levels: pd.DataFrame,
    seed: int = 0,
    repeats: int = 5,
    folds: int = 5,
    confidence: float = statistics.CONFIDENCE,
    resamples: int = statistics.RESAMPLES,
) -> pd.DataFrame:
    """A mean budget spread over problems by predicted level, against the same budget for all.

    For one strategy at a time (a benchmark, policy, prm, method, score, vote with two budgets or more):
    each level gets one of the budgets, so that the mean is at most N and the accuracy on the other folds is
    best; valued on the fold left out. `levels` as in `predicted`. Columns: the cell, budget (N), spent
    (mean budget used), accuracy, fixed (accuracy at N for all), difference, low, high (interval of the
    difference).
    """
    keys = ["benchmark", "policy", "prm", *THETA]
    usable = outcomes[outcomes["method"].isin(METHODS)]
    rows = []
    for names, part in usable.groupby(keys, sort=True, observed=True):
        cell = dict(zip(keys, names, strict=True))
        grid = part.set_index(["problem_id", "budget"])["value"].unstack("budget").dropna().sort_index()
        if grid.shape[1] < 2 or grid.empty:
            continue
        known = levels
        for key in ("benchmark", "policy"):
            known = known[known[key] == cell[key]] if key in known else known
        groups = known.set_index("problem_id")["level"].reindex(grid.index).to_numpy(dtype=object)
        budgets, values = grid.columns.to_numpy(dtype=float), grid.to_numpy()
        for k, budget in enumerate(budgets[:-1]):
            shares = spread(values, groups, budgets, budget, folds, repeats, seed)
            value, spent = (shares * values).sum(axis=1), shares @ budgets
            paired = statistics.paired_difference(value, values[:, k], confidence, resamples, seed)
            rows.append(
                cell
                | {"budget": int(budget), "spent": float(spent.mean()), "accuracy": float(value.mean())}
                | {"fixed": float(values[:, k].mean()), "difference": paired.difference}
                | {"low": paired.low, "high": paired.high}
            )
    columns = [*keys, "budget", "spent", "accuracy", "fixed", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def spread(
    values: np.ndarray,
    groups: np.ndarray,
    budgets: np.ndarray,
    mean_budget: float,
    folds: int,
    repeats: int,
    seed: int,
) -> np.ndarray:
    """How often each problem gets each budget under the best allocation of the other folds: [P, budgets].

    `values` is [P, budgets], `groups` names each problem's level. An allocation gives every level one budget
    so that the mean is at most `mean_budget`; of equally good ones the cheapest is taken.
    """
    names = sorted(set(groups))
    shares = np.array([(groups == name).mean() for name in names])
    # every assignment of a budget to a level whose mean fits
    plans = np.array(list(product(range(len(budgets)), repeat=len(names))))
    plans = plans[(budgets[plans] @ shares) <= mean_budget + 1e-9]
    costs = budgets[plans] @ shares
    chosen = np.zeros(values.shape)
    member = (groups == np.array(names, dtype=object)[:, None]).astype(float)
    for fold_of in folds_of(groups, folds, repeats, seed):
        for fold in range(folds):
            test = fold_of == fold
            sizes = member @ ~test
            means = (member * ~test) @ values / np.maximum(sizes, 1)[:, None]
            means[sizes == 0] = values[~test].mean(axis=0)
            worth = (shares * means[np.arange(len(names)), plans]).sum(axis=1)
            good = np.flatnonzero(worth >= worth.max() - 1e-9)
            used = (plans[good[costs[good].argmin()]] @ member[:, test]).astype(int)
            chosen[np.flatnonzero(test), used] += 1 / repeats
    return chosen


def early_stopping(
    pool: Pool, budgets: Sequence[int], confidence: float = 1.0, permutations: int = 64, seed: int = 0
) -> pd.DataFrame:
    """Majority voting that stops drawing once the vote is decided; columns budget, problem_id, value, used.

    With confidence 1 it stops when what is left to draw cannot change the winner: the same answer as the
    full vote for fewer samples. Below 1 it also stops when the leader is the more frequent of the two
    leading answers with that posterior probability (Aggarwal et al. 2023, arXiv 2305.11860: the beta
    criterion). `used` is the mean number of samples drawn, over permutations of the pool. ValueError when a
    budget exceeds the pool.
    """
    size = int(min(pool.sizes, default=0))
    tables = []
    rng = np.random.default_rng(seed)
    orders = rng.random((permutations, size)).argsort(axis=1)
    for budget in budgets:
        if budget > size:
            raise ValueError(
                f"budget {budget} needs {budget} responses of every problem, but one has only {size}"
            )
        left = budget - 1 - np.arange(budget)
        sure = _surely(budget, confidence)
        rows = np.array(
            [_stopped(pool, i, orders[:, :budget], left, sure) for i in range(len(pool.problem_ids))]
        )
        value, used = rows.reshape(-1, 2).T
        tables.append(
            pd.DataFrame({"budget": budget, "problem_id": pool.problem_ids, "value": value, "used": used})
        )
    return pd.concat(tables, ignore_index=True)


def _surely(budget: int, confidence: float) -> np.ndarray:
    """Whether a leader with v votes against w is sure enough, as a table [v, w]."""
    if confidence >= 1:
        return np.zeros((budget + 1, budget + 1), dtype=bool)
    from scipy.special import betainc

    votes = np.arange(budget + 1)
    return 1 - betainc(votes[:, None] + 1.0, votes[None] + 1.0, 0.5) >= confidence


def _stopped(
    pool: Pool, i: int, order: np.ndarray, left: np.ndarray, sure: np.ndarray
) -> tuple[float, float]:
    kept = np.arange(pool.correct.shape[1]) if pool.valid is None else np.flatnonzero(pool.valid[i])
    classes, right = pool.answer_class[i, kept], pool.correct[i, kept]
    names = np.unique(classes[classes >= 0])
    if not len(names):
        return 0.0, float(len(left))
    worth = np.array([right[classes == name].mean() for name in names] + [0.0])
    member = classes[:, None] == np.array([*names, -2])
    counts = member[order].cumsum(axis=1)
    leading = np.partition(counts, -2, axis=2)[:, :, -2:]
    decided = (
        (leading[:, :, 1] - leading[:, :, 0] > left) | (left == 0) | sure[leading[:, :, 1], leading[:, :, 0]]
    )
    stop = decided.argmax(axis=1)
    final = counts[np.arange(len(order)), stop]
    top = final.max(axis=1, keepdims=True)
    winners = (final == top) & (top > 0)
    value = (winners @ worth) / np.maximum(winners.sum(axis=1), 1)
    return float(value.mean()), float(stop.mean() + 1)

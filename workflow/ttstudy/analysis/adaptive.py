"""Adaptive budgets: more samples where they pay, fewer where the vote is decided."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from ttstudy.analysis import statistics
from ttstudy.analysis.choice import THETA, folds_of, levels_of
from ttstudy.kinds.methods import CHOSEN
from ttstudy.methods.voting import Pool, values

ADAPTIVE = [
    *("benchmark", "policy", "prm", *THETA, "scheme", "budget", "problems"),
    *("spent", "accuracy", "fixed", "difference", "low", "high"),
]
"""Columns of the adaptive table: `budget` is N, `spent` the mean number of responses used; the interval is that of the
difference, accuracy less fixed."""


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
    best; valued on the fold left out. `levels` as in `predicted`. Columns: `ADAPTIVE`; scheme is "levels",
    `fixed` the accuracy at N for all, which spends at least as much.
    """
    keys = ["benchmark", "policy", "prm", *THETA]
    usable = outcomes[outcomes["method"].isin(CHOSEN)]
    rows = []
    for names, part in usable.groupby(keys, sort=True, observed=True):
        cell = dict(zip(keys, names, strict=True))
        grid = part.set_index(["problem_id", "budget"])["value"].unstack("budget").dropna().sort_index()
        if grid.shape[1] < 2 or grid.empty:
            continue
        groups = levels_of(levels, cell).reindex(grid.index).to_numpy(dtype=object)
        budgets, table = grid.columns.to_numpy(dtype=float), grid.to_numpy()
        for k, budget in enumerate(budgets[:-1]):
            shares = spread(table, groups, budgets, budget, folds, repeats, seed)
            value, spent = (shares * table).sum(axis=1), shares @ budgets
            paired = statistics.paired_difference(value, table[:, k], confidence, resamples, seed)
            rows.append(cell | _row("levels", int(budget), spent, value, table[:, k], paired))
    return pd.DataFrame(rows, columns=ADAPTIVE)


def _row(
    scheme: str, budget: int, spent: np.ndarray, value: np.ndarray, fixed: np.ndarray, paired: statistics.Paired
) -> dict[str, object]:
    means = {"spent": spent.mean(), "accuracy": np.clip(value.mean(), 0, 1), "fixed": fixed.mean()}
    return (
        {"scheme": scheme, "budget": budget, "problems": len(value)}
        | {name: round(float(mean), 12) for name, mean in means.items()}
        | {"difference": paired.difference, "low": paired.low, "high": paired.high}
    )


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
            # a level that the other folds do not have is taken for all of theirs; a single problem has no other
            means[sizes == 0] = 0.0 if test.all() else values[~test].mean(axis=0)
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
    for budget in budgets:
        if budget > size:
            raise ValueError(
                f"budget {budget} needs {budget} responses of every problem, but one has only {size}"
            )
    orders = np.random.default_rng(seed).random((permutations, size)).argsort(axis=1)[:, : max(budgets)]
    sure = {budget: _surely(budget, confidence) for budget in budgets}
    rows = [
        (budget, problem, *found)
        for i, problem in enumerate(pool.problem_ids)
        for budget, found in zip(budgets, _stopped(pool, i, orders, budgets, sure), strict=True)
    ]
    table = pd.DataFrame(rows, columns=["budget", "problem_id", "value", "used"])
    return table.sort_values("budget", kind="stable", ignore_index=True)


def stopping(
    pool: Pool,
    budgets: Sequence[int],
    permutations: int = 32,
    seed: int = 0,
    confidence: float = statistics.CONFIDENCE,
    resamples: int = statistics.RESAMPLES,
) -> pd.DataFrame:
    """Majority voting that stops early, against a fixed N for all that spends exactly as much on average.

    Columns: `ADAPTIVE`, without benchmark and policy. Scheme "decided" stops when what is left cannot change the
    winner, "likely" when the leader leads with 95 % (see `early_stopping`). The fixed side is the exact majority at
    the two whole N around the mean that was used, mixed.
    """
    rows = []
    for scheme, sure in (("decided", 1.0), ("likely", 0.95)):
        stopped = early_stopping(pool, budgets, sure, permutations, seed)
        for budget, part in stopped.groupby("budget", sort=True):
            used, value = part["used"].to_numpy(), part["value"].to_numpy()
            spent = float(used.mean())
            below = int(spent)
            ends = values(pool, sorted({below, min(below + 1, int(budget))}), "none")
            table = ends.pivot(index="problem_id", columns="budget", values="value").loc[pool.problem_ids].to_numpy()
            fixed = table[:, 0] + (spent - below) * (table[:, -1] - table[:, 0])
            paired = statistics.paired_difference(value, fixed, confidence, resamples, seed)
            cell = {"prm": "none", "method": "majority", "score": "none", "vote": "majority"}
            rows.append(cell | _row(scheme, int(budget), used, value, fixed, paired))
    return pd.DataFrame(rows, columns=ADAPTIVE[2:])


def _surely(budget: int, confidence: float) -> np.ndarray:
    """Whether a leader with v votes against w is sure enough, as a table [v, w]."""
    if confidence >= 1:
        return np.zeros((budget + 1, budget + 1), dtype=bool)
    from scipy.special import betainc

    votes = np.arange(budget + 1)
    return 1 - betainc(votes[:, None] + 1.0, votes[None] + 1.0, 0.5) >= confidence


def _stopped(
    pool: Pool, i: int, order: np.ndarray, budgets: Sequence[int], sure: dict[int, np.ndarray]
) -> list[tuple[float, float]]:
    """(value, responses used) of one problem at each budget, means over the orders of drawing."""
    kept = np.arange(pool.correct.shape[1]) if pool.valid is None else np.flatnonzero(pool.valid[i])
    classes, right = pool.answer_class[i, kept], pool.correct[i, kept]
    names = np.unique(classes[classes >= 0])
    if not len(names):
        return [(0.0, float(budget)) for budget in budgets]
    worth = np.array([right[classes == name].mean() for name in names] + [0.0])
    member = classes[:, None] == np.array([*names, -2])
    counts = member[order].cumsum(axis=1, dtype=np.int32)
    second, first = np.partition(counts, -2, axis=2)[:, :, -2:].transpose(2, 0, 1)
    found = []
    for budget in budgets:
        a, b = first[:, :budget], second[:, :budget]
        left = budget - 1 - np.arange(budget)
        stop = ((a - b > left) | (left == 0) | sure[budget][a, b]).argmax(axis=1)
        final = counts[np.arange(len(order)), stop]
        top = final.max(axis=1, keepdims=True)
        winners = (final == top) & (top > 0)
        value = (winners @ worth) / np.maximum(winners.sum(axis=1), 1)
        found.append((float(value.mean()), float(stop.mean() + 1)))
    return found

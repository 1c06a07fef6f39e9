"""Methods beside best-of-N at equal N, at equal tokens and at equal FLOPs, and the front of what can be had for a cost.

FLOPs are matched under each convention of the ledger (`flops.CONVENTIONS`): who is ahead may hang on what is counted.
The paper's convention is that of the generated tokens, where the policy is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ttstudy.analysis import definitions, statistics
from ttstudy.analysis.definitions import CURVES, StudyTables

BASE = "best_of_n"
"""What the others are held against: it draws from the pool that every study with a PRM has."""
COSTS = {
    "tokens": "response_tokens",
    "flops": "flops_total",
    "reencoded": "flops_reencoded",
    "shared": "flops_shared",
}
"""What may be equal beside N (`match`), and the column of the ledger that says how much of it was spent."""
MATCHED = [
    *("benchmark", "policy", "prm", "match", "budget", "method", "spent", "problems", "cost", "base_cost"),
    *("accuracy", "base", "difference", "low", "high", "p"),
]
FRONTS = [
    *("benchmark", "policy", "prm", "match", "method", "budget", "problems", "cost", "accuracy"),
    *("front", "share", "best", "low", "high"),
]
RESAMPLES = 2000
_ROUNDING = 1 + 1e-9

Spent = dict[tuple[str, int], dict[str, float]]
"""Of one problem, by (method, N): amounts by what may be equal."""


def matched(study: StudyTables) -> pd.DataFrame:
    """Every method against best-of-N with the same PRM, paired over problems, under the headline rule.

    `match` is `budget` (both draw N = `budget`) or a key of `COSTS`: best-of-N draws `budget`, and the method's value
    on each problem is read off its curve where it has cost as much, on the straight line in log cost between the two
    N around it. A method whose smallest N costs more has no row; one whose largest N costs less stands there with it.

    Columns (`MATCHED`): spent, the method's N, a fraction between two; cost per problem of both, FLOPs as run at equal
    N, missing where not known (then only equal N is there); accuracies of both; difference (accuracy - base) with its
    interval and p, which are of this row alone.
    """
    rows: list[dict[str, Any]] = []
    for cell, wide, spent in _cells(study, _prices(study)):
        rows += [cell | row for row in _pairs(wide, spent, study.seed)]
    return pd.DataFrame(rows, columns=MATCHED)


def timed(study: StudyTables, seconds: Mapping[tuple[str, str, str, str, int], float]) -> pd.DataFrame:
    """The same where `seconds` per problem are equal, by (benchmark, policy, prm, method, N); `match` is `seconds`."""
    rows: list[dict[str, Any]] = []
    prices = {key: {"seconds": amount} for key, amount in seconds.items()}
    for cell, wide, spent in _cells(study, prices, ("seconds",)):
        rows += [cell | row for row in _pairs(wide, spent, study.seed, ("seconds",))]
    return pd.DataFrame(rows, columns=MATCHED)


def fronts(study: StudyTables) -> pd.DataFrame:
    """What each policy can reach with a PRM for a cost, by any method at any N: a Pareto front with a bootstrap band.

    A row is a (method, N), CoT too, under one of `COSTS` (`match`). Columns (`FRONTS`): its cost per problem and its
    accuracy; front, whether no other is as cheap and better; share, of resamples of the problems in which it is on the
    front; best, the highest accuracy that this cost buys, with the 95 % band of it over resamples. The band is of the
    best of several, so it leans upwards where many are level.
    """
    rows: list[dict[str, Any]] = []
    for cell, wide, spent in _cells(study, _prices(study), single=True):
        whole = wide.dropna()
        if len(whole) < 2:
            continue
        weights = statistics.resample_weights(len(whole), RESAMPLES, study.seed).astype(float) / len(whole)
        # means of resamples that come out level are level, whatever the order of the sum
        drawn, means = np.round(weights @ whole.to_numpy(float), 12), np.round(whole.mean().to_numpy(float), 12)
        for match in COSTS:
            cost = np.array([spent[key][match] for key in whole.columns])
            order = np.lexsort((-means, cost))
            order = order[np.isfinite(cost[order])]
            rows += [
                cell | {"match": match, "problems": len(whole)} | row
                for row in _front(list(whole.columns), cost, means, drawn, order)
            ]
    return pd.DataFrame(rows, columns=FRONTS)


def _front(
    points: list[tuple[str, int]], cost: np.ndarray, means: np.ndarray, drawn: np.ndarray, order: np.ndarray
) -> Iterator[dict[str, Any]]:
    """Rows of one front; `order` is that of rising cost."""
    heights = np.maximum.accumulate(drawn[:, order], axis=1)
    below = np.column_stack([np.full(len(drawn), -np.inf), heights])[:, :-1]
    shares = (drawn[:, order] > below).mean(axis=0)
    best = np.maximum.accumulate(means[order])
    before = np.concatenate([[-np.inf], best])[:-1]
    lows, highs = np.quantile(heights, [0.025, 0.975], axis=0)
    for place, at in enumerate(order):
        method, budget = points[at]
        yield {
            "method": method, "budget": int(budget), "cost": float(cost[at]), "accuracy": float(means[at]),
            "front": bool(means[at] > before[place]), "share": float(shares[place]), "best": float(best[place]),
            "low": min(float(lows[place]), float(best[place])),
            "high": min(max(float(highs[place]), float(best[place])), 1.0),
        }  # fmt: skip


Prices = Mapping[tuple[Any, ...], dict[str, float]]
"""Of one problem, by (benchmark, policy, prm, method, N): amounts by what may be equal."""


def _prices(study: StudyTables) -> Prices:
    """What the ledger says."""
    prices: dict[tuple[Any, ...], dict[str, float]] = {}
    if len(ledger := study.table("ledger")):
        frame = definitions.per_problem(ledger).reindex(
            columns=["benchmark", "policy", "prm", "method", "budget", *COSTS.values()]
        )
        for *key, tokens, total, anew, shared in frame.itertuples(index=False, name=None):
            prices[tuple(key)] = dict(zip(COSTS, (tokens, total, anew, shared), strict=True))
    return prices


def _cells(
    study: StudyTables, prices: Prices, costs: Sequence[str] = (*COSTS,), single: bool = False
) -> Iterator[tuple[dict[str, Any], pd.DataFrame, Spent]]:
    """Each (benchmark, policy, PRM) with best-of-N: its name, values by problem and (method, N), and what they cost."""
    outcomes = study.headline(study.table("outcomes"))
    if not len(outcomes):
        return
    outcomes = outcomes[outcomes["method"].isin([*CURVES, *(["cot"] if single else [])])]
    unknown = dict.fromkeys(costs, float("nan"))
    for (benchmark, policy), part in outcomes.groupby(["benchmark", "policy"], sort=False, observed=True):
        for prm in study.prms:
            here = part[part["prm"].isin([prm, "none"])]
            if not ((here["method"] == BASE) & (here["prm"] == prm)).any():
                continue
            wide = here.pivot_table(index="problem_id", columns=["method", "budget"], values="value", observed=True)
            drawn = here[["prm", "method", "budget"]].drop_duplicates().itertuples(index=False, name=None)
            spent = {(m, n): prices.get((benchmark, policy, guide, m, n), unknown) for guide, m, n in drawn}
            yield {"benchmark": benchmark, "policy": policy, "prm": prm}, wide, spent


def _pairs(
    wide: pd.DataFrame, spent: Spent, seed: int, matches: Sequence[str] = (*COSTS,)
) -> Iterator[dict[str, Any]]:
    """Rows of one (policy, PRM); `wide` is indexed by problem, its columns are (method, N). Equal N only with FLOPs."""
    budgets = {method: sorted(wide[method].columns) for method in CURVES if method in wide}
    for budget in budgets[BASE]:
        for method, own in budgets.items():
            if method == BASE:
                continue
            found = [("budget", "flops", [(budget, 1.0)])] if budget in own and "flops" in matches else []
            for match in matches:
                costs = [(spent[method, n][match], n) for n in own]
                found.append((match, match, _spread(costs, spent[BASE, budget][match])))
            for match, kind, parts in found:
                both = wide[list(dict.fromkeys([*((method, n) for n, _ in parts), (BASE, budget)]))].dropna()
                if not parts or len(both) < 2:
                    continue
                base = both[BASE, budget].to_numpy(float)
                one = np.zeros(len(both))
                for n, weight in parts:
                    one += weight * both[method, n].to_numpy(float)
                yield {
                    "match": match, "budget": int(budget), "method": method, "problems": len(both),
                    "spent": _between(parts, {n: float(n) for n in own}),
                    "cost": _between(parts, {n: spent[method, n][kind] for n in own}),
                    "base_cost": spent[BASE, budget][kind],
                    "accuracy": float(one.mean()), "base": float(base.mean()),
                    **statistics.paired_difference(one, base, seed=seed)._asdict(),
                }  # fmt: skip


def _spread(costs: list[tuple[float, int]], limit: float) -> list[tuple[int, float]]:
    """The budgets between which `limit` is on a curve, each with its weight; nothing below the curve's first point."""
    known = sorted((cost, n) for cost, n in costs if cost > 0)
    under = [k for k, (cost, _) in enumerate(known) if cost <= limit * _ROUNDING]
    if not under:
        return []
    k = under[-1]
    if k + 1 == len(known) or known[k][0] >= limit / _ROUNDING:
        return [(known[k][1], 1.0)]
    (low, small), (high, large) = known[k], known[k + 1]
    weight = float(np.log(limit / low) / np.log(high / low))
    return [(small, 1 - weight), (large, weight)]


def _between(parts: list[tuple[int, float]], amounts: dict[int, float]) -> float:
    """An amount at the place on the curve that `parts` tell: on the same straight line of logarithms."""
    if len(parts) == 1:
        return amounts[parts[0][0]]
    return float(np.exp(sum(weight * np.log(amounts[n]) for n, weight in parts)))

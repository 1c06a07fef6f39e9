"""Methods beside best-of-N at equal N and at equal FLOPs: what a candidate buys, and what an operation buys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ttstudy.analysis import definitions, statistics
from ttstudy.analysis.definitions import CURVES, StudyTables

BASE = "best_of_n"
"""What the others are held against: it draws from the pool that every study with a PRM has."""
MATCHED = [
    *("benchmark", "policy", "prm", "match", "budget", "method", "spent", "problems", "flops", "base_flops"),
    *("accuracy", "base", "difference", "low", "high", "p"),
]
_ROUNDING = 1 + 1e-9


def matched(study: StudyTables) -> pd.DataFrame:
    """Every method against best-of-N with the same PRM, paired over problems, under the headline rule.

    `match` is `budget` (both draw N = `budget`) or `flops` (best-of-N draws `budget`, the method as many as cost at
    most as much; a method whose smallest N costs more has no row). Columns (`MATCHED`): spent, the method's N; FLOPs
    per problem of both, missing where not known (then only equal N is there); accuracies of both; difference
    (accuracy - base) with its interval and p, which are of this row alone.
    """
    outcomes, ledger = study.headline(study.table("outcomes")), study.table("ledger")
    if not len(outcomes):
        return pd.DataFrame(columns=MATCHED)
    prices: dict[tuple[object, ...], float] = {}
    if len(ledger):
        key = ["benchmark", "policy", "prm", "method", "budget"]
        prices = definitions.per_problem(ledger).set_index(key)["flops_total"].to_dict()
    outcomes = outcomes[outcomes["method"].isin(CURVES)]
    rows: list[dict[str, Any]] = []
    for (benchmark, policy), part in outcomes.groupby(["benchmark", "policy"], sort=False, observed=True):
        for prm in study.prms:
            here = part[part["prm"].isin([prm, "none"])]
            if not ((here["method"] == BASE) & (here["prm"] == prm)).any():
                continue
            wide = here.pivot_table(index="problem_id", columns=["method", "budget"], values="value", observed=True)
            drawn = here[["prm", "method", "budget"]].drop_duplicates().itertuples(index=False, name=None)
            costs = {key[1:]: prices.get((benchmark, policy, *key), np.nan) for key in drawn}
            cell = {"benchmark": benchmark, "policy": policy, "prm": prm}
            rows += [cell | row for row in _pairs(wide, costs, study.seed)]
    return pd.DataFrame(rows, columns=MATCHED)


def _pairs(wide: pd.DataFrame, costs: dict[tuple[str, int], float], seed: int) -> Iterator[dict[str, Any]]:
    """Rows of one (policy, PRM); `wide` is indexed by problem, its columns are (method, N)."""
    budgets = {method: sorted(wide[method].columns) for method in CURVES if method in wide}
    for budget in budgets[BASE]:
        limit = costs[BASE, budget]
        for method, own in budgets.items():
            if method == BASE:
                continue
            affordable = [n for n in own if costs[method, n] <= limit * _ROUNDING]
            spent_at = {"budget": budget if budget in own else None, "flops": max(affordable, default=None)}
            for match, spent in spent_at.items():
                if spent is None:
                    continue
                both = wide[[(method, spent), (BASE, budget)]].dropna()
                if len(both) < 2:
                    continue
                one, base = both.iloc[:, 0].to_numpy(float), both.iloc[:, 1].to_numpy(float)
                yield {
                    "match": match, "budget": int(budget), "method": method, "spent": int(spent),
                    "problems": len(both), "flops": costs[method, spent], "base_flops": limit,
                    "accuracy": float(one.mean()), "base": float(base.mean()),
                    **statistics.paired_difference(one, base, seed=seed)._asdict(),
                }  # fmt: skip

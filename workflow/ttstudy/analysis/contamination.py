"""Contamination: how a policy does on problems that its training data may hold, beside problems that came later.

A difference alone may be the problems': later ones can be harder. So it stands beside the same difference of the
policies whose training ended before all of these problems were published, or after.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Any

import pandas as pd

from ttstudy.analysis import statistics
from ttstudy.analysis.definitions import StudyTables
from ttstudy.vocabulary import NEVER

COLUMNS = [
    *("policy", "cutoff", "before", "after", "problems_before", "problems_after", "accuracy_before", "accuracy_after"),
    *("difference", "low", "high", "control", "controls"),
]


def is_after(published: str, cutoff: str) -> bool:
    """Whether problems came after a policy's training data; days or months, a month in doubt counts as before."""
    return published == NEVER or f"{published}-01"[:10] > f"{cutoff}-31"[:10]


def contamination(study: StudyTables, published: Mapping[str, str], cutoffs: Mapping[str, str]) -> pd.DataFrame:
    """The single answer of each policy on the problems before and after its cut-off; columns `COLUMNS`.

    `published`: of benchmarks the day or month, or `NEVER`; `cutoffs`: of policies. Policies with problems on one side
    alone have no row. The interval of the difference is made of those of both accuracies
    (`statistics.independent_difference`). `control` is the mean difference of `controls` policies with a known cut-off
    to which all these benchmarks are on one side.
    """
    outcomes = study.table("outcomes")
    if not len(outcomes) or not published or not cutoffs:
        return pd.DataFrame(columns=COLUMNS)
    single = study.single(outcomes)
    single = single[single["benchmark"].isin(published)]
    rows: list[dict[str, Any]] = []
    for policy in [name for name in study.policies if name in cutoffs]:
        there = [name for name in published if name in set(single.loc[single["policy"] == policy, "benchmark"])]
        late = {name: is_after(published[name], cutoffs[policy]) for name in there}
        if len(set(late.values())) < 2:
            continue
        found = _difference(single, policy, late)
        others = [
            _difference(single, other, late)["difference"]
            for other, day in cutoffs.items()
            if len({is_after(published[name], day) for name in there}) == 1
            and set(there) <= set(single.loc[single["policy"] == other, "benchmark"])
        ]
        sides = {
            side: ", ".join(name for name in there if late[name] is after)
            for side, after in (("before", False), ("after", True))
        }
        control = sum(others) / len(others) if others else nan
        rows.append(
            {"policy": policy, "cutoff": cutoffs[policy], **sides, **found, "control": control, "controls": len(others)}
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def _difference(single: pd.DataFrame, policy: str, late: Mapping[str, bool]) -> dict[str, float]:
    mine = single[single["policy"] == policy]
    side = mine["benchmark"].map(late)
    found: dict[str, float] = {}
    bounds = []
    for name, after in (("before", False), ("after", True)):
        values = mine.loc[side.eq(after), "value"].to_numpy(dtype=float)
        found |= {f"problems_{name}": len(values), f"accuracy_{name}": float(values.mean())}
        bounds.append((float(values.mean()), *statistics.interval(values)))
    before, after = bounds
    low, high = statistics.independent_difference(after, before)
    return found | {"difference": after[0] - before[0], "low": max(-1.0, low), "high": min(1.0, high)}

"""What several checks on a study share: leads, means over policies, resampled statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from ttstudy.analysis import statistics
from ttstudy.analysis.claims.claim import Finding, Missing, on_problems, points
from ttstudy.analysis.claims.evidence import Cell, Evidence, average, less
from ttstudy.analysis.claims.verdict import Judged, every, judge, turned
from ttstudy.analysis.statistics import Paired
from ttstudy.kinds.methods import PAPER_SEARCHES

RESAMPLES = 2000
"""Bootstrap resamples of statistics that are not means."""

GUIDED = ("best_of_n", *PAPER_SEARCHES)


def finding_above_zero(paired: Paired, text: str, published: str | None = None) -> Finding:
    """Finding on a difference that the claim says is above 0."""
    return on_problems(judge(paired), text, published, points(paired.difference), paired)


def opposite_signs(up: Paired, down: Paired, apart: Paired) -> Judged:
    """Verdict on a claim that one difference is above 0 and another below; `apart` is the first less the second."""
    return every([judge(up), judge(turned(down)), judge(apart)])


def search_lead(study: Evidence, policy: str, prm: str) -> pd.Series:
    """Value of the best search less that of best-of-N on each problem, at the largest budget of both."""
    cell = Cell(policy, prm, study.contested(policy, prm))
    searched, sampled = study.values(cell, PAPER_SEARCHES), study.values(cell, ["best_of_n"])
    return less(searched, sampled)


def mean_over(policies: Sequence[str], value: Callable[[str], pd.Series]) -> pd.Series:
    """Mean over the policies for which the value exists; Missing when it exists for none."""
    columns, reason = [], Missing("policies in common")
    for policy in policies:
        try:
            columns.append(value(policy))
        except Missing as error:
            reason = error
    if not columns:
        raise reason
    return average(columns)


def resampled(
    tables: Sequence[pd.DataFrame], statistic: Callable[..., float], seed: int
) -> tuple[float, float, float]:
    """A statistic of tables' column means over common problems, with a percentile bootstrap interval."""
    common = sorted(set.intersection(*(set(table.index) for table in tables)))
    arrays = [table.loc[common].to_numpy(dtype=float) for table in tables]
    weights = statistics.resample_weights(len(common), RESAMPLES, seed) / len(common)
    drawn = [weights @ array for array in arrays]
    estimate = statistic(*(array.mean(axis=0) for array in arrays))
    found = np.array([statistic(*rows) for rows in zip(*drawn, strict=True)])
    low, high = np.quantile(found, [0.025, 0.975])
    return estimate, min(float(low), estimate), max(float(high), estimate)


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Rank correlation, ties averaged; 0 when one side is constant."""
    from scipy.stats import rankdata

    # spearmanr has no value for a constant side, and its unused p value makes it slower over thousands of resamples
    a, b = rankdata(x), rankdata(y)
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / scale) if scale > 0 else 0.0

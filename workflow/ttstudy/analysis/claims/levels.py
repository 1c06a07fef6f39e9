"""Claims on difficulty levels."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ttstudy.analysis import difficulty, statistics
from ttstudy.analysis.claims.claim import Claim, Finding, Missing, judge, percent, points
from ttstudy.analysis.claims.common import RESAMPLES
from ttstudy.analysis.claims.evidence import Evidence
from ttstudy.vocabulary import LEVELS


def mostly_easy(study: Evidence) -> Finding:
    """Qwen2.5-72B's Pass@1 exceeds 80 % on 76.2 % of MATH-500."""
    policy, table = "Qwen2.5-72B-Instruct", study.table("difficulty")
    if "policy" not in table:
        raise Missing("difficulty by policy")
    rows = table[(table["policy"] == policy) & (table["benchmark"] == "MATH-500")]
    if rows.empty:
        raise Missing(f"difficulty of {policy} on MATH-500")
    stated = study.published.value("problems_with_pass_at_1_above_80") / 100
    share = (rows["pass_at_1"] > 0.8).to_numpy(dtype=float)
    low, high = statistics.interval(share, seed=study.seed)
    return Finding(
        "holds" if low <= stated <= high else "fails",
        f"Pass@1 exceeds 80 % on {percent(share.mean())} of {len(rows)} problems",
        percent(stated),
        percent(share.mean()),
        100 * low,
        100 * high,
    )


CLAIM_35 = Claim(
    35,
    "Pass@1 of Qwen2.5-72B exceeds 80 % on 76.2 % of MATH-500",
    "Figure 3",
    needs="a pilot of Qwen2.5-72B-Instruct on MATH-500",
    study=mostly_easy,
    section="levels",
)


def absolute_levels_compare(study: Evidence) -> Finding:
    """Policies' levels mean more alike with absolute thresholds than with thirds of each policy."""
    table = study.table("difficulty")
    table = table[table["samples"] > 1]  # a reference's one answer is no measure of difficulty
    table = table[table["benchmark"] == study.benchmark] if "benchmark" in table else table
    if "policy" not in table or table["policy"].nunique() < 2:
        raise Missing("difficulty of two policies or more")
    pivot = table.pivot(index="problem_id", columns="policy", values="pass_at_1").dropna().sort_index()
    schemes = {
        "absolute": pivot.apply(lambda column: difficulty.level_of(column.to_numpy())),
        "quantile": pivot.apply(lambda c: difficulty.level_of(c.to_numpy(), difficulty.thirds(c.to_numpy()))),
    }
    weights = statistics.resample_weights(len(pivot), RESAMPLES, study.seed)
    spreads = {name: _spread(pivot, levels, np.ones((1, len(pivot))))[0] for name, levels in schemes.items()}
    drawn = {name: _spread(pivot, levels, weights) for name, levels in schemes.items()}
    gap = float(spreads["quantile"] - spreads["absolute"])
    low, high = np.quantile(drawn["quantile"] - drawn["absolute"], [0.025, 0.975])
    text = (
        f"within a level, policies' mean Pass@1 spans {100 * spreads['absolute']:.1f} points with absolute "
        f"thresholds and {100 * spreads['quantile']:.1f} with thirds"
    )
    return Finding(
        judge(gap, low),
        text,
        "absolute thresholds are better",
        points(gap),
        100 * min(low, gap),
        100 * max(high, gap),
    )


def _spread(pivot: pd.DataFrame, levels: pd.DataFrame, weights: np.ndarray) -> np.ndarray:
    """Range over policies of the mean Pass@1 in a level, mean over levels; one number per row of weights.

    A policy without problems in a level is no part of its range; a level of one policy has none.
    """
    total = np.zeros(len(weights))
    for level in LEVELS:
        inside = (levels == level).to_numpy(dtype=float)
        sizes = weights @ inside
        means = (weights @ (inside * pivot.to_numpy())) / np.maximum(sizes, 1)
        top, bottom = (np.where(sizes > 0, means, none) for none in (-np.inf, np.inf))
        total += np.maximum(top.max(axis=1) - bottom.min(axis=1), 0.0)
    return total / len(LEVELS)


CLAIM_36 = Claim(
    36,
    "Absolute thresholds make better levels than quantiles",
    "section 3.2",
    needs="difficulty of several policies",
    study=absolute_levels_compare,
    section="levels",
)

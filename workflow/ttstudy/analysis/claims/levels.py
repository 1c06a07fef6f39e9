"""Claims on difficulty levels."""

from __future__ import annotations

import pandas as pd

from ttstudy.analysis import statistics
from ttstudy.analysis.claims.claim import Claim, Finding, Missing, on_problems, percent, points
from ttstudy.analysis.claims.common import finding_above_zero, mean_over
from ttstudy.analysis.claims.evidence import Evidence, less
from ttstudy.analysis.claims.gains import same_as
from ttstudy.analysis.claims.verdict import known


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
    ours = known(float(share.mean()), low, high)
    text = f"Pass@1 exceeds 80 % on {percent(share.mean())} of {len(rows)} problems"
    return on_problems(same_as(ours, stated), text, percent(stated), percent(share.mean()), ours)


CLAIM_35 = Claim(
    35,
    "Pass@1 of Qwen2.5-72B exceeds 80 % on 76.2 % of MATH-500",
    "Figure 3",
    needs="a pilot of Qwen2.5-72B-Instruct on MATH-500",
    study=mostly_easy,
    section="levels",
)


def absolute_levels_choose_better(study: Evidence) -> Finding:
    """TTS whose strategy is chosen within absolute levels, less that chosen within thirds of each policy's problems.

    That absolute levels span less Pass@1 is so by construction; what they are for is the choice.
    """
    table = study.table("difficulty")
    table = table[table["samples"] > 1]  # a reference's one answer is no measure of difficulty
    table = table[table["benchmark"] == study.benchmark] if "benchmark" in table else table
    if "policy" not in table:
        raise Missing("difficulty by policy")
    by_policy = {policy: rows.set_index("problem_id")["pass_at_1"] for policy, rows in table.groupby("policy")}

    def gap(policy: str) -> pd.Series:
        if policy not in by_policy:
            raise Missing(f"difficulty of {policy}")
        shares = by_policy[policy]
        return less(study.chosen_within(policy, shares), study.chosen_within(policy, shares, thirds=True))

    lead = mean_over(study.policies, gap)
    text = f"TTS is {points(lead.mean())} with absolute levels from TTS with thirds (mean over policies and PRMs)"
    return finding_above_zero(study.compare(lead), text, "absolute thresholds are better")


CLAIM_36 = Claim(
    36,
    "Absolute thresholds make better levels than quantiles",
    "section 3.2",
    needs="difficulty and TTS of several policies",
    study=absolute_levels_choose_better,
    section="levels",
)

"""Claims on what TTS gains over one answer and over majority voting."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd

from ttstudy.analysis import flops, statistics
from ttstudy.analysis.claims.claim import Claim, Finding, Missing, on_problems, percent, recomputed
from ttstudy.analysis.claims.common import RESAMPLES, resampled, spearman
from ttstudy.analysis.claims.evidence import Evidence
from ttstudy.analysis.claims.published import Published, billions
from ttstudy.analysis.claims.verdict import Judged, above, every, judge, known, ranks_agree, some, turned
from ttstudy.analysis.definitions import MARGIN


def gains_over_cot(published: Published) -> Finding:
    """Audit: each gain in Table 5 is (TTS - CoT) / CoT, and falls with size in each family."""
    stated = published.rows(where="Table 5", quantity="gain_over_cot")
    errors = {}
    for policy, gain in zip(stated["policy"], stated["value"], strict=True):
        cot = published.accuracy("Table 5", policy, budget="1", method="cot")
        tts = published.accuracy("Table 5", policy, method="tts")
        errors[policy] = abs(100 * (tts - cot) / cot - gain)
    worst = max(errors, key=lambda name: errors[name])
    by_policy = dict(zip(stated["policy"], stated["value"], strict=True))
    text = f"the {len(errors)} gains of Table 5 follow from its columns, and fall from size to size in each family"
    rises = []
    for family in ("Llama", "Qwen"):
        sized = sorted((billions(name), name) for name in by_policy if name.startswith(family))
        rises += [b for (_, a), (_, b) in pairwise(sized) if by_policy[b] >= by_policy[a]]
    if rises:
        text = f"the {len(errors)} gains of Table 5 follow from its columns, but do not fall at {', '.join(rises)}"
    if errors[worst] > 0.06:
        text = f"the gain printed for {worst} is {errors[worst]:.1f} points off its own columns"
    good = errors[worst] <= 0.06 and not rises
    shown = ", ".join(
        f"{by_policy[p]:+.1f} % ({p})" for p in ("Llama-3.2-1B-Instruct", "Qwen2.5-72B-Instruct")
    )
    return recomputed(good, text, shown)


def gains_shrink(study: Evidence) -> Finding:
    """The relative gain of TTS over CoT falls with the size of the policy.

    What the claim speaks of are policies: their order is tested against all others (exactly), and over problems too.
    """
    names, tts, cot = [], [], []
    for policy in study.ladder(3):
        try:
            tts.append(study.tts(policy)[0].rename(policy))
            cot.append(study.plain(policy, "cot").rename(policy))
            names.append(policy)
        except Missing:
            continue
    if len(names) < 3:
        raise Missing("CoT and TTS of three policies or more")
    sizes = np.array([study.parameters[name] for name in names])

    def correlation(with_tts: np.ndarray, with_cot: np.ndarray) -> float:
        return -spearman(sizes, (with_tts - with_cot) / np.maximum(with_cot, 1e-9))

    estimate, low, high = resampled([pd.concat(tts, axis=1), pd.concat(cot, axis=1)], correlation, study.seed)
    shown = [
        f"{percent(c.mean())} to {percent(t.mean())} ({name})"
        for name, t, c in zip(names, tts, cot, strict=True)
    ]
    ends = np.array([[side.mean() for side in sides] for sides in (tts, cot)])
    chance = ranks_agree((ends[0] - ends[1]) / np.maximum(ends[1], 1e-9), sizes, spearman)
    judged = judge(statistics.Paired(estimate, low, high, chance), None)
    text = f"rank correlation of gain and size {-estimate:+.2f}, p = {chance:.2g} over {len(names)} policies"
    text += f"; the smallest goes from {shown[0]}; the largest goes from {shown[-1]}"
    return Finding(
        judged.verdict, text, "gains fall with size", f"{-estimate:+.2f}", -high, -low, judged.p, "policies"
    )


CLAIM_12 = Claim(
    12,
    "The gain of TTS over CoT shrinks with the size of the policy",
    "article; Table 5",
    needs="CoT and TTS of three policies or more",
    audit=gains_over_cot,
    study=gains_shrink,
    unit="policies",
    section="gains",
)


def efficiency_of_256(published: Published) -> Finding:
    """Audit: whether a gain above 256 can come from the budgets that the paper lists."""
    budgets = published.rows(where="Section 4.1", quantity="budget")
    usual = budgets[budgets["remark"] == ""]["value"]
    reachable = usual.max() / usual.min()
    gains = published.rows(where="Table 5", quantity="efficiency_gain")
    top = gains["value"].max()
    shown = gains[gains["value"] == top].iloc[0]
    low = gains.loc[gains["value"].idxmin()]
    return recomputed(
        reachable >= top,
        f"budgets from {usual.min():g} to {usual.max():g} give at most {reachable:g}x, so {shown['relation']}"
        f"{top:g}x needs a budget that is not listed; {low['policy']} is at {low['value']:g}x, below 1"
        if reachable < top
        else f"budgets from {usual.min():g} to {usual.max():g} can give {reachable:g}x; {low['policy']} is "
        f"at {low['value']:g}x",
        f"{shown['relation']}{top:g}x",
        f"at most {reachable:g}x",
    )


def more_efficient_than_majority(study: Evidence) -> Finding:
    """The efficiency gain over majority voting; the paper says up to 256 and beyond.

    A lower bound below 256 says neither that nor the contrary.
    """
    best: tuple[str, flops.GainInterval] | None = None
    kinds, bounds, judged = [], [], []
    for policy in study.policies:
        majority_budgets = study.budgets(policy, "majority")
        budgets = sorted({cell.budget for cell in study.grids if cell.policy == policy})
        if len(majority_budgets) < 2 or len(budgets) < 2:
            continue
        majority = pd.concat([study.plain(policy, "majority", n) for n in majority_budgets], axis=1, join="inner")
        tts = pd.concat([study.tts(policy, n)[0] for n in budgets], axis=1, join="inner")
        common = majority.index.intersection(tts.index).sort_values()
        if common.empty:
            continue
        majority, tts = majority.loc[common], tts.loc[common]
        gain = flops.efficiency_interval(
            majority_budgets,
            majority.to_numpy(),
            budgets,
            tts.to_numpy(),
            resamples=RESAMPLES,
            seed=study.seed,
        )
        sign = {"equal": "", "at least": ">", "never reached": ""}[gain.gain.kind]
        shown = "never" if gain.gain.kind == "never reached" else f"{sign}{gain.gain.value:.3g}x"
        kinds.append(f"{policy} {shown}")
        bounds += [policy] if gain.gain.kind == "at least" else []
        judged.append(judge(known(gain.gain.value - 256, gain.low - 256, gain.high - 256), None))
        if best is None or gain.gain.value > best[1].gain.value:
            best = (policy, gain)
    if best is None:
        raise Missing("majority and TTS at two budgets or more")
    if best[1].gain.value < 256 and bounds:
        raise Missing(
            "budgets that tell a gain of 256 from a smaller one; TTS is better than the best majority from its "
            f"smallest N on for {len(bounds)} of {len(kinds)} policies; gains are {', '.join(kinds)}"
        )
    policy, gain = best
    mark = ">" if gain.gain.kind == "at least" else ""
    bounds_ = statistics.Paired(gain.gain.value, gain.low, gain.high, np.nan)
    return on_problems(some(judged), f"gains: {', '.join(kinds)}", ">256x", f"{mark}{gain.gain.value:.3g}x ({policy})",
                       bounds_, scale=1)  # fmt: skip


CLAIM_13 = Claim(
    13,
    "TTS is up to 256 times as efficient as majority voting",
    "article; Table 5; GitHub issue 11",
    needs="majority and TTS at several budgets",
    audit=efficiency_of_256,
    study=more_efficient_than_majority,
    section="gains",
)

TABLE_5 = "Table 5"


def column(method: Literal["cot", "majority", "tts"]) -> Callable[[Evidence], Finding]:
    """A column of Table 5: each policy's accuracy here is the published one, within `MARGIN`.

    Of so many comparisons some would be apart by chance: that one is, is corrected for their number (Holm).
    """

    def check(study: Evidence) -> Finding:
        rows = study.published.rows(where=TABLE_5, quantity="accuracy", method=method)
        shown: list[tuple[str, float, statistics.Paired]] = []
        for policy, stated in zip(rows["policy"], rows["value"] / 100, strict=True):
            try:
                side = study.on("MATH-500", policy)
                values = side.tts(policy)[0] if method == "tts" else side.plain(policy, method)
            except Missing:
                continue
            extra = values.attrs.get("extra", 0.0)
            low, high = statistics.interval(values.to_numpy(), seed=study.seed, extra=extra)
            shown.append((policy, float(stated), known(float(values.mean()), low, high)))
        if not shown:
            raise Missing("policies of Table 5 on MATH-500")
        found = [same_as(ours, stated) for _, stated, ours in shown]
        apart = [policy for (policy, *_), one in zip(shown, found, strict=True) if one.verdict == "contradicted"]
        inside = sum(one.verdict == "supported" for one in found)
        text = f"within {100 * MARGIN:g} points of what is published, beyond chance: {inside} of {len(shown)} policies"
        policy, stated, ours = shown[0]
        return on_problems(
            every(found),
            text + (f"; apart from it: {', '.join(apart)}" if apart else ""),
            f"{percent(stated)} ({policy})",
            f"{percent(ours.difference)} ({policy})",
            ours,
        )

    return check


def same_as(ours: statistics.Paired, stated: float) -> Judged:
    """Verdict on a claim that an accuracy is the stated one: supported within `MARGIN`, contradicted apart from it."""
    gap = above(ours, stated)
    inside = [judge(above(gap, -MARGIN), None), judge(above(turned(gap), -MARGIN), None)]
    if all(one.verdict == "supported" for one in inside):
        return Judged("supported", max(one.p for one in inside))
    differs = judge(gap, None)
    return differs if differs.verdict == "undecided" else Judged("contradicted", differs.p)


CLAIM_37 = Claim(
    37,
    "CoT accuracies of Table 5",
    "Table 5",
    needs="policies of Table 5 on MATH-500, greedy",
    study=column("cot"),
    section="cot",
)

CLAIM_38 = Claim(
    38,
    "Majority accuracies of Table 5",
    "Table 5",
    needs="policies of Table 5 on MATH-500, N up to 256",
    study=column("majority"),
    section="gains",
)

CLAIM_39 = Claim(
    39,
    "TTS accuracies of Table 5",
    "Table 5",
    needs="policies of Table 5 on MATH-500 with a 72B PRM",
    study=column("tts"),
    section="gains",
)

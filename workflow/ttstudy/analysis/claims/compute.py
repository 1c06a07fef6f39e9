"""Checks on a study: what TTS gains, at what compute, and against how much larger a policy."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ttstudy.analysis import flops
from ttstudy.analysis.claims.common import RESAMPLES, resampled, spearman
from ttstudy.analysis.claims.evidence import Evidence, Finding, Missing, Verdict, judge, percent, points


def gains_shrink(study: Evidence) -> Finding:
    """Claim 12: the relative gain of TTS over CoT falls with the size of the policy."""
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
        f"{name} {percent(c.mean())} to {percent(t.mean())}"
        for name, t, c in zip(names, tts, cot, strict=True)
    ]
    return Finding(
        judge(estimate, low, high),
        f"rank correlation of gain and size {-estimate:+.2f} ({', '.join(shown)})",
        "gains fall with size",
        f"{-estimate:+.2f}",
        -high,
        -low,
    )


def more_efficient_than_majority(study: Evidence) -> Finding:
    """Claim 13: the efficiency gain over majority voting; the paper says up to 256 and beyond.

    A lower bound below 256 says neither that nor the contrary.
    """
    best: tuple[str, flops.GainInterval] | None = None
    kinds, bounds = [], []
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
        if best is None or gain.gain.value > best[1].gain.value:
            best = (policy, gain)
    if best is None:
        raise Missing("majority and TTS at two budgets or more")
    if best[1].gain.value < 256 and bounds:
        raise Missing(
            f"budgets that tell a gain of 256 from a smaller one: TTS of {', '.join(bounds)} is better than the best "
            f"majority from its smallest N on; gains: {', '.join(kinds)}"
        )
    policy, gain = best
    verdict = "fails" if gain.gain.value < 256 else "holds" if gain.low >= 256 else "not significant"
    mark = ">" if gain.gain.kind == "at least" else ""
    return Finding(
        verdict,
        f"gains: {', '.join(kinds)}",
        ">256x",
        f"{mark}{gain.gain.value:.3g}x ({policy})",
        gain.low,
        gain.high,
    )


def small_beats_large(study: Evidence) -> Finding:
    """Claim 45, our own: a policy with TTS beats the CoT of a larger one, and of how much larger a one."""
    pairs = study.contests
    sure, ordered = pairs[pairs["won"]], pairs[pairs["difference"] > 0]
    best = sure if len(sure) else ordered
    shown = best.loc[best["ratio"].idxmax()] if len(best) else pairs.loc[pairs["difference"].idxmax()]
    verdict: Verdict = "holds" if len(sure) else "not significant" if len(ordered) else "fails"
    text = (
        f"with TTS at N = {shown['budget']} {shown['policy']} is {points(shown['difference'])} from the CoT of "
        f"{shown['larger']}, {shown['ratio']:.3g} times its size; {len(sure)} of {len(pairs)} pairs are won "
        f"significantly, {len(ordered)} in order"
    )
    ours = f"{points(shown['difference'])}, {shown['ratio']:.3g} times"
    return Finding(verdict, text, "135 times", ours, 100 * float(shown["low"]), 100 * float(shown["high"]))


def total_compute(study: Evidence) -> Finding:
    """Claim 14: all compute of a small policy with TTS against that of a larger one whose CoT it matches.

    It holds where the smaller policy is ahead beyond chance, too.
    """
    ledger, trained = study.table("ledger"), study.table("training").set_index("model")["flops"].astype(float).dropna()
    ledger = ledger[ledger["benchmark"] == study.benchmark]
    matched = study.contests[study.contests["difference"] >= 0]
    if matched.empty:
        return Finding("fails", "no policy with TTS matches the CoT of a larger one", "100x to 1000x", "none")
    known = matched[matched["policy"].isin(trained.index) & matched["larger"].isin(trained.index)]
    if known.empty:
        raise Missing(f"pretraining tokens of {matched['policy'].iloc[0]} and {matched['larger'].iloc[0]}")
    pair = known.loc[known["ratio"].idxmax()]
    small_name, large_name, prm, budget = pair["policy"], pair["larger"], pair["prm"], pair["budget"]
    tts = ledger[(ledger["policy"] == small_name) & (ledger["budget"] == budget) & (ledger["prm"] == prm)]
    cot = ledger[(ledger["policy"] == large_name) & (ledger["method"] == "cot")].dropna(subset=["flops_total"])
    if tts.empty or cot.empty:
        raise Missing(f"ledger rows of {small_name} with TTS and {large_name} with CoT")
    costs = tts.assign(training=tts["prm"].map(trained)).dropna(subset=["training", "flops_total"])
    if costs.empty:
        raise Missing(f"training tokens of {', '.join(sorted(set(tts['prm'])))}")
    dearest = costs.loc[(costs["flops_total"] + costs["training"]).idxmax()]
    large = trained[large_name] + float(cot["flops_total"].iloc[0])
    plain = (trained[large_name] + float(cot["flops_paper"].iloc[0])) / (
        trained[small_name] + float(dearest["flops_paper"])
    )
    small = trained[small_name] + float(dearest["training"]) + float(dearest["flops_total"])
    inference = float(cot["flops_total"].iloc[0]) / float(dearest["flops_total"])
    ratio = large / small
    return Finding(
        "fails" if ratio < 100 else "holds" if pair["won"] else "not significant",
        f"in this study {small_name} with TTS (N = {budget}) against {large_name}: total compute "
        f"{ratio:.3g}x with the PRM's training and every pass counted, {plain:.3g}x by the paper's "
        f"convention; inference {inference:.3g}x",
        "100x to 1000x",
        f"{ratio:.3g}x",
    )

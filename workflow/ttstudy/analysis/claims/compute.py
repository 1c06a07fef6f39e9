"""Claims on what TTS costs: all compute of a small policy and a large one, tokens under two PRMs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ttstudy.analysis import flops
from ttstudy.analysis.claims.claim import Claim, Finding, Missing, recomputed
from ttstudy.analysis.claims.evidence import Evidence
from ttstudy.analysis.claims.published import Published
from ttstudy.analysis.claims.verdict import Verdict, above, every, judge, known, turned
from ttstudy.analysis.definitions import MARGIN
from ttstudy.analysis.statistics import Paired

TRAINED = {
    "Llama-3.2-3B-Instruct": (3e9, 9e12),
    "Llama-3.1-405B-Instruct": (405e9, 15e12),
    "DeepSeek-R1-Distill-Qwen-7B": (7e9, 18e12),
    "DeepSeek-R1": (671e9, 14.8e12),
}
"""Nominal parameters and pretraining tokens by the models' cards; R1 with all experts, as in Table 4."""

R1_ACTIVE = 37e9

CHECKPOINTS = {
    "Llama-3.2-3B-Instruct": 3.21e9,
    "Llama-3.1-405B-Instruct": 406e9,
    "DeepSeek-R1-Distill-Qwen-7B": 7.62e9,
    "DeepSeek-R1": 671e9,
}
"""Parameters that the checkpoints have, in place of the sizes in their names."""

PRM_SIZES = (7e9, 72e9)


def compute_table(published: Published) -> Finding:
    """Audit: Table 4 recomputed, and what it leaves out."""
    worst, models, totals, inferences = 0.0, {}, [], []
    for name, (size, tokens) in TRAINED.items():
        kinds = ("training_flops", "inference_flops", "total_flops")
        trained, inferred, total = (published.value(kind, where="Table 4", policy=name) for kind in kinds)
        worst = max(
            worst, abs(flops.training(size, tokens) / trained - 1), abs((trained + inferred) / total - 1)
        )
        models[name] = flops.Model(name, size, tokens, inferred / (2 * size))
        totals.append(total)
        inferences.append(inferred)
    low, high = published.rows(where="article", quantity="total_compute_ratio")["value"]
    totals = [totals[1] / totals[0], totals[3] / totals[2]]
    inferences = [inferences[1] / inferences[0], inferences[3] / inferences[2]]
    small, large, distilled, r1 = models.values()
    guided = [small._replace(prm_parameters=size, prm_tokens=small.inference_tokens) for size in PRM_SIZES]
    with_prm = [large.inference / model.inference for model in guided]
    active = r1._replace(active=R1_ACTIVE).total / distilled.total
    true = [model._replace(parameters=CHECKPOINTS[name]).total for name, model in models.items()]
    good = worst <= 0.005 and all(low <= total <= high for total in totals)
    return recomputed(
        good,
        f"6ND gives the training FLOPs within {100 * worst:.1f} %; the total ratios are {totals[0]:.1f}x and "
        f"{totals[1]:.1f}x, the inference ratios {inferences[0]:.2f}x and {inferences[1]:.2f}x; one PRM pass "
        f"over the first pair's tokens makes its inference ratio {with_prm[0]:.2f}x (7B) or "
        f"{with_prm[1]:.3f}x (72B); R1's 37B active parameters make the second total {active:.1f}x; with the "
        f"checkpoints' own parameter counts the totals are {true[1] / true[0]:.1f}x and {true[3] / true[2]:.1f}x",
        f"{low:g}x to {high:g}x",
        f"{totals[0]:.1f}x and {totals[1]:.1f}x",
    )


def total_compute(study: Evidence) -> Finding:
    """All compute of a small policy with TTS against that of a larger one whose CoT it comes up to.

    Up to it comes a policy whose interval ends less than `MARGIN` below the larger one's CoT; it may yet where the
    interval only reaches zero.
    """
    ledger, trained = study.table("ledger"), study.table("training").set_index("model")["flops"].astype(float).dropna()
    ledger = ledger[ledger["benchmark"] == study.benchmark]
    pairs = study.contests
    level, unclear = pairs[pairs["low"] > -MARGIN], pairs[(pairs["low"] <= -MARGIN) & (pairs["high"] >= 0)]
    matched = level if len(level) else unclear
    if matched.empty:
        text = "every policy with TTS is behind the CoT of each larger one beyond chance"
        return Finding("contradicted", text, "100x to 1000x", "none", p=float(pairs["p"].max()), unit="problems")
    known = matched[matched["policy"].isin(trained.index) & matched["larger"].isin(trained.index)]
    if known.empty:
        raise Missing(f"pretraining tokens of {matched['policy'].iloc[0]} and {matched['larger'].iloc[0]}")
    pair = known.loc[known["ratio"].idxmax()]
    small_name, large_name, prm, budget = pair["policy"], pair["larger"], pair["prm"], pair["budget"]
    tts = ledger[(ledger["policy"] == small_name) & (ledger["budget"] == budget) & (ledger["prm"] == prm)]
    cot = ledger[(ledger["policy"] == large_name) & (ledger["method"] == "cot")].dropna(subset=["flops_total"])
    if tts.empty or cot.empty:
        raise Missing(f"ledger rows of {small_name} with TTS and {large_name} with CoT")
    costs = tts.assign(training=tts["prm"].map(trained).fillna(0.0)).dropna(subset=["flops_total"])
    if costs.empty:
        raise Missing(f"FLOPs of {small_name} with TTS")
    dearest = costs.loc[(costs["flops_total"] + costs["training"]).idxmax()]
    large = trained[large_name] + float(cot["flops_total"].iloc[0])
    plain = (trained[large_name] + float(cot["flops_paper"].iloc[0])) / (
        trained[small_name] + float(dearest["flops_paper"])
    )
    small = trained[small_name] + float(dearest["training"]) + float(dearest["flops_total"])
    inference = float(cot["flops_total"].iloc[0]) / float(dearest["flops_total"])
    counted = "the PRM's training and " if prm in trained.index else ""
    aside = "" if prm in trained.index else _untold(str(prm), float(dearest["prm_parameters"]), large / 100 - small)
    ratio = large / small
    least = known_margin(pair)
    sizes = unclear.loc[unclear["ratio"] > pair["ratio"]]
    if len(level) and ratio >= 100:
        verdict: Verdict = "supported"
    else:
        # a pair of a larger ratio that may yet come level could still be cheaper by as much
        verdict = "contradicted" if ratio < 100 and (sizes.empty or not len(level)) else "undecided"
    return Finding(
        verdict,
        f"in this study {small_name} with TTS (N = {budget}) "
        + ("comes up to" if len(level) else "may or may not come up to")
        + f" {large_name}; its total compute is {ratio:.3g}x with {counted}every pass counted, and {plain:.3g}x by "
        f"the paper's convention; its inference is {inference:.3g}x{aside}",
        "100x to 1000x",
        f"{ratio:.3g}x",
        p=least if len(level) else float(pairs["p"].max()),
        unit="problems",
    )


def _untold(prm: str, parameters: float, left: float) -> str:
    """What is said of a PRM whose training is not published; `left` FLOPs more would make the ratio 100."""
    told = f"; the training tokens of {prm} are not known here and count as none"
    if left <= 0 or not parameters > 0:
        return told
    return told + f", which changes nothing up to {left / flops.training(parameters, 1.0):.2g} of them"


def known_margin(pair: pd.Series) -> float:
    """p value of a pair's difference being no more than `MARGIN` below zero."""
    return above(Paired(*pair[["difference", "low", "high", "p"]]), -MARGIN).p


CLAIM_14 = Claim(
    14,
    "TTS of a small policy takes 100 to 1000 times less compute in all than a large one",
    "article; Table 4",
    needs="ledger and training tables of a small and a larger policy",
    audit=compute_table,
    study=total_compute,
    section="flops",
)


def token_ratio(
    costly: str, frugal: str, low: float, high: float, wanted: str
) -> Callable[[Evidence], Finding]:
    """Ratio of the tokens that beam search generates under two named PRMs at equal N."""

    def check(study: Evidence) -> Finding:
        from scipy.special import stdtrit

        table = study.table("ledger")
        table = table[(table["method"] == "beam_search") & table["prm"].isin([costly, frugal])]
        pivot = table.pivot_table(
            index=["benchmark", "policy", "budget"], columns="prm", values="response_tokens"
        )
        pivot = pivot.reindex(columns=[costly, frugal]).dropna()
        if pivot.empty:
            raise Missing(f"beam search with {costly} and {frugal} at equal N")
        logs = np.log(pivot[costly] / pivot[frugal]).groupby(level=["benchmark", "policy"]).mean()
        ratio, units = float(np.exp(logs.mean())), len(logs)
        text = f"beam search generates {ratio:.2f}x the tokens under {costly} (mean of {units} policies on a benchmark)"
        ours = f"{ratio:.2f}x"
        if units < 2:
            return Finding("undecided", text + ", of which one tells no spread", wanted, ours, p=1.0, unit="policies")
        half = float(stdtrit(units - 1, 0.975) * logs.std(ddof=1) / units**0.5)
        middle = float(logs.mean())
        seen = known(middle, middle - half, middle + half)
        ends = [above(seen, float(np.log(low)))]
        ends += [turned(above(seen, float(np.log(high))))] if np.isfinite(high) else []
        judged = every([judge(end, None) for end in ends])
        bounds = float(np.exp(seen.low)), float(np.exp(seen.high))
        return Finding(judged.verdict, text, wanted, ours, *bounds, judged.p, "policies")

    return check


CLAIM_28 = Claim(
    28,
    "Beam search spends nearly twice the tokens with RLHFlow-Deepseek as with RLHFlow-Mistral",
    "section 4.4; Figure 12",
    needs="beam search with both RLHFlow PRMs at equal N",
    study=token_ratio("RLHFlow-PRM-Deepseek-8B", "RLHFlow-PRM-Mistral-8B", 1.5, 2.5, "nearly 2x"),
    unit="policies",
    section="flops",
)

CLAIM_29 = Claim(
    29,
    "Search spends more tokens with Qwen2.5-Math-PRM-7B than with Skywork-PRM-7B",
    "section 4.4",
    needs="beam search with both PRMs at equal N",
    study=token_ratio("Qwen2.5-Math-PRM-7B", "Skywork-PRM-7B", 1.0, float("inf"), "more than 1x"),
    unit="policies",
    section="flops",
)

"""Small against large: accuracies against N, what test-time scaling gains, what it costs, and published numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from ttstudy.report import views
from ttstudy.report.answer import percent
from ttstudy.report.cells import Column as C
from ttstudy.report.figures import budgets, compute
from ttstudy.report.sections.parts import (
    ACCURACY,
    BENCHMARK,
    DIFFERENCE,
    METHOD,
    POLICY,
    PRM,
    Block,
    N,
    Results,
    Section,
    cell,
    each,
    joined,
    named_table,
    shown,
)

RULES = {
    "prm_vote": "the answer with the largest sum of scores (PRM-Vote)",
    "prm_max": "the answer of the response with the best score (PRM-Max)",
    "majority": "the most frequent answer",
    "min": "that of its lowest step",
    "last": "that of its last step",
    "avg": "the mean of its steps'",
}
"""The headline's vote and score in words."""


def small_large(results: Results, context: Mapping[str, Any]) -> Section:
    """A smaller policy with test-time scaling against a larger one without, paired problem by problem."""
    frame, study = results.matrix, results.study
    short, one = study.one
    title = "Small with test-time scaling against large without"
    if not len(frame):
        return Section(
            "small-large", title, "Not there: it needs outcomes per problem of one answer and of a method with a PRM."
        )
    prm = study.reference_prm
    here = frame[(frame["prm"] == prm) & (frame["policy"] != frame["larger"])]
    ahead = here[here["low"] > 0]
    apart = ahead[ahead["p_holm"] < 0.05]
    behind = int((here["high"] < 0).sum())
    finding = (
        f"With {prm}, the smaller policy is ahead of the larger one's {one} in {len(ahead)} of "
        f"{len(here)} pairs "
        f"(intervals above zero), {len(apart)} of them after Holm's correction; it is behind in {behind}."
        if len(here)
        else "There are no two policies of different, known sizes to compare."
    )
    own = frame[(frame["prm"] == prm) & (frame["policy"] == frame["larger"])]
    alone = own.set_index(["benchmark", "policy"])["cot"]
    before = [alone.get((row.benchmark, row.policy), 0) > row.cot for row in ahead.itertuples()]
    if any(before):
        finding += f" In {sum(before)} of the {len(ahead)} its own {one} is ahead already, without TTS."
    better = own[own["low"] > 0]
    if len(own):
        finding += f" Against its own {one}, TTS with {prm} is ahead for {len(better)} of {len(own)} policies."
    columns = [
        C("policy", "Policy with TTS", facet=True), PRM, C("larger", f"{short} of", facet=True),
        C("ratio", "Size ratio", "ratio"), C("tts", "TTS, %", "percent"), C("cot", f"{short}, %", "percent"),
        *DIFFERENCE,
        C("p_holm", "p, Holm", "p"), C("method", "Method, most often"), N,
        C("tts_flops", "TTS FLOPs per problem", "exponent"), C("cot_flops", f"{short} FLOPs per problem", "exponent"),
    ]  # fmt: skip
    blocks = each(
        study, frame, "matrix", columns,
        lambda b, k: compute.matrix(frame, b, str(prm), study.policies, k, study.one)
        if len(here[here["benchmark"] == b]) else None,
    )  # fmt: skip
    method = (
        "TTS is the compute-optimal strategy at the policy's largest N: method, score and vote are chosen per "
        "difficulty level "
        "on four fifths of the problems and judged on the last fifth, over and over, so a lucky choice does not count. "
        "Differences are paired problem by problem (BCa bootstrap, sign-flip test). On the diagonal a policy "
        f"meets its own {one}. "
        f"Holm's correction is over all pairs of a smaller and a larger policy of one PRM. The figure shows {prm}, "
        f"{'the PRM with the best AUC on validation rollouts' if study.auc else 'the first PRM configured'}; "
        "the table has all."
    )
    return Section("small-large", title, finding, blocks, method)


def scaling(results: Results, context: Mapping[str, Any]) -> Section:
    """Accuracy of every method, policy and PRM against N."""
    frame, study = results.scaling, results.study
    title = "Accuracy against N"
    if not len(frame):
        return Section("scaling", title, "No method that draws more than one response was run.")
    run = [shown(m) for m in views.CURVES if m in set(frame["method"])]
    finding = (
        f"{joined(run)} for every policy and the PRMs that it was run with, from N = {frame['budget'].min()} to "
        f"{frame['budget'].max()}."
    )
    prm = study.reference_prm
    tops = frame[(frame["prm"] == prm) & frame["method"].isin(views.CURVES)] if prm else frame[:0]
    if len(tops):
        best = tops.loc[tops["accuracy"].idxmax()]
        finding += (
            f" The highest point with {prm}: {best['policy']}, {shown(best['method'])} at N = {best['budget']}, "
            f"{percent(best['accuracy'])} on {best['benchmark']}."
        )
    columns = [POLICY, PRM, METHOD, N, C("problems", "Problems", "count"), *ACCURACY]
    blocks = each(
        study, frame, "scaling", columns,
        lambda b, k: budgets.scaling(frame, results.cot, b, study.policies, study.prms, k, study.one),
    )  # fmt: skip
    method = (
        f"Answers are chosen by one rule everywhere: {RULES.get(study.vote, study.vote)}, where a response's score is "
        f"{RULES.get(study.score, study.score)}. Bands are 95 % intervals over problems. Coverage is the share of "
        "problems with at least one right response among N: "
        "no vote can do better."
    )
    recorded = [name for name in context.get("recorded", []) if name in study.policies]
    if recorded:
        whose = "" if len(recorded) == len(study.policies) else f" of {joined(recorded)}"
        finding += (
            f" The responses{whose} are recorded: beam search and DVTS are not possible with them, since nothing can "
            "go on from one of their steps."
        )
    endpoints = [name for name in context.get("endpoints", []) if name in study.policies]
    if endpoints:
        finding += (
            f" {joined(endpoints)} answered from behind an endpoint, which cannot go on from a step: beam search and "
            "DVTS are not possible there."
        )
    return Section("scaling", title, finding, blocks, method)


def cot(results: Results, context: Mapping[str, Any]) -> Section:
    """What test-time scaling has to beat: one answer of each policy."""
    frame, (short, one) = results.cot, results.study.one
    title = f"One {one}, by policy size" if frame.get("parameters", pd.Series()).notna().any() else f"One {one}"
    if not len(frame):
        return Section("cot", title, "No chain-of-thought (CoT) answers were graded in this study.")
    parts = []
    for benchmark in results.study.benchmarks:
        part = frame[frame["benchmark"] == benchmark]
        if len(part) > 1 and part["accuracy"].nunique() == 1:
            parts.append(f"is {percent(part['accuracy'].iloc[0])} for all {len(part)} policies on {benchmark}")
        elif len(part) > 1:
            worst, best = part.loc[part["accuracy"].idxmin()], part.loc[part["accuracy"].idxmax()]
            parts.append(
                f"ranges from {percent(worst['accuracy'])} ({worst['policy']}) to {percent(best['accuracy'])} "
                f"({best['policy']}) "
                f"on {benchmark}"
            )
        elif len(part):
            parts.append(f"is {percent(part['accuracy'].iloc[0])} ({part['policy'].iloc[0]}) on {benchmark}")
    columns = [
        BENCHMARK,
        POLICY,
        C("parameters", "Parameters", "size"),
        C("problems", "Problems", "count"),
        *ACCURACY,
    ]
    sized = frame[frame["parameters"].notna()]
    figure = budgets.cot(sized, "cot", results.study.one) if len(sized) else None
    caption = figure.title if figure else f"Accuracy of one {one}"
    block = Block(named_table("cot-data", caption, columns, frame, folded=figure is not None), figure)
    method = "Chain of thought (CoT) is one response at temperature 0. This is what test-time scaling has to beat."
    if "majority" in set(results.study.singles["method"]):
        method = (
            "Where no greedy response was recorded, the baseline is one sampled response: its accuracy is the mean "
            "Pass@1 of the pool, at the temperature that the responses were drawn with. This is what test-time scaling "
            "has to beat."
        )
    word = {"CoT": "Greedy accuracy"}.get(short, f"Accuracy of one {one}")
    return Section("cot", title, f"{word} {joined(parts)}.", [block], method)


def gains(results: Results, context: Mapping[str, Any]) -> Section:
    """One answer, majority vote and the compute-optimal strategy, and how much fewer samples that needs."""
    frame, study = views.gains(results.study), results.study
    short, one = study.one
    title = f"{short}, majority vote and compute-optimal scaling"
    if not len(frame):
        return Section("gains", title, "Not there: the table of compute-optimal strategies is missing or empty.")
    top = frame.loc[frame["gain"].idxmax()] if frame["gain"].notna().any() else None
    finding = (
        f"The largest relative gain over {short} is {100 * top['gain']:+.1f} %: {top['policy']} on {top['benchmark']}, "
        f"from {percent(top['cot'])} to {percent(top['tts'])}."
        if top is not None
        else f"No policy has a {short} accuracy above zero to relate gains to."
    )
    columns = [
        POLICY, C("parameters", "Parameters", "size"), C("cot", f"{short}, %", "percent"),
        C("majority", "Majority, %", "percent"), C("majority_budget", "Majority N", "plain"),
        C("tts", "TTS, %", "percent"),
        C("tts_low", "95 % low", "percent"), C("tts_high", "95 % high", "percent"), C("budget", "TTS N", "plain"),
        C("gain", f"Gain over {short}, %", "gain"), C("efficiency", "Efficiency over majority", "ratio"),
        C("efficiency_kind", "which is"), C("efficiency_low", "95 % low", "ratio"),
        C("efficiency_high", "95 % high", "ratio"),
    ]  # fmt: skip
    blocks = each(study, frame, "gains", columns, lambda b, k: budgets.gains(frame, b, k, study.one))
    blocks = [replace(b, table=replace(b.table, folded=False)) if b.table else b for b in blocks]
    method = (
        f"Compute-optimal scaling takes the best method for each difficulty and N with {study.reference_prm}, "
        f"chosen by cross-fitting. Gain is TTS / {short} − 1. Efficiency follows the authors' rule: the N at which the "
        "majority vote is best, divided by the N at which the compute-optimal curve (linear between its budgets) is as "
        "good; at least, where its smallest N is better already. It counts samples, not FLOPs."
    )
    return Section("gains", title, finding, blocks, method)


def flops(results: Results, context: Mapping[str, Any]) -> Section:
    """FLOPs per problem by what they are spent on, ours and as the paper counts."""
    frame, study = results.costs, results.study
    title = "What it costs"
    if not len(frame):
        return Section("flops", title, "The FLOPs ledger of this study is missing or empty.")
    scaled = frame[(frame["prm"] != "none") & (frame["flops_total"] > 0)]
    finding = "Costs per problem, every generated token counted."
    unknown = sorted(set(frame.loc[frame["flops_total"].isna(), "policy"]))
    if unknown:
        finding = (
            f"FLOPs of {joined(unknown)} are not known: the responses came without token counts, or the models "
            "without parameter counts. What is missing below is not known, never zero."
        )
    elif len(scaled):
        prm_share = scaled["flops_prm"] / scaled["flops_total"]
        finding = (
            f"The full count (prompts, PRM and attention too) is {scaled['over_paper'].median():.2g} times the paper's "
            f"in the median cell with a PRM, and {scaled['over_paper'].max():,.3g} times at most; the PRM takes "
            f"{percent(prm_share.median())} of it in the median."
        )
    priced = frame[frame["flops_total"].notna()]
    aside = priced[priced["flops_attention"].isna()]
    if len(aside):
        finding += (
            f" {len(aside)} cells, of {joined(sorted(set(aside['policy'])))}, are without the attention of a model "
            "whose layers no checkpoint tells: their totals are so much too small."
        )
    elif len(priced):
        share = priced["flops_attention"] / priced["flops_total"]
        finding += f" Attention is {percent(share.median())} of the full count in the median, "
        finding += f"{percent(share.max())} at most."
    columns = [
        *cell(study), PRM, METHOD, N,
        C("response_tokens", "Tokens generated", "amount"), C("discarded_tokens", "of them discarded", "amount"),
        C("prm_tokens", "PRM tokens", "amount"), C("flops_policy", "Policy FLOPs", "exponent"),
        C("flops_prompt", "Prompt FLOPs", "exponent"), C("flops_prm", "PRM FLOPs", "exponent"),
        C("flops_prm_reencoded", "PRM FLOPs, prefixes read anew", "exponent"),
        C("flops_total", "All FLOPs", "exponent"), C("flops_attention", "of them attention", "exponent"),
        C("flops_paper", "FLOPs as the paper counts", "exponent"),
        C("over_paper", "All / paper", "ratio"),
    ]  # fmt: skip
    blocks = []
    prm = study.reference_prm
    for number, benchmark in enumerate(study.benchmarks):
        if prm and len(scaled[(scaled["benchmark"] == benchmark) & (scaled["prm"] == prm)]):
            figure = compute.flops(frame, benchmark, prm, study.policies, f"flops-{number}")
            shares = [C(part, f"{part} FLOPs", "exponent") for part in ("prompt", "kept", "discarded", "PRM")]
            parts = [POLICY, METHOD, N, *shares, C("flops_total", "All FLOPs", "exponent")]
            table = named_table(f"flops-{number}-data", figure.title, parts, figure.data, folded=True)
            blocks.append(Block(table, figure))
    blocks.append(Block(named_table("ledger-data", "The ledger, per problem", columns, frame)))
    method = (
        "A forward pass costs 2 FLOPs per parameter and token, and attention 4 per layer, unit of width, token and key "
        "that the token meets. The paper counts 2ND on the policy's response tokens; the full count adds prompts, the "
        "PRM and attention, and includes tokens of beams that were dropped. The PRM's attention in a search is the "
        "policy's keys per token, for the tokens that the PRM read."
    )
    return Section("flops", title, finding, blocks, method)


def published(results: Results, context: Mapping[str, Any]) -> Section | None:
    """Only where the study names published models to be shown."""
    frame = views.beside_published(results.study, context.get("published", pd.DataFrame()))
    if not len(frame):
        return None
    theirs = frame[frame["source"] != "this study"]
    finding = (
        f"{joined(sorted(set(theirs['model']), key=str.casefold))} were not run: their accuracies are the published "
        "ones, without intervals, under the prompts and graders of those who published them."
    )
    columns = [
        BENCHMARK, C("model", "Model"), C("what", "What"), *ACCURACY, C("source", "Source", facet=True),
    ]  # fmt: skip
    title = "Published numbers beside ours"
    caption = "Accuracies of this study and published ones"
    method = "Two numbers from different hands differ in more than the model: read them as a place, not as a contest."
    return Section("published", title, finding, [Block(named_table("published-data", caption, columns, frame))], method)

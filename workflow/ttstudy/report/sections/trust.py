"""How far to trust it: choosing on the test set, predicted difficulty, graders, counts, training. Flaws are apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ttstudy.report import views
from ttstudy.report.answer import percent, points
from ttstudy.report.cells import Column as C
from ttstudy.report.figures import choices
from ttstudy.report.sections.parts import (
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
from ttstudy.vocabulary import LEVELS

SCHEMES = {"levels": "N by predicted level", "decided": "stop when decided", "likely": "stop at 95 %"}
_MOST_ANSWERS = 500
"""Rows of the table of answers on which graders differ; the table to save has all."""


def optimism(results: Results, context: Mapping[str, Any]) -> Section:
    """What choosing a strategy on the problems that judge it adds."""
    frame, study = views.optimism(results.study), results.study
    title = "What choosing on the test set would add"
    if not len(frame):
        return Section("optimism", title, "Not there: no table has the naive choice beside the cross-fitted one.")
    finding = (
        "Choosing the best strategy and judging it on the same problems reads "
        f"{100 * frame['optimism'].mean():.1f} points too high on average, {100 * frame['optimism'].max():.1f} at most."
    )
    columns = [
        POLICY, PRM, N, C("thetas", "Strategies", "count"), C("naive", "Naive, %", "percent"),
        C("cross_fitted", "Cross-fitted, %", "percent"), C("optimism", "Optimism, points", "points"),
        C("low", "95 % low", "points"), C("high", "95 % high", "points"),
        C("author_rule", "Authors' rule, %", "percent"), C("predicted", "Levels without labels, %", "percent"),
    ]  # fmt: skip
    blocks = each(study, frame, "optimism", columns, lambda b, k: choices.optimism(frame, b, k))
    method = (
        "The cross-fitted number is the honest one. The authors' rule fixes the method by policy size and never looks. "
        "The last column is cross-fitted over levels that were predicted without labels: what a deployment could do."
    )
    return Section("optimism", title, finding, blocks, method)


def adaptive(results: Results, context: Mapping[str, Any]) -> Section:
    """Budgets that adapt to predicted difficulty or to the answers so far, against fixed ones."""
    frame, study = views.adaptive(results.study), results.study
    title = "Budgets that adapt to the problem"
    if not len(frame):
        return Section("adaptive", title, "Not there: this study has no table of adaptive budgets.")
    sure, worse = frame[frame["low"] > 0], int((frame["high"] < 0).sum())
    finding = (
        f"With no more responses on average, adapting is better in {len(sure)} of {len(frame)} cells"
        + (f", by up to {points(sure['difference'].max())}," if len(sure) else "")
        + f" and worse in {worse} (95 % intervals of single cells)."
    )
    frame = frame.assign(scheme=frame["scheme"].map(SCHEMES).fillna(frame["scheme"]))
    columns = [
        POLICY, PRM, METHOD, C("scheme", "Scheme", facet=True), N, C("spent", "Mean N used", "amount"),
        C("accuracy", "Adaptive, %", "percent"), C("fixed", "Fixed, %", "percent"), *DIFFERENCE,
    ]  # fmt: skip
    blocks = each(study, frame, "adaptive", columns, lambda b, k: None, "Adaptive against fixed budgets")
    levels = views.predicted_levels(study)
    if len(levels):
        names = [
            POLICY, PRM, C("level", "True level", facet=True),
            *(C(level, f"predicted {level}", "count") for level in LEVELS),
            C("misbinned", "True level wrong, %", "percent"),
        ]  # fmt: skip
        blocks += each(study, levels, "predicted", names, lambda b, k: None, "Predicted and true levels")
    method = (
        "Levels are predicted without an answer key, from the pilot's agreement"
        + (" and the PRM's scores of it" if len(levels) and (levels["prm"] != "none").any() else "")
        + ". N by predicted level: each level gets one N, chosen on other problems, their mean at most the fixed N. "
        "Stopping: a vote ends once the answers left to draw cannot change it, or once the leader leads with 95 %; it "
        "is compared with a fixed N that draws as many on average. The last table counts problems by true and "
        "predicted level, with the probability that the pilot itself put a problem into a wrong one."
    )
    return Section("adaptive", title, finding, blocks, method)


def graders(results: Results, context: Mapping[str, Any]) -> Section:
    """Where the two graders differ, and what that moves."""
    frame, title = results.study.table("graders"), "Where graders disagree"
    if not len(frame):
        return Section("graders", title, "Not there: this study's responses were graded by one grader only.")
    every = views.grader_effects(results.study)
    effects = every[every["changed"] > 0] if len(every) else every
    finding = _graders_differ(frame, every, effects)
    cells = cell(results.study)
    summed = frame.groupby(["benchmark", "policy"], sort=False)[
        ["responses", "differ", "only_other", "only_grader", "timed_out", "other_timed_out"]
    ].sum()
    summed = views.ordered(results.study, summed.reset_index())
    summed["differ_share"] = summed["differ"] / summed["responses"].where(summed["responses"] > 0)
    by_policy = [
        *cells, C("responses", "Responses", "count"), C("differ", "Differ", "count"),
        C("differ_share", "Differ, %", "percent"), C("only_other", "Right for the other only", "count"),
        C("only_grader", "Right for this study only", "count"), C("timed_out", "Timed out", "count"),
        C("other_timed_out", "Timed out, other", "count"),
    ]  # fmt: skip
    by_cell = [
        *cells, PRM, METHOD, N, C("accuracy", "Accuracy, %", "percent"), C("other", "Under the other, %", "percent"),
        C("difference", "Difference, points", "points"), C("changed", "Problems changed", "count"),
    ]  # fmt: skip
    by_answer = [
        *cells, C("problem_id", "Problem"), C("gold", "Gold answer"), C("answer", "Answer"),
        C("correct", "Right here", "flag"), C("other_answer", "As the other reads it"),
        C("other_correct", "Right for the other", "flag"), C("responses", "Responses", "count"),
    ]  # fmt: skip
    answers = results.study.table("grader_answers")
    blocks = [Block(named_table("graders-data", "Responses on which the graders differ, by policy", by_policy, summed))]
    if len(effects):
        caption = "Accuracies that the other grader would change"
        blocks.append(Block(named_table("graders-effect", caption, by_cell, effects)))
    if len(answers):
        answers = answers.sort_values("responses", ascending=False, kind="stable").head(_MOST_ANSWERS)
        caption = "Answers on which the graders differ, the most frequent first"
        blocks.append(Block(named_table("graders-answers", caption, by_answer, answers, folded=True)))
    method = (
        "Both graders see the same responses: the greedy one, the pool, and the answers of every search. The "
        "difference is the other grader's accuracy minus this study's. It has two causes: other verdicts, and other "
        "votes, since the official code counts two spellings of one answer as two answers."
    )
    return Section("graders", title, finding, blocks, method)


def _graders_differ(frame: pd.DataFrame, every: pd.DataFrame, effects: pd.DataFrame) -> str:
    """On how many responses the graders differ, and how many of all accuracies that changes."""
    names = {"strict": "the strict grader", "reference": "the official code's grader"}
    grader, other = (names.get(frame[key].iloc[0], str(frame[key].iloc[0])) for key in ("grader", "other"))
    total, differ = frame["responses"].sum(), frame["differ"].sum()
    finding = f"This study uses {grader}. {other.capitalize()} agrees with it on all {total:,.0f} responses."
    if differ:
        finding = (
            f"This study uses {grader}. On {differ:,.0f} of {total:,.0f} responses ({percent(differ / total)}) {other} "
            f"says otherwise: {frame['only_other'].sum():,.0f} it alone takes for right, "
            f"{frame['only_grader'].sum():,.0f} it alone takes for wrong."
        )
    if len(effects):
        first = effects.iloc[0]
        where = f"{first['policy']}, {shown(first['method'])}, N = {first['budget']}"
        finding += (
            f" {len(effects):,.0f} of {len(every):,.0f} accuracies under the headline rule would change, the most "
            f"by {points(first['difference'])} ({where})."
        )
    elif len(every):
        finding += " No accuracy under the headline rule would change."
    return finding


def counts(results: Results, context: Mapping[str, Any]) -> Section:
    """Responses that were cut, gave no answer or timed out in grading."""
    frame, title = results.study.table("counts"), "Cut, unanswered and timed out"
    if not len(frame):
        return Section("counts", title, "Not there: this study did not count cut, unanswered and timed-out responses.")
    frame = views.ordered(results.study, frame).copy()
    kinds = [c for c in ("cut", "no_answer", "timed_out") if c in frame]
    total = frame["responses"].sum() if "responses" in frame else 0
    words = {"cut": "were cut off", "no_answer": "gave no answer", "timed_out": "timed out in grading"}
    shares = [f"{frame[c].sum():,.0f} ({percent(frame[c].sum() / total)}) {words[c]}" for c in kinds] if total else []
    finding = (
        f"Of {total:,.0f} responses, {joined(shares)}. A response without an answer, or not graded in time, "
        "counts as wrong."
        if shares
        else ""
    )
    for c in kinds:
        frame[f"{c}_share"] = frame[c] / frame["responses"].where(frame["responses"] > 0)
    columns = [
        *cell(results.study), PRM, METHOD, N,
        C("responses", "Responses", "count"), C("finished", "Finished", "count"), C("cut", "Cut off", "count"),
        C("cut_share", "Cut off, %", "percent"), C("no_answer", "No answer", "count"),
        C("no_answer_share", "No answer, %", "percent"), C("timed_out", "Timed out", "count"),
    ]  # fmt: skip
    caption = "Responses that were cut off, gave no answer, or timed out in grading"
    return Section("counts", title, finding, [Block(named_table("counts-data", caption, columns, frame))])


def training(results: Results, context: Mapping[str, Any]) -> Section:
    """What was trained here, and at what cost."""
    frame, title = results.study.table("training"), "Models and their training"
    if not len(frame):
        return Section("training", title, "No model was trained by this study; its checkpoints came from elsewhere.")
    counts = frame["kind"].value_counts()
    frame = frame.sort_values(["kind", "parameters", "model"], kind="stable")
    frame = frame.assign(kind=frame["kind"].replace({"prm": "PRM"}))
    policies, prms, sizes = counts.get("policy", 0), counts.get("prm", 0), frame["parameters"].dropna()
    who = f"{policies} {'policy' if policies == 1 else 'policies'} and {prms} {'PRM' if prms == 1 else 'PRMs'}"
    finding = f"{who}, " + (
        f"{sizes.min():,.0f} to {sizes.max():,.0f} parameters." if len(sizes) else "of sizes that are not known here."
    )
    columns = [
        C("model", "Model"), C("kind", "Kind", facet=True), C("parameters", "Parameters", "count"),
        C("tokens", "Training tokens", "exponent"), C("flops", "Training FLOPs (6ND)", "exponent"),
        C("cpu_seconds", "CPU seconds", "seconds"), C("loss", "Final loss, nats", "number"),
        C("auc", "Step AUC", "auc"),
    ]  # fmt: skip
    return Section(
        "training", title, finding, [Block(named_table("training-data", "Training of every model", columns, frame))]
    )

"""Responses that were cut, gave no answer or timed out in grading, and solutions longer than a PRM's context."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ttstudy.report.answer import percent
from ttstudy.report.blocks import METHOD, PRM, Block, N, cell, joined, named_table
from ttstudy.report.cells import Column as C
from ttstudy.report.section import TRUST, Given, Section, Told
from ttstudy.report.views import ordered

_PAST = {
    "score": "were read on past it",
    "cut": "scored 0",
    "windows": "were read after the problem and the steps that fit",
}
"""What became of steps past a context, by the rule."""


def _overlong(frame: pd.DataFrame, rules: Mapping[str, str]) -> str:
    """Sentences on the solutions, and candidates of searches, that are longer than their PRM's context."""
    told = frame[frame["overlong"].notna()]
    if not len(told):
        return ""
    sums = told.groupby("prm", observed=True, sort=False)[["scored", "overlong"]].sum()
    long = sums[sums["overlong"] > 0]
    if not len(long):
        return " Every solution fits into the context of the PRM that scored it."
    parts = [
        f" {over:,.0f} of {scored:,.0f} solutions are longer than the context of {prm}: the steps past it "
        f"{_PAST.get(rules.get(str(prm), ''), 'were scored by its rule')}."
        for prm, (scored, over) in long.iterrows()
    ]
    return "".join(parts)


def _tell(given: Given) -> Told:
    frame = ordered(given.study, given.frame).copy()
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
        *cell(given.study), PRM, METHOD, N,
        C("responses", "Responses", "count"), C("finished", "Finished", "count"), C("cut", "Cut off", "count"),
        C("cut_share", "Cut off, %", "percent"), C("no_answer", "No answer", "count"),
        C("no_answer_share", "No answer, %", "percent"), C("timed_out", "Timed out", "count"),
    ]  # fmt: skip
    caption = "Responses that were cut off, gave no answer, or timed out in grading"
    blocks = [Block(named_table("counts-data", caption, columns, frame))]
    long = ordered(given.study, given.study.table("overlong")).copy()
    if len(long):
        long["share"] = long["overlong"] / long["scored"].where(long["scored"] > 0)
        columns = [
            *cell(given.study), PRM, METHOD, N,
            C("scored", "Solutions scored", "count"), C("overlong", "Longer than the context", "count"),
            C("share", "Longer, %", "percent"),
        ]  # fmt: skip
        caption = "Solutions, and candidates of searches, that are longer than the context of their PRM"
        blocks.append(Block(named_table("overlong-data", caption, columns, long)))
        finding += _overlong(long, given.context.get("overflow", {}))
    return Told(finding, blocks)


SECTION = Section(
    title="Cut, unanswered, timed out and over-long",
    short="Cut and unanswered",
    group=TRUST,
    place=50,
    view=lambda results, context: results.study.table("counts"),
    tell=_tell,
    absent="Not there: this study did not count cut, unanswered and timed-out responses.",
)

"""Responses that were cut, gave no answer or timed out in grading."""

from __future__ import annotations

from ttstudy.report.answer import percent
from ttstudy.report.blocks import METHOD, PRM, Block, N, cell, joined, named_table
from ttstudy.report.cells import Column as C
from ttstudy.report.section import TRUST, Given, Section, Told
from ttstudy.report.views import ordered


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
    return Told(finding, [Block(named_table("counts-data", caption, columns, frame))])


SECTION = Section(
    title="Cut, unanswered and timed out",
    short="Cut and unanswered",
    group=TRUST,
    place=50,
    view=lambda results, context: results.study.table("counts"),
    tell=_tell,
    absent="Not there: this study did not count cut, unanswered and timed-out responses.",
)

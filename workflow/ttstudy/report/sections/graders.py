"""Where the graders differ, and what that moves."""

from __future__ import annotations

import pandas as pd

from ttstudy.report.answer import percent, points
from ttstudy.report.blocks import METHOD, PRM, Block, N, cell, named_table, shown
from ttstudy.report.cells import Column as C
from ttstudy.report.section import TRUST, Given, Section, Told
from ttstudy.report.views import StudyTables, ordered

_MOST_ANSWERS = 500
"""Rows of the table of answers on which graders differ; the table to save has all."""


def _effects(study: StudyTables) -> pd.DataFrame:
    """Accuracy of every cell of the headline rule under each grader, the largest difference first."""
    frame = study.table("grader_accuracy")
    if not len(frame):
        return pd.DataFrame()
    frame = ordered(study, study.headline(frame))
    order = frame["difference"].abs().sort_values(ascending=False, kind="stable").index
    return frame.loc[order].reset_index(drop=True)


def _tell(given: Given) -> Told:
    frame, study = given.frame, given.study
    every = _effects(study)
    effects = every[every["changed"] > 0] if len(every) else every
    finding = " ".join(
        _graders_differ(frame[frame["other"] == other], *(_against(part, other) for part in (every, effects)))
        for other in frame["other"].unique()
    )
    finding = f"This study uses {_named(frame['grader'].iloc[0])}. {finding}"
    cells = cell(study)
    summed = frame.groupby(["benchmark", "policy", "other"], sort=False)[
        ["responses", "differ", "only_other", "only_grader", "timed_out", "other_timed_out"]
    ].sum()
    summed = ordered(study, summed.reset_index())
    summed["differ_share"] = summed["differ"] / summed["responses"].where(summed["responses"] > 0)
    by_policy = [
        *cells, C("other", "Other grader"),
        C("responses", "Responses", "count"), C("differ", "Differ", "count"),
        C("differ_share", "Differ, %", "percent"), C("only_other", "Right for the other only", "count"),
        C("only_grader", "Right for this study only", "count"), C("timed_out", "Timed out", "count"),
        C("other_timed_out", "Timed out, other", "count"),
    ]  # fmt: skip
    by_cell = [
        *cells, C("against", "Other grader"), PRM, METHOD, N,
        C("accuracy", "Accuracy, %", "percent"), C("other", "Under the other, %", "percent"),
        C("difference", "Difference, points", "points"), C("changed", "Problems changed", "count"),
    ]  # fmt: skip
    by_answer = [
        *cells, C("against", "Other grader"), C("problem_id", "Problem"),
        C("gold", "Gold answer"), C("answer", "Answer"),
        C("correct", "Right here", "flag"), C("other_answer", "As the other reads it"),
        C("other_correct", "Right for the other", "flag"), C("responses", "Responses", "count"),
    ]  # fmt: skip
    answers = study.table("grader_answers")
    blocks = [Block(named_table("graders-data", "Responses on which the graders differ, by policy", by_policy, summed))]
    if len(effects):
        caption = "Accuracies that the other grader would change"
        blocks.append(Block(named_table("graders-effect", caption, by_cell, effects)))
    if len(answers):
        answers = answers.sort_values("responses", ascending=False, kind="stable").head(_MOST_ANSWERS)
        caption = "Answers on which the graders differ, the most frequent first"
        blocks.append(Block(named_table("graders-answers", caption, by_answer, answers, folded=True)))
    method = (
        "All graders see the same responses: the greedy one, the pool, and the answers of every search. The "
        "difference is the other grader's accuracy minus this study's. It has two causes: other verdicts, and other "
        "votes. The official code counts two spellings of one answer as two answers. Math-Verify judges the "
        "answers that the strict grader extracts, and votes as it does."
    )
    return Told(finding, blocks, method)


NAMES = {
    "strict": "the strict grader",
    "reference": "the official code's grader",
    "math-verify": "Math-Verify, on the answers that we extract,",
}
"""What a grader is called in a sentence."""


def _named(grader: str) -> str:
    return NAMES.get(grader, grader).rstrip(",")


def _against(effects: pd.DataFrame, other: str) -> pd.DataFrame:
    return effects[effects["against"] == other] if len(effects) else effects


def _graders_differ(frame: pd.DataFrame, every: pd.DataFrame, effects: pd.DataFrame) -> str:
    """On how many responses another grader differs, and how many of all accuracies that changes."""
    other = NAMES.get(frame["other"].iloc[0], str(frame["other"].iloc[0]))
    total, differ = frame["responses"].sum(), frame["differ"].sum()
    finding = f"{other[0].upper()}{other[1:]} agrees with it on all {total:,.0f} responses."
    if differ:
        finding = (
            f"On {differ:,.0f} of {total:,.0f} responses ({percent(differ / total)}) {other} says otherwise. "
            f"It alone takes {frame['only_other'].sum():,.0f} for right and "
            f"{frame['only_grader'].sum():,.0f} for wrong."
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


SECTION = Section(
    title="Where graders disagree",
    short="Where graders disagree",
    group=TRUST,
    place=40,
    view=lambda results, context: results.study.table("graders"),
    tell=_tell,
    absent="Not there: this study's responses were graded by one grader only.",
)

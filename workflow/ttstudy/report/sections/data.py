"""What the data were examined for before any number was made of them, and what was odd."""

from __future__ import annotations

import pandas as pd

from ttstudy.analysis.examination import drawn_of
from ttstudy.report.blocks import BENCHMARK, POLICY, PRM, Block, joined, named_table
from ttstudy.report.cells import Column as C
from ttstudy.report.section import DATA, Given, Section, Told
from ttstudy.report.views import ordered

LABELS = {
    "interleaved": "responses to other problems",
    "no_answer": "no answer",
    "empty": "empty responses",
    "thinking": "thinking that never ends",
    "cut": "cut off without an answer",
    "unmarked": "ended without an answer",
    "cut_credited": "cut off, and right",
    "other_language": "another script than the problem's",
    "unequal_samples": "fewer samples than other problems",
    "identical_samples": "identical samples",
    "duplicate_problems": "problems there twice",
    "shared_problems": "problems in two benchmarks",
    "overlong": "longer than a PRM's context",
}
"""Findings as the page names them."""


def odd(findings: pd.DataFrame) -> pd.DataFrame:
    """Findings that a reader should know of, severe ones first."""
    if not len(findings):
        return findings
    found = findings[findings["severity"].ne("none")]
    return found.sort_values("severity", key=lambda column: column.ne("severe"), kind="stable")


def accepted(findings: pd.DataFrame) -> list[str]:
    """Sentences about severe findings, which the study accepts: no number of these pools means what it says."""
    found = findings[findings["severity"].eq("severe")] if len(findings) else findings
    return [f"{row.policy} on {row.benchmark}: {row.text}" for row in found.itertuples()]


def _tell(given: Given) -> Told:
    frame = ordered(given.study, given.frame)
    found, looked = odd(frame), frame.copy()
    drawn = drawn_of(frame)
    names = joined([LABELS[name] for name in dict.fromkeys(found["finding"])])
    count = f"{len(found)} finding{'s' if len(found) > 1 else ''}"
    told = f"{count}, about {names}" if len(found) else "nothing odd was found"
    finding = f"All {drawn:,} responses were examined before accuracy was computed: {told}."
    columns = [
        BENCHMARK, POLICY, PRM, C("pool", "Pool", facet=True), C("what", "Finding", facet=True),
        C("count", "Found in", "count"), C("examined", "Of", "count"), C("text", "What was found"),
    ]  # fmt: skip
    looked["what"] = looked["finding"].map(LABELS)
    found = found.assign(what=found["finding"].map(LABELS))
    blocks = [Block(named_table("findings-data", "What is odd about the data", columns, found))] if len(found) else []
    caption = "Everything that was looked for, and in how many responses or problems it was found"
    blocks.append(Block(named_table("examination-data", caption, columns, looked, folded=True)))
    method = (
        "Responses belong to other problems where answers that are another problem's gold answer come with that "
        "problem's wording. That is told by a sign test over pairs of problems. It has one false alarm in 100,000 "
        "pools at most. Where the wording says nothing, whole numbers that are gold answers are held against the "
        "numbers beside them."
    )
    return Told(finding, blocks, method)


SECTION = Section(
    title="The data, examined",
    short="The data, examined",
    group=DATA,
    place=10,
    view=lambda results, context: results.study.table("examination"),
    tell=_tell,
)

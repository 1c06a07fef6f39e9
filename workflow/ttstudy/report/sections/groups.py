"""Accuracy by subject and level, where a benchmark names them."""

from __future__ import annotations

from ttstudy.report import views
from ttstudy.report.answer import percent
from ttstudy.report.blocks import BENCHMARK, POLICY, Block, named_table
from ttstudy.report.cells import Column as C
from ttstudy.report.section import DECIDES, Given, Section, Told

_TITLE = "Accuracy by the benchmark's own subjects and levels"


def _tell(given: Given) -> Told:
    frame, study = given.frame, given.study
    parts = []
    for (benchmark, kind), part in frame.groupby(["benchmark", "kind"], sort=False, observed=True):
        mean = part.groupby("group", sort=False, observed=True)["single"].mean().dropna()
        if len(mean):
            parts.append(
                f"on {benchmark}, by {kind}, from {percent(mean.min())} ({kind} {mean.idxmin()}) to "
                f"{percent(mean.max())} ({kind} {mean.idxmax()})"
            )
    short, one = study.one
    finding = f"Mean accuracy of the policies' one {one}: {'; '.join(parts)}." if parts else ""
    columns = [
        BENCHMARK, POLICY, C("kind", "By", facet=True), C("group", "Subject or level"),
        C("problems", "Problems", "count"), C("single", f"{short}, %", "percent"),
        C("majority", "Majority, largest N, %", "percent"),
        C("guided", f"Best-of-N with {study.reference_prm}, largest N, %", "percent"),
    ]  # fmt: skip
    columns = [column for column in columns if column.name not in frame or frame[column.name].notna().any()]
    method = "These are the benchmark's own labels, the same for every policy. Groups are small: read leads with care."
    return Told(finding, [Block(named_table("groups-data", _TITLE, columns, frame))], method)


SECTION = Section(
    title=_TITLE,
    short="Subjects and levels",
    group=DECIDES,
    place=20,
    view=lambda results, context: views.groups(results.study),
    tell=_tell,
)

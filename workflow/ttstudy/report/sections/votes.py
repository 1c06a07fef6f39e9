"""Accuracy under each rule by which answers are chosen."""

from __future__ import annotations

from ttstudy.report import views
from ttstudy.report.blocks import METHOD, PRM, Block, N, cell, named_table, shown
from ttstudy.report.cells import Column as C
from ttstudy.report.section import DECIDES, Given, Section, Told


def _tell(given: Given) -> Told:
    frame, study = given.frame, given.study
    worst = frame.loc[frame["range"].idxmax()]
    finding = (
        f"The rule moves accuracy by {100 * frame['range'].median():.1f} points in the median cell and by "
        f"{100 * worst['range']:.1f} at most ({worst['policy']}, {worst['prm']}, {shown(worst['method'])})."
    )
    rules = [C("majority", "Majority", "percent")] + [
        C(f"{s}_{v}", f"{s.title()}, {'max' if v == 'prm_max' else 'vote'}", "percent")
        for s in ("min", "last", "avg") for v in ("prm_max", "prm_vote")
    ]  # fmt: skip
    columns = [*cell(study), PRM, METHOD, N, *rules]
    columns.append(C("range", "Range, points", "span"))
    caption = "Accuracy in % by PRM score (min, last or mean over steps) and vote (best answer, or sum by answer)"
    method = "At each method's largest N. Differences of a few points are within the intervals of the accuracy table."
    return Told(finding, [Block(named_table("votes-data", caption, columns, frame))], method)


SECTION = Section(
    title="How answers are chosen: score and vote",
    short="Score and vote",
    group=DECIDES,
    place=40,
    view=lambda results, context: views.votes(results.study),
    tell=_tell,
    absent="No answers were voted on with a PRM.",
)

"""Accuracy under each rule by which answers are chosen."""

from __future__ import annotations

from ttstudy.kinds.scores import SCORES
from ttstudy.kinds.votes import VOTES
from ttstudy.report.blocks import METHOD, PRM, Block, N, cell, defined, named_table, shown
from ttstudy.report.cells import Column as C
from ttstudy.report.section import DECIDES, Given, Section, Told
from ttstudy.report.views import ordered


def _tell(given: Given) -> Told:
    frame, study = given.frame, given.study
    worst = frame.loc[frame["range"].idxmax()]
    finding = (
        f"The rule moves accuracy by {100 * frame['range'].median():.1f} points in the median cell and by "
        f"{100 * worst['range']:.1f} at most ({worst['policy']}, {worst['prm']}, {shown(worst['method'])})."
    )
    judged = {name: vote for name, vote in VOTES.items() if vote.judged == "prm"}
    rules = [C("majority", "Majority", "percent")] + [
        C(f"{score}_{vote}", f"{SCORES[score].look.label}, {VOTES[vote].look.words}", "percent")
        for score in SCORES for vote in judged
    ]  # fmt: skip
    columns = [*cell(study), PRM, METHOD, N, *rules]
    columns.append(C("range", "Range, points", "span"))
    caption = "Accuracy in % by PRM score and vote"
    method = (
        f"A response's score is one of these. {defined(SCORES)} A vote takes one of these answers. {defined(judged)} "
        "Each method stands at its largest N. Differences of a few points are within the intervals of the accuracy "
        "table."
    )
    return Told(finding, [Block(named_table("votes-data", caption, columns, frame))], method)


SECTION = Section(
    title="How answers are chosen: score and vote",
    short="Score and vote",
    group=DECIDES,
    place=40,
    view=lambda results, context: ordered(results.study, results.study.table("votes")),
    tell=_tell,
    absent="No answers were voted on with a PRM.",
)

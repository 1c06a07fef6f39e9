"""Problems that a policy's training data may hold, beside problems that came later."""

from __future__ import annotations

from ttstudy.report.blocks import DIFFERENCE, POLICY, Block, named_table
from ttstudy.report.cells import Column as C
from ttstudy.report.section import TRUST, Given, Section, Told


def _tell(given: Given) -> Told:
    frame, (_, one) = given.frame, given.study.one
    lower = frame[frame["high"] < 0]
    finding = (
        f"The {one} is clearly worse on problems published after the training cut-off for {len(lower)} of {len(frame)} "
        "policies."
    )
    if frame["controls"].eq(0).any():
        finding += " Where no other policy serves as a control, later problems may just be harder."
    columns = [
        POLICY, C("cutoff", "Training cut-off"), C("before", "Published before"), C("after", "Published after"),
        C("problems_before", "Problems before", "count"), C("problems_after", "Problems after", "count"),
        C("accuracy_before", "Accuracy before, %", "percent"), C("accuracy_after", "Accuracy after, %", "percent"),
        *DIFFERENCE, C("control", "Controls, points", "points"), C("controls", "Controls", "count"),
    ]  # fmt: skip
    method = (
        "Cut-offs and days are the configuration's (`cutoff`, `published`). Problems made from a seed come after every "
        "cut-off. The interval is made of those of both accuracies. Controls have the same difference, on average, of "
        "policies to which all these problems came before their cut-off, or all after. A fall that the controls do not "
        "share speaks for training on the earlier problems."
    )
    caption = "Accuracy before and after each policy's training cut-off"
    return Told(finding, [Block(named_table("contamination-data", caption, columns, frame))], method)


SECTION = Section(
    title="Problems that training may have seen",
    short="Contamination",
    group=TRUST,
    place=35,
    view=lambda results, context: results.study.table("contamination"),
    tell=_tell,
)

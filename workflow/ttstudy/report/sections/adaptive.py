"""Budgets that adapt to predicted difficulty or to the answers so far, against fixed ones."""

from __future__ import annotations

from ttstudy.report import views
from ttstudy.report.answer import points
from ttstudy.report.blocks import DIFFERENCE, METHOD, POLICY, PRM, N, each
from ttstudy.report.cells import Column as C
from ttstudy.report.section import TRUST, Given, Section, Told
from ttstudy.vocabulary import LEVELS

SCHEMES = {"levels": "N by predicted level", "decided": "stop when decided", "likely": "stop at 95 %"}


def _tell(given: Given) -> Told:
    frame, study = given.frame, given.study
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
    return Told(finding, blocks, method)


SECTION = Section(
    title="Budgets that adapt to the problem",
    short="Predicted difficulty",
    group=TRUST,
    place=30,
    view=lambda results, context: views.adaptive(results.study),
    tell=_tell,
    absent="Not there: this study has no table of adaptive budgets.",
)

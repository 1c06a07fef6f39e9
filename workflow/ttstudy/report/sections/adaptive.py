"""Budgets that adapt to predicted difficulty or to the answers so far, against fixed ones."""

from __future__ import annotations

import pandas as pd

from ttstudy.report.answer import points
from ttstudy.report.blocks import DIFFERENCE, METHOD, POLICY, PRM, N, each
from ttstudy.report.cells import Column as C
from ttstudy.report.section import TRUST, Given, Section, Told
from ttstudy.report.views import StudyTables, ordered
from ttstudy.vocabulary import LEVELS

SCHEMES = {"levels": "N by predicted level", "decided": "stop when decided", "likely": "stop at 95 %"}


def _view(study: StudyTables) -> pd.DataFrame:
    """Budgets that adapt to the problem against the same N for all: the rows of the adaptive table that had a choice.

    Of the PRMs the reference one. The smallest N leaves nothing to spread, so its rows of scheme "levels" are left out.
    """
    frame = study.table("adaptive")
    if not len(frame):
        return pd.DataFrame()
    frame = frame[frame["prm"].isin(["none", study.reference_prm])]
    least = frame.groupby(["benchmark", "policy", "prm", "method"])["budget"].transform("min")
    return ordered(study, frame[(frame["scheme"] != "levels") | (frame["budget"] > least)])


def _predicted(study: StudyTables) -> pd.DataFrame:
    """Confusion of the levels predicted without labels: problems by true level (rows) and predicted one.

    Columns: benchmark, policy, prm, level (true), easy, medium, hard, misbinned (mean probability that the true level
    is itself wrong).
    """
    frame = study.table("predicted")
    if not len(frame):
        return pd.DataFrame()
    key = ["benchmark", "policy", "prm", "true_level"]
    counts = frame.groupby([*key, "level"], observed=True).size().unstack("level", fill_value=0)
    counts = counts.reindex(columns=list(LEVELS), fill_value=0).astype(int)
    out = counts.join(frame.groupby(key, observed=True)["misbinned"].mean()).reset_index()
    rank = {level: place for place, level in enumerate(LEVELS)}
    out = out.rename(columns={"true_level": "level"}).sort_values("level", key=lambda c: c.map(rank), kind="stable")
    return ordered(study, out)


def _tell(given: Given) -> Told:
    frame, study = given.frame, given.study
    sure, worse = frame[frame["low"] > 0], int((frame["high"] < 0).sum())
    finding = (
        f"With no more responses on average, adapting is better in {len(sure)} of {len(frame)} cells"
        + (f", by up to {points(sure['difference'].max())}," if len(sure) else "")
        + f" and worse in {worse}. That is by 95 % intervals of single cells."
    )
    frame = frame.assign(scheme=frame["scheme"].map(SCHEMES).fillna(frame["scheme"]))
    columns = [
        POLICY, PRM, METHOD, C("scheme", "Scheme", facet=True), N, C("spent", "Mean N used", "amount"),
        C("accuracy", "Adaptive, %", "percent"), C("fixed", "Fixed, %", "percent"), *DIFFERENCE,
    ]  # fmt: skip
    blocks = each(study, frame, "adaptive", columns, lambda b, k: None, "Adaptive against fixed budgets")
    levels = _predicted(study)
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
        + ". N by predicted level means: each level gets one N, chosen on other problems. Their mean is at most the "
        "fixed N. "
        "Stopping: a vote ends once the answers left to draw cannot change it, or once the leader leads with 95 %. It "
        "is compared with a fixed N that draws as many on average. The last table counts problems by true and "
        "predicted level, with the probability that the pilot itself put a problem into a wrong one."
    )
    return Told(finding, blocks, method)


SECTION = Section(
    title="Budgets that adapt to the problem",
    short="Predicted difficulty",
    group=TRUST,
    place=30,
    view=lambda results, context: _view(results.study),
    tell=_tell,
    absent="Not there: this study has no table of adaptive budgets.",
)

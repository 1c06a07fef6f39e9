"""How far the numbers are to be trusted: optimism of choices, graders, budgets and levels known beforehand."""

from __future__ import annotations

import pandas as pd

from ttstudy.analysis.definitions import StudyTables
from ttstudy.report.views.tables import ordered
from ttstudy.vocabulary import LEVELS


def optimism(study: StudyTables) -> pd.DataFrame:
    """What choosing and judging on the same problems adds, per benchmark, policy, PRM and N.

    From the study's optimism table (with its interval), else from naive and cross-fitted rows of the strategy table.
    Columns: benchmark, policy, prm, budget, naive, cross_fitted, optimism, and low, high, author_rule, predicted where
    known.
    """
    key = ["benchmark", "policy", "prm", "budget"]
    frame, out = study.table("strategy"), study.table("optimism")
    wide = pd.DataFrame()
    if len(frame):
        frame = frame[frame["level"] == "all"]
        wide = frame.pivot_table(index=key, columns="selection", values="accuracy", observed=True)
        wide = wide.reset_index().rename_axis(columns=None)
    if {"naive", "cross_fitted", "optimism"} <= set(out.columns):
        more = [name for name in ("author_rule", "predicted") if name in wide]
        if more:
            out = out.merge(wide[[*key, *more]], on=key, how="left")
    elif {"naive", "cross_fitted"} <= set(wide.columns):
        out = wide.assign(optimism=wide["naive"] - wide["cross_fitted"])
    else:
        return pd.DataFrame()
    return ordered(study, out)


def grader_effects(study: StudyTables) -> pd.DataFrame:
    """Accuracy of every cell of the headline rule under both graders, the largest difference first."""
    frame = study.table("grader_accuracy")
    if not len(frame):
        return pd.DataFrame()
    frame = ordered(study, study.headline(frame))
    order = frame["difference"].abs().sort_values(ascending=False, kind="stable").index
    return frame.loc[order].reset_index(drop=True)


def adaptive(study: StudyTables) -> pd.DataFrame:
    """Budgets that adapt to the problem against the same N for all: the rows of the adaptive table that had a choice.

    Of the PRMs the reference one. The smallest N leaves nothing to spread, so its rows of scheme "levels" are left out.
    """
    frame = study.table("adaptive")
    if not len(frame):
        return pd.DataFrame()
    frame = frame[frame["prm"].isin(["none", study.reference_prm])]
    least = frame.groupby(["benchmark", "policy", "prm", "method"])["budget"].transform("min")
    return ordered(study, frame[(frame["scheme"] != "levels") | (frame["budget"] > least)])


def predicted_levels(study: StudyTables) -> pd.DataFrame:
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

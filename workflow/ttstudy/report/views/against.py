"""Accuracy against size, N and compute, and beside what was published."""

from __future__ import annotations

import pandas as pd

from ttstudy.analysis.definitions import CELL, CURVES, StudyTables, per_problem
from ttstudy.report.views.tables import of_reference, ordered


def cot(study: StudyTables) -> pd.DataFrame:
    """Accuracy of the single answer (see `StudyTables.singles`).

    Columns: benchmark, policy, parameters (missing where not known), problems, accuracy, low, high.
    """
    columns = ["benchmark", "policy", "parameters", "problems", "accuracy", "low", "high"]
    return ordered(study, study.answered)[columns] if len(study.answered) else pd.DataFrame()


def scaling(study: StudyTables) -> pd.DataFrame:
    """Accuracy against N under the headline rule: cell, problems, accuracy, low, high."""
    frame = study.headline(study.table("accuracy"))
    if not len(frame):
        return pd.DataFrame()
    frame = frame[(frame["level"] == "all") & frame["method"].isin([*CURVES, "coverage"])]
    return ordered(study, frame)[[*CELL, "problems", "accuracy", "low", "high"]]


def costs(study: StudyTables) -> pd.DataFrame:
    """The ledger per problem: tokens and FLOPs of one problem, and total over paper's count."""
    frame = study.table("ledger")
    return ordered(study, per_problem(frame)) if len(frame) else pd.DataFrame()


def frontier(study: StudyTables) -> pd.DataFrame:
    """Every policy's single answer, and TTS with the reference PRM, against FLOPs per problem where those are known."""
    frame = study.table("frontier")
    if not len(frame):
        return pd.DataFrame()
    frame = frame[(frame["guide"] == (study.reference_prm or "none")) & frame["flops"].notna()]
    return ordered(study, frame.drop(columns="guide"))


def matrix(study: StudyTables) -> pd.DataFrame:
    """Each policy with TTS against its own single answer and that of every larger one (table `headline`)."""
    return ordered(study, study.table("headline"))


def gains(study: StudyTables) -> pd.DataFrame:
    """Single answer, majority and TTS with the reference PRM of each policy, at the largest N of each."""
    frame = ordered(study, of_reference(study, study.table("gains")))
    absent = ["efficiency_kind", "efficiency_low", "efficiency_high"]
    return frame if len(study.table("efficiency")) else frame.drop(columns=absent, errors="ignore")


def beside_published(study: StudyTables, published: pd.DataFrame) -> pd.DataFrame:
    """Published accuracies and this study's own on the same benchmarks, best first.

    `published` has model, benchmark, method, where and accuracy. Columns: benchmark, model, what, accuracy, low, high
    (missing for published numbers), source.
    """
    if not len(published) or not published["benchmark"].isin(study.benchmarks).any():
        return pd.DataFrame()
    keys = ["benchmark", "model", "method", "accuracy"]
    theirs = published[published["benchmark"].isin(study.benchmarks)].groupby(keys, sort=False)["where"]
    theirs = theirs.agg(lambda names: ", ".join(dict.fromkeys(names))).reset_index()
    what = theirs["method"].map(_PUBLISHED).fillna("as published")
    theirs = theirs.assign(source="published: " + theirs["where"], what=what)
    ours = [cot(study).rename(columns={"policy": "model"}).assign(what=study.one[0])]
    tts = gains(study)
    if len(tts):
        tts = tts[["benchmark", "policy", "tts", "tts_low", "tts_high", "budget"]].copy()
        tts.columns = ["benchmark", "model", "accuracy", "low", "high", "budget"]
        ours.append(tts.assign(what="TTS, N = " + tts["budget"].astype(str)))
    ours = pd.concat(ours, ignore_index=True).assign(source="this study")
    frame = pd.concat([ours, theirs], ignore_index=True)
    frame = frame.reindex(columns=["benchmark", "model", "what", "accuracy", "low", "high", "source"])
    place = {name: i for i, name in enumerate(study.benchmarks)}
    frame = frame.assign(place=frame["benchmark"].map(place)).sort_values(
        ["place", "accuracy", "model"], ascending=[True, False, True], kind="stable"
    )
    return frame.drop(columns="place").reset_index(drop=True)


_PUBLISHED = {"cot": "CoT", "majority": "majority vote", "tts": "TTS", "trained_reasoner": "trained to reason",
              "reference": "one answer"}  # fmt: skip
"""What a published accuracy is of."""

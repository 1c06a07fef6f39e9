"""Rows that several parts of the page show, from the study's tables. Accuracies are shares in [0, 1].

Nothing here draws or formats. Every view is a DataFrame that may be empty, in which case its section says so.
"""

from __future__ import annotations

import pandas as pd

from ttstudy.analysis.definitions import CELL, CURVES, StudyTables, per_problem, tts
from ttstudy.kinds.methods import CEILINGS, METHODS, VOTED
from ttstudy.vocabulary import LEVELS

__all__ = [
    "CURVES", "StudyTables", "costs", "cot", "drawn", "frontier", "gains", "matrix", "of_reference", "ordered",
    "scaling",
]  # fmt: skip


def ordered(study: StudyTables, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows by benchmark, policy size, PRM and method order, then budget."""
    if not len(frame):
        return frame.reset_index(drop=True)
    orders: dict[str, list[str]] = {
        "benchmark": study.benchmarks,
        "policy": study.policies,
        "prm": ["none", *study.prms],
        "larger": study.policies,
        "kind": ["cot", "tts"],
        "method": [*(name for name in METHODS if name not in CEILINGS), "mixed", *CEILINGS],
        "level": ["all", *LEVELS],
    }
    budget_first = [name for name in orders if name != "method"] + ["budget", "method"]
    keys = [column for column in (budget_first if "kind" in frame else [*orders, "budget"]) if column in frame]

    def rank(column: pd.Series) -> pd.Series:
        positions = {name: i for i, name in enumerate(orders.get(str(column.name), []))}
        return column.map(positions).fillna(len(positions)) if positions else column

    return frame.sort_values(keys, key=rank, kind="stable").reset_index(drop=True)


def of_reference(study: StudyTables, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of the reference PRM."""
    return frame[frame["prm"] == study.reference_prm] if len(frame) else frame


def cot(study: StudyTables) -> pd.DataFrame:
    """Accuracy of the single answer (see `StudyTables.singles`).

    Columns: benchmark, policy, parameters (missing where not known), problems, accuracy, low, high.
    """
    columns = ["benchmark", "policy", "parameters", "problems", "accuracy", "low", "high"]
    return ordered(study, study.answered)[columns] if len(study.answered) else pd.DataFrame(columns=columns)


def scaling(study: StudyTables) -> pd.DataFrame:
    """Accuracy against N under the headline rule: cell, problems, accuracy, low, high."""
    frame = study.headline(study.table("accuracy"))
    if not len(frame):
        return pd.DataFrame()
    frame = frame[(frame["level"] == "all") & frame["method"].isin([*CURVES, *CEILINGS])]
    return ordered(study, frame)[[*CELL, "problems", "accuracy", "low", "high"]]


def drawn(study: StudyTables, benchmark: str) -> pd.DataFrame:
    """Accuracy against N of what a study did beside single answers: TTS, else the vote, else what its PRM chooses.

    Columns: policy, prm, method, budget, problems, accuracy, low, high. One method and PRM for each policy and N.
    """
    columns = ["policy", "prm", "method", "budget", "problems", "accuracy", "low", "high"]
    strategy = study.table("strategy")
    if len(strategy) and len(chosen := of_reference(study, tts(strategy))):
        found = chosen[chosen["benchmark"] == benchmark]
        if len(found):
            return ordered(study, found)[columns]
    frame = scaling(study)
    if not len(frame):
        return pd.DataFrame(columns=columns)
    frame = frame[(frame["benchmark"] == benchmark) & frame["method"].isin(CURVES) & (frame["budget"] > 1)]
    if not len(frame):
        return pd.DataFrame(columns=columns)
    voted = frame[frame["method"] == VOTED]
    if not len(voted):
        voted = frame[frame["prm"].isin([study.reference_prm, "none"])]
        voted = voted[voted["method"] == voted["method"].iloc[0]]
    return voted[columns].reset_index(drop=True)


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

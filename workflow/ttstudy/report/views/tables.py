"""The order in which the rows of every table of the report are shown."""

from __future__ import annotations

import pandas as pd

from ttstudy.analysis.definitions import CURVES, StudyTables
from ttstudy.vocabulary import LEVELS


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
        "method": ["cot", *CURVES, "mixed", "coverage"],
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

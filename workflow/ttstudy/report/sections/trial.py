"""Of a trial (`limit`): how many problems of each benchmark it took, and how they were drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ttstudy.report.blocks import Block, Results, joined, named_table
from ttstudy.report.cells import Column as C
from ttstudy.report.section import DATA, PAPER, Given, Section, Told


def _view(_results: Results, context: Mapping[str, Any]) -> pd.DataFrame:
    """A row for each benchmark of which problems were left out."""
    drawn: Mapping[str, tuple[int, int]] = context.get("trial") or {}
    return pd.DataFrame([{"benchmark": name, "taken": n, "all": whole} for name, (n, whole) in drawn.items()])


def _tell(given: Given) -> Told:
    taken = [f"{row.taken:,} of {row.all:,} problems of {row.benchmark}" for row in given.frame.itertuples()]
    columns = [C("benchmark", "Benchmark"), C("taken", "Taken", "count"), C("all", "All", "count")]
    return Told(
        f"This is a trial: it has {joined(taken)}. Its intervals are wide; a run without `limit` decides.",
        [Block(named_table("trial-data", "Problems of the trial", columns, given.frame))],
        "The problems are those whose texts have the smallest SHA-256: as good as drawn by lot. They are the same in "
        "every study, and a larger trial has them too.",
    )


SECTION = Section(title="A trial", short="Trial", group=DATA, place=5, part=PAPER, view=_view, tell=_tell)

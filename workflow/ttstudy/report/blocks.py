"""What sections are made of: blocks of figures and tables, columns that many tables share, the views behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ttstudy.report import views
from ttstudy.report.cells import Column, Table
from ttstudy.report.figures.style import LOOKS, Figure


@dataclass(frozen=True)
class Block:
    """A figure with the table behind it, a table alone, or worked cases."""

    table: Table | None = None
    figure: Figure | None = None
    cases: Sequence[Any] = ()


C = Column
BENCHMARK = C("benchmark", "Benchmark", facet=True)
POLICY = C("policy", "Policy", facet=True)
PRM = C("prm", "PRM", facet=True)
METHOD = C("method", "Method", facet=True)
N = C("budget", "N", "plain")
ACCURACY = [
    C("accuracy", "Accuracy, %", "percent"),
    C("low", "95 % low", "percent"),
    C("high", "95 % high", "percent"),
]
DIFFERENCE = [
    C("difference", "Difference, points", "points"),
    C("low", "95 % low", "points"),
    C("high", "95 % high", "points"),
]


def cell(study: views.StudyTables) -> list[Column]:
    """Columns that name a (benchmark, policy); without the benchmark where there is only one."""
    return [BENCHMARK, POLICY] if len(study.benchmarks) > 1 else [POLICY]


def shown(method: str) -> str:
    """A method by the name that figures use."""
    return LOOKS[method].label if method in LOOKS else str(method)


def in_words(method: str) -> str:
    """A method as a sentence names it."""
    return LOOKS[method].words if method in LOOKS else str(method)


def named(frame: pd.DataFrame) -> pd.DataFrame:
    """Methods by the names that figures use."""
    frame = frame.copy()
    for column in ("method", "second"):
        if column in frame:
            frame[column] = [shown(name) for name in frame[column]]
    return frame


def named_table(key: str, caption: str, columns: Sequence[Column], frame: pd.DataFrame, **more: Any) -> Table:
    """A table of those columns that the frame has."""
    return Table(key, caption, [c for c in columns if c.name in frame], named(frame), **more)


def each(
    study: views.StudyTables,
    frame: pd.DataFrame,
    key: str,
    columns: Sequence[Column],
    draw: Callable[[str, str], Figure | None],
    what: str = "The numbers",
) -> list[Block]:
    """A figure and its data per benchmark; a table without a figure is captioned by `what` it shows."""
    blocks = []
    for number, benchmark in enumerate(study.benchmarks):
        part = frame[frame["benchmark"] == benchmark]
        if len(part):
            figure = draw(benchmark, f"{key}-{number}")
            caption = figure.title if figure else f"{what} on {benchmark}"
            blocks.append(
                Block(named_table(f"{key}-{number}-data", caption, columns, part, folded=figure is not None), figure)
            )
    return blocks


def defined(kinds: Mapping[str, Any]) -> str:
    """What each kind is in the words of its file, a short sentence each."""
    told = (f"{kind.look.words[:1].upper()}{kind.look.words[1:]}: {kind.about}." for kind in kinds.values())
    return " ".join(told).replace("; it ", ". It ")


def joined(names: Sequence[str]) -> str:
    """Names as a sentence lists them."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 2 else list(names))


@dataclass(frozen=True)
class Results:
    """Everything computed once from the tables, shared by the sections and by the top of the report."""

    study: views.StudyTables
    cot: pd.DataFrame
    scaling: pd.DataFrame
    costs: pd.DataFrame
    frontier: pd.DataFrame
    matrix: pd.DataFrame

    @classmethod
    def of(cls, study: views.StudyTables) -> Results:
        """Compute the views."""
        return cls(
            study, *(make(study) for make in (views.cot, views.scaling, views.costs, views.frontier, views.matrix))
        )

"""ProcessBench (arXiv 2412.06559): `generator`, `problem`, `steps`, `label` (-1: no error)."""

from __future__ import annotations

from collections.abc import Iterator

from ttstudy.kinds.labelled._labelled import Labelling, Row, Solution, author, index_of, problem_of, steps_of


def _solutions(row: Row) -> Iterator[Solution]:
    first = index_of(row["label"], "label")
    yield problem_of(row["problem"]), steps_of(row["steps"]), first, author(row.get("generator"))


LABELLING = Labelling(
    label="ProcessBench",
    about="generator, problem, steps, label",
    source="arXiv 2412.06559; hub data set Qwen/ProcessBench",
    recognises=lambda row: all(name in row for name in ("problem", "steps", "label")) and "first_error" not in row,
    solutions=_solutions,
)

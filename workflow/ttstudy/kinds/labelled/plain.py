"""The plain form: `problem`, `steps`, `first_error` (null or -1: none), `policy` where known."""

from __future__ import annotations

from collections.abc import Iterator

from ttstudy.kinds.labelled._labelled import NO_ERROR, Labelling, Row, Solution, author, index_of, problem_of, steps_of


def _solutions(row: Row) -> Iterator[Solution]:
    first = row["first_error"]
    none = first is None or first != first  # NaN of a Parquet column
    first = NO_ERROR if none else index_of(first, "first_error")
    yield problem_of(row["problem"]), steps_of(row["steps"]), first, author(row.get("policy"))


LABELLING = Labelling(
    label="plain",
    about="problem, steps, first_error (-1 or null: none), policy where known",
    source="this study",
    recognises=lambda row: "first_error" in row,
    solutions=_solutions,
)

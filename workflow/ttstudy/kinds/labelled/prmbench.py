"""PRMBench (arXiv 2501.03124): solutions with errors that were put in, and each original, which is right."""

from __future__ import annotations

from collections.abc import Iterator

from ttstudy.kinds.labelled._labelled import NO_ERROR, Labelling, Row, Solution, index_of, problem_of, steps_of

_ORIGINAL = "redundency"
"""The class (spelled so there) with whose rows PRMBench's own code takes the originals, once each."""


def _solutions(row: Row) -> Iterator[Solution]:
    kind = str(row["classification"])
    if kind == _ORIGINAL:
        yield problem_of(row["original_question"]), steps_of(row["original_process"]), NO_ERROR, "correct"
    errors = row["error_steps"] or []
    if not isinstance(errors, list):
        raise ValueError("has error_steps that are not a list")
    # Counted from 1 there.
    first = min((index_of(error, "error_steps") for error in errors), default=NO_ERROR + 1) - 1
    yield problem_of(row["modified_question"]), steps_of(row["modified_process"]), first, kind


LABELLING = Labelling(
    label="PRMBench",
    about="original_process, modified_process, error_steps, classification; the class stands as the policy",
    source="arXiv 2501.03124; GitHub ssmisya/PRMBench, mr_eval/tasks/prmtest_classified/task.py",
    recognises=lambda row: all(name in row for name in ("modified_process", "error_steps", "classification")),
    solutions=_solutions,
)

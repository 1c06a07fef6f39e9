"""Two graders on the same responses: where their verdicts differ, and what that does to each accuracy."""

from __future__ import annotations

import pandas as pd

CELL = ["benchmark", "policy", "prm", "method", "budget", "score", "vote"]
_ROW = ["problem_id", "sample"]
_ANSWER = ["problem_id", "answer", "other_answer", "correct", "other_correct"]


def paired(grades: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Two tables of grades of the same responses side by side; the second one's columns are `other_...`.

    ValueError where they are not of the same responses.
    """
    if not grades[_ROW].reset_index(drop=True).equals(other[_ROW].reset_index(drop=True)):
        raise ValueError("the two graders did not grade the same responses; delete their grades and run again")
    beside = other.drop(columns=_ROW).add_prefix("other_").reset_index(drop=True)
    return pd.concat([grades.reset_index(drop=True), beside], axis=1)


def counts(pairs: pd.DataFrame) -> dict[str, int]:
    """How many responses there are, and how many only one of the graders takes for right."""
    one, other = pairs["correct"], pairs["other_correct"]
    return {
        "responses": len(pairs),
        "differ": int((one != other).sum()),
        "only_grader": int((one & ~other).sum()),
        "only_other": int((other & ~one).sum()),
        "timed_out": int((pairs["status"] == "timed_out").sum()),
        "other_timed_out": int((pairs["other_status"] == "timed_out").sum()),
    }


def answers(pairs: pd.DataFrame) -> pd.DataFrame:
    """Answers on whose verdict the graders differ, as each extracted them, with the number of responses."""
    differing = pairs[pairs["correct"] != pairs["other_correct"]]
    found = differing.groupby(_ANSWER, dropna=False, sort=True).size().rename("responses").reset_index()
    return found.sort_values(["responses", "problem_id"], ascending=[False, True], kind="stable").reset_index(drop=True)


def accuracy(outcomes: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of every cell over all problems under both graders; `difference` is the other's minus the study's."""
    values = outcomes.merge(other, on=[*CELL, "problem_id"], suffixes=("", "_other"), validate="one_to_one")
    values["changed"] = (values["value"] - values["value_other"]).abs() > 1e-9
    cells = values.groupby(CELL, sort=True).agg(
        problems=("value", "size"),
        accuracy=("value", "mean"),
        other=("value_other", "mean"),
        changed=("changed", "sum"),
    )
    return cells.assign(difference=cells["other"] - cells["accuracy"]).reset_index()

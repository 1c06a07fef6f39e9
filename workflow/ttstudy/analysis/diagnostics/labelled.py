"""Readers of labelled solutions: ProcessBench, PRM800K, and the plain form `problem, steps, first_error`.

JSON Lines or Parquet. Every reader gives the table `labelled`: one row per solution, `first_error` the index of the
first wrong step (-1: none), `policy` the model that wrote it, `problem_id` the same for equal problem texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from ttstudy.data.benchmarks import read_rows
from ttstudy.errors import StudyError
from ttstudy.vocabulary import NO_ERROR

Solution = tuple[str, list[str], int, str]
"""(problem, steps, first_error, policy)."""
UNKNOWN = "unknown"


def read_labelled(path: Path, form: str, solutions: int | None = None) -> pd.DataFrame:
    """Table `labelled` of a file in one of `READERS`, at most so many solutions; StudyError names file and row."""
    rows, found = read_rows(path), []
    for place, row in rows:
        try:
            solution = READERS[form](row)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            what = f"has no {error}" if isinstance(error, KeyError) else str(error)
            what = what if type(error) in (KeyError, ValueError) else "is nested in another way"
            raise StudyError(f"{path}: {place} is not in the format {form}: it {what}") from None
        if solution is None:
            continue
        problem, steps, first, policy = solution
        if not -1 <= first < len(steps):
            raise StudyError(f"{path}: {place} has its first error at {first}, but {len(steps)} steps")
        found.append((problem, steps, first, policy))
        if solutions is not None and len(found) == solutions:
            break
    if not found:
        raise StudyError(f"{path}: holds no labelled solutions")
    frame = pd.DataFrame(found, columns=["problem", "steps", "first_error", "policy"])
    frame["problem_id"] = [sha256(text.encode("utf-8", "replace")).hexdigest()[:16] for text in frame["problem"]]
    frame["sample"] = frame.groupby("problem_id").cumcount()
    return frame[["problem_id", "sample", "policy", "problem", "steps", "first_error"]]


def _steps(values: Any) -> list[str]:
    """Steps as texts; ValueError for what is no text, and for a blank one, which no PRM can score."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("has steps that are not a list of texts")
    steps = [value.strip() for value in values]
    if not steps or not all(steps):
        raise ValueError("has no steps" if not steps else f"has a blank step {steps.index('') + 1}")
    return steps


def _index(value: Any, name: str) -> int:
    """A whole number; ValueError for anything else, a float that is whole (as Parquet has beside nulls) excepted."""
    whole = isinstance(value, int | float) and not isinstance(value, bool)
    if not whole or not -1 <= value < 2**31 or value != int(value):
        raise ValueError(f"has {str(value)[:40]!r} for {name}, which is no whole number from -1")
    return int(value)


def _author(value: Any) -> str:
    """The model that wrote a solution."""
    if value is not None and not isinstance(value, str):
        raise ValueError("names a policy that is no text")
    return value or UNKNOWN


def _problem(text: Any) -> str:
    if not isinstance(text, str) or not text.strip():
        raise ValueError("has no problem text")
    return text


def _plain(row: Mapping[str, Any]) -> Solution:
    """`problem`, `steps`, `first_error` (null or -1: none), `policy` where known."""
    first = row["first_error"]
    none = first is None or first != first  # NaN of a Parquet column
    first = NO_ERROR if none else _index(first, "first_error")
    return _problem(row["problem"]), _steps(row["steps"]), first, _author(row.get("policy"))


def _processbench(row: Mapping[str, Any]) -> Solution:
    """ProcessBench (arXiv 2412.06559): `generator`, `problem`, `steps`, `label` (-1: no error)."""
    return _problem(row["problem"]), _steps(row["steps"]), _index(row["label"], "label"), _author(row.get("generator"))


def _prm800k(row: Mapping[str, Any]) -> Solution | None:
    """PRM800K (arXiv 2305.20050): the labelled line of thought; None where the label tells nothing.

    Ratings 1 and 0 are right (0: not wrong, no progress), -1 is the first error. Of several completions of a step
    the chosen one counts, the human's where there is one, and the first one rated -1 where none was chosen. A
    solution that its labeller gave up on or called broken is left out, and so is what follows a step without a
    rating. Where the model's own solution is given whole (phase 2), the steps after its error are kept.
    """
    question, label = (_mapping(row[key]) for key in ("question", "label"))
    if label.get("finish_reason") not in ("solution", "found_error"):
        return None
    steps: list[str] = []
    first = NO_ERROR
    for step in label["steps"]:
        completion = _rated(step)
        if completion is None:
            break
        steps.append(completion["text"])
        if completion["rating"] == -1:
            first = len(steps) - 1
            break
    if not steps:
        return None
    given = question.get("pre_generated_steps")
    whole = [] if given is None else list(given)
    if first != NO_ERROR and [*map(_bare, whole[: len(steps)])] == [*map(_bare, steps)]:
        steps = whole
    return _problem(question["problem"]), _steps(steps), first, f"generation-{row.get('generation')}"


def _rated(step: Mapping[str, Any]) -> dict[str, Any] | None:
    """Text and rating of the step that the line of thought goes through."""
    completions = list(step["completions"] if step["completions"] is not None else [])
    chosen = step.get("chosen_completion")
    if chosen is not None and chosen == chosen:
        completion = completions[_index(chosen, "chosen_completion")]
    elif step.get("human_completion") is not None:
        human = step["human_completion"]
        text = human if isinstance(human, str) else human["text"]
        completion = {"text": text, "rating": 1}
    else:
        completion = next((each for each in completions if each.get("rating") == -1), None)
    return completion if completion is not None and completion.get("rating") in (-1, 0, 1) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    """A nested object, also where a Parquet file holds it as JSON text."""
    value = json.loads(value) if isinstance(value, str) else value
    if not isinstance(value, Mapping):
        raise ValueError("has a text where an object is wanted")
    return value


def _bare(text: str) -> str:
    return str(text).strip()


READERS: dict[str, Callable[[Mapping[str, Any]], Solution | None]] = {
    "plain": _plain,
    "processbench": _processbench,
    "prm800k": _prm800k,
}

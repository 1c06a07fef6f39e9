"""PRM800K (arXiv 2305.20050): lines of thought whose steps people rated."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ttstudy.kinds.labelled._labelled import NO_ERROR, Labelling, Row, Solution, index_of, problem_of, steps_of


def _solutions(row: Row) -> Iterator[Solution]:
    """The labelled line of thought; nothing where the label tells nothing.

    Ratings 1 and 0 are right (0: not wrong, no progress), -1 is the first error. Of several completions of a step
    the chosen one counts, the human's where there is one, and the first one rated -1 where none was chosen. A
    solution that its labeller gave up on or called broken is left out, and so is what follows a step without a
    rating. Where the model's own solution is given whole (phase 2), the steps after its error are kept.
    """
    question, label = (_mapping(row[key]) for key in ("question", "label"))
    if label.get("finish_reason") not in ("solution", "found_error"):
        return
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
        return
    given = question.get("pre_generated_steps")
    whole = [] if given is None else list(given)
    if first != NO_ERROR and [*map(_bare, whole[: len(steps)])] == [*map(_bare, steps)]:
        steps = whole
    yield problem_of(question["problem"]), steps_of(steps), first, f"generation-{row.get('generation')}"


def _rated(step: Mapping[str, Any]) -> dict[str, Any] | None:
    """Text and rating of the step that the line of thought goes through."""
    completions = list(step["completions"] if step["completions"] is not None else [])
    chosen = step.get("chosen_completion")
    if chosen is not None and chosen == chosen:
        completion = completions[index_of(chosen, "chosen_completion")]
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


LABELLING = Labelling(
    label="PRM800K",
    about="question and label, as published",
    source="arXiv 2305.20050; GitHub openai/prm800k",
    recognises=lambda row: "question" in row and "label" in row and "problem" not in row,
    solutions=_solutions,
)

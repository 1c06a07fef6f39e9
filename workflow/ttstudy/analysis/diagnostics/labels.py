"""Which steps are right: exact labels of the miniature's solutions and search trees, and how long a step is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import pandas as pd

from ttstudy.miniature.task import Expression, parse_problem, reductions
from ttstudy.vocabulary import NO_ERROR

_PARTS = re.compile(r"\w+|[^\w\s]")


def lengths(steps: Sequence[str]) -> list[int]:
    """Length of each step in words, numbers and signs; at least 1.

    A count that needs no tokenizer, so that one definition serves every model: a slope per doubling is the same for
    all counts in proportion.
    """
    return [max(1, len(_PARTS.findall(step))) for step in steps]


@lru_cache(maxsize=200_000)
def _next(expression: Expression) -> dict[str, Expression]:
    """Every right step from an expression, and what it leaves."""
    return {legal.text: legal.rest for legal in reductions(expression)}


def first_error(problem: str, steps: Sequence[str]) -> int:
    """Index of the first wrong step of a miniature solution, `NO_ERROR` where there is none.

    The same verdicts as `ttstudy.miniature.task.check_steps`, with expressions remembered between solutions.
    """
    state: Expression | None = parse_problem(problem)
    for index, step in enumerate(steps):
        state = _next(state).get(step)
        if state is None:
            return index
    return NO_ERROR


def label_responses(responses: pd.DataFrame, problems: pd.Series) -> pd.DataFrame:
    """Table `labels` of responses (problem_id, sample, steps); `problems` maps problem_id to its text."""
    steps = [list(each) for each in responses["steps"]]
    texts = responses["problem_id"].map(problems)
    return pd.DataFrame(
        {
            "problem_id": responses["problem_id"].to_numpy(),
            "sample": responses["sample"].to_numpy(),
            "first_error": [first_error(text, each) for text, each in zip(texts, steps, strict=True)],
            "lengths": [lengths(each) for each in steps],
        }
    )


def right_nodes(nodes: pd.DataFrame, problem: str) -> dict[int, bool]:
    """Whether the path to each node of one search tree is right; a blank step changes nothing."""
    states: dict[int, Expression | None] = {-1: parse_problem(problem)}
    for node, parent, text in zip(nodes["node"], nodes["parent"], nodes["text"], strict=True):
        before = states[parent]
        states[node] = before if not text or before is None else _next(before).get(text)
    return {node: state is not None for node, state in states.items() if node >= 0}

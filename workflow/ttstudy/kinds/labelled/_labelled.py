"""What a form of labelled solutions is, and what every form checks of a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ttstudy.vocabulary import NO_ERROR

Row = Mapping[str, Any]
Solution = tuple[str, list[str], int, str]
"""(problem, steps, first_error, policy)."""
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelling:
    """One form in which labelled solutions are published."""

    label: str
    about: str
    source: str
    recognises: Callable[[Row], bool]
    """Whether a row, the first of a file, has this form."""
    solutions: Callable[[Row], Iterable[Solution]]
    """The solutions of a row; none where its label tells nothing. ValueError or KeyError where it has another form."""


def steps_of(values: Any) -> list[str]:
    """Steps as texts; ValueError for what is no text, and for a blank one, which no PRM can score."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("has steps that are not a list of texts")
    steps = [value.strip() for value in values]
    if not steps or not all(steps):
        raise ValueError("has no steps" if not steps else f"has a blank step {steps.index('') + 1}")
    return steps


def index_of(value: Any, name: str) -> int:
    """A whole number; ValueError for anything else, a float that is whole (as Parquet has beside nulls) excepted."""
    whole = isinstance(value, int | float) and not isinstance(value, bool)
    if not whole or not -1 <= value < 2**31 or value != int(value):
        raise ValueError(f"has {str(value)[:40]!r} for {name}, which is no whole number from -1")
    return int(value)


def author(value: Any) -> str:
    """The model that wrote a solution."""
    if value is not None and not isinstance(value, str):
        raise ValueError("names a policy that is no text")
    return value or UNKNOWN


def problem_of(text: Any) -> str:
    """The problem's text."""
    if not isinstance(text, str) or not text.strip():
        raise ValueError("has no problem text")
    return text


__all__ = ["NO_ERROR", "Labelling", "Row", "Solution", "author", "index_of", "problem_of", "steps_of"]

"""What a source is: a program, how a row of its output is known, and which recorded responses such a row holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
SCORES = "scores."
"""What the column of a PRM's scores begins with."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: a file, and what is counted in it from 1 (lines, rows, items)."""

    file: Path
    unit: str
    number: int
    typed: bool = True
    """Whether the file tells numbers and lists from texts, which CSV does not."""

    def __str__(self) -> str:
        """As a message names it within its file."""
        return f"{self.unit} {self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A program whose outputs are recorded responses."""

    label: str
    about: str
    """Which of its files are read, in a sentence for the user."""
    source: str
    """Where the program's own code writes them."""
    recognises: Callable[[Row], bool]
    """Whether a row, the first of a file, is one of this program's."""
    samples: Callable[[Row, Place], Iterable[dict[str, Any]]]
    """The recorded responses of a row (see `ttstudy.data.recorded`); ValueError with what is wrong with it.

    Without `sample` a problem's responses are counted in the order in which they come.
    """
    same: str | None = None
    """Of a file's rows that differ in this column, only those like the first are taken: all hold the same."""
    agree: str | None = None
    """A column in which all rows of all files must agree: what differs in it was drawn from different policies."""
    may_be_searched: bool = False
    """Whether the program's searches write the same columns as its samples: beams are no independent samples."""
    version: int = 1
    """Raised when the same file is read in another way."""


def need(row: Row, *names: str) -> None:
    """ValueError where a row lacks one of these, with the columns that it has."""
    for name in names:
        if row.get(name) is None:
            raise ValueError(f"no {name} (it has: {', '.join(map(str, list(row)[:12]))})")


def by_text(problem: str) -> str:
    """What tells a problem by its text alone: the same in every file, whatever the order of its rows."""
    return sha256(problem.encode("utf-8", "replace")).hexdigest()[:12]


def texts(row: Row, name: str) -> list[str]:
    """A list of texts, of which there is at least one; a text alone is a list of one."""
    need(row, name)
    values = [row[name]] if isinstance(row[name], str) else row[name]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{name} is not a list of texts")
    if not values:
        raise ValueError(f"no {name}; the problem would be missing from every accuracy")
    return values


def each(row: Row, name: str, count: int, of: str) -> Sequence[Any] | None:
    """A list with an entry for each of so many responses; None where the row has nothing of this name.

    Of one response the entry may stand alone; ValueError where one entry stands for several responses.
    """
    values = row.get(name)
    if values is None:
        return None
    if not isinstance(values, list):
        if count > 1:
            raise ValueError(f"{name} is one value for {count} {of}")
        return [values]
    if len(values) != count:
        raise ValueError(f"{name} has {len(values)} entries for {count} {of}")
    return values


def numbers(values: Any, what: str) -> list[float]:
    """A list of numbers."""
    if not isinstance(values, list) or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        raise ValueError(f"{what}: not a list of numbers")
    return [float(value) for value in values]


def kept(row: Row, **names: str) -> dict[str, Any]:
    """Our columns from a row's own, where it has them."""
    return {ours: row[theirs] for ours, theirs in names.items() if row.get(theirs) is not None}


def has(row: Row, *names: str) -> bool:
    """Whether a row has all these columns."""
    return all(name in row for name in names)

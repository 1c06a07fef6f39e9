"""From files to recorded responses in the plain form: which program wrote them, which columns are meant.

A file is in the plain form, or a program's (`ttstudy.kinds.sources`, known by its first row), or the study names its
columns. A row with a list of responses becomes one row for each.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ttstudy.data.picking import columns as available
from ttstudy.data.picking import pick, told
from ttstudy.data.reading import BrokenRow, read
from ttstudy.errors import StudyError
from ttstudy.kinds.confidences import STORED
from ttstudy.kinds.sources import SCORES, SOURCES, Place, by_text, recognised
from ttstudy.study.intake import COLUMNS

PLAIN = "plain"
REQUIRED = ("problem", "answer", "response")
OF_ONE = ("steps", "greedy", "tokens", "prompt_tokens", "logprob", "finish", *STORED)
"""Columns of a response, of which a row with a list of responses may have a list."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a study says of its files."""

    form: str | None = None
    """`plain`, or a source by name; None: known by its content."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Our column to the file's, or a path in its rows."""
    skip_broken: int = 0
    """Most rows that are left out because they cannot be used."""
    score_kinds: Mapping[str, str] | None = None
    """What the scores of a column are, of those that the study uses; None: probabilities, all of them."""


@dataclass(slots=True)
class Account:
    """What became of the rows of files."""

    form: str = PLAIN
    rows: int = 0
    left_out: list[str] = field(default_factory=list)
    """Rows that were left out, with the reason."""
    unused: list[str] = field(default_factory=list)
    """Columns that nothing was read from."""
    finishes: Counter[str] = field(default_factory=Counter)
    """Ends of responses that are kept as unknown, as the file names them."""

    def notes(self) -> dict[str, str]:
        """What is written beside the table."""
        found = {"form": self.form, "rows": str(self.rows), "left_out": str(len(self.left_out))}
        return found | {"unknown_ends": json.dumps(dict(self.finishes.most_common(20)))}


def plain(
    files: Sequence[Path], given: Given, account: Account
) -> Iterator[tuple[Place, dict[str, Any] | BrokenRow]]:
    """Rows of files in the plain form, each with its place; StudyError where nobody can tell what the columns are."""
    form = given.form or (PLAIN if given.columns else None)
    same: dict[str, Any] = {}
    seen: dict[str, None] = {}
    for place, row in read(files):
        account.rows += 1
        if isinstance(row, BrokenRow):
            yield place, row
            continue
        if form is None:
            form = _known(row, place)
        account.form = form
        try:
            if form == PLAIN:
                seen |= dict.fromkeys(map(str, row))
                found = _mapped(row, given.columns, place)
            else:
                key = SOURCES[form].same
                if key is not None and row.get(key) != same.setdefault(key, row.get(key)):
                    continue
                found = _of_source(form, row, place)
        except BrokenRow as error:
            yield place, error
            continue
        yield from ((place, one) for one in found)
    if form == PLAIN:
        account.unused = sorted(name for name in seen if not _used(name, given.columns))


def _known(row: Mapping[str, Any], place: Place) -> str:
    """The form of a file by its first row."""
    if all(name in row for name in ("problem", "response")):
        return PLAIN
    form = recognised(row)
    if form is None:
        raise StudyError(
            f"{place.file}: no program's output that is known ({', '.join(SOURCES)}), and no `response` beside a "
            f"`problem`; it has: {told(available([row]))}; name what is what with `columns: {{problem: ..., answer: "
            "..., response: ...}`"
        )
    return form


def _of_source(form: str, row: Mapping[str, Any], place: Place) -> list[dict[str, Any]]:
    try:
        return list(SOURCES[form].samples(row, place))
    except KeyError as error:
        raise BrokenRow(f"no {str(error)[:60]}, which {SOURCES[form].label} writes") from None
    except ValueError as error:
        raise BrokenRow(str(error)) from None
    except (TypeError, AttributeError, IndexError, OverflowError):
        raise BrokenRow(f"it is nested in another way than {SOURCES[form].label} writes it") from None


def _used(name: str, columns: Mapping[str, str]) -> bool:
    if name in (*COLUMNS, "scores") or name.startswith(SCORES):
        return name not in columns or columns[name] == name
    return any(path == name or path.startswith((f"{name}.", f"{name}[")) for path in columns.values())


def _mapped(row: Mapping[str, Any], columns: Mapping[str, str], place: Place) -> list[dict[str, Any]]:
    """A row's responses, its columns under our names."""
    found = dict(row)
    if columns:
        known = [name for name in row if name in COLUMNS or str(name).startswith(SCORES)]
        found = {name: pick(row, columns.get(name, name)) for name in dict.fromkeys([*known, *columns])}
    if not place.typed:
        found = {name: _read(value) if _untold(name) else value for name, value in found.items()}
    responses = found.get("response")
    if not isinstance(responses, list):
        return [found]
    if not responses:
        raise BrokenRow("response is an empty list; the problem would be missing from every accuracy")
    if len(responses) > 1 and found.get("sample") is not None:
        raise BrokenRow("sample is one number, but response is a list; leave `sample` out")
    spread = {name: _of_each(name, value, len(responses)) for name, value in found.items()}
    spread["response"] = responses
    return [{name: values[number] for name, values in spread.items()} for number in range(len(responses))]


def _untold(name: str) -> bool:
    return name in (*OF_ONE, "sample") or name.startswith(SCORES)


def _read(value: Any) -> Any:
    """A number, list or truth value that CSV has as a text."""
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            return json.loads(value.lower() if value.lower() in ("true", "false") else value)
    return value


def _of_each(name: str, value: Any, count: int) -> Sequence[Any]:
    """A column's value for each of a row's responses: its own in a list of as many, else the same for all."""
    if isinstance(value, list) and (name in OF_ONE or name.startswith(SCORES)):
        nested = bool(value) and all(isinstance(item, list) for item in value)
        if count > 1 or nested:
            if len(value) != count:
                raise BrokenRow(f"{name} has {len(value)} entries for {count} responses")
            return value
    return [value] * count


def named(problem: str) -> str:
    """The id of a problem of which a file tells none: the same for the same text, in every file."""
    return f"q-{by_text(problem)}"

"""From files to recorded responses in the plain form: which program wrote them, which columns are meant.

A file is in the plain form, or a program's (`ttstudy.kinds.sources`, known by its first row), or the study names its
columns. A row with a list of responses becomes one row for each.
"""

from __future__ import annotations

import json
import re
import tokenize
from ast import literal_eval
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from ttstudy.data.picking import columns as available
from ttstudy.data.picking import pick, told
from ttstudy.data.reading import BrokenRow, items, read
from ttstudy.errors import StudyError
from ttstudy.kinds.confidences import STORED
from ttstudy.kinds.sources import SCORES, SOURCES, Place, by_text, recognised
from ttstudy.study.intake import COLUMNS

PLAIN = "plain"
REQUIRED = ("problem", "answer", "response")
OF_ONE = ("steps", "greedy", "tokens", "prompt_tokens", "logprob", "finish", *STORED)
"""Columns of a response, of which a row with a list of responses may have a list."""
_ALIKE = {
    **dict.fromkeys(("finish", "stop", "truncated"), "finish"),
    **dict.fromkeys(("tokens", "token"), "tokens"),
    **dict.fromkeys(("score", "scores", "reward", "rewards"), SCORES),
    **dict.fromkeys(("step", "steps"), "steps"),
    **dict.fromkeys(("logprob", "logprobs"), "logprob"),
}
"""Words in names of columns that are likely one of ours, where a file has none under our name."""
_WORD = re.compile(r"[a-z]+")
_LONGEST = 10_000_000
"""Characters of a list in a table that Python's parser is given."""
_FIRST = 100
"""Rows whose columns a message names."""


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
    hints: list[str] = field(default_factory=list)
    """What the user should know of what was read, in sentences."""
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
    taking = _Taking(given, account)
    for place, row in _unwrapped(files, given):
        account.rows += 1
        try:
            if isinstance(row, BrokenRow):
                raise row
            found = taking.responses(row, place)
        except BrokenRow as error:
            yield place, error
            continue
        yield from ((place, one) for one in found)
    taking.ended(files)


def _unwrapped(files: Sequence[Path], given: Given) -> Iterator[tuple[Place, dict[str, Any] | BrokenRow]]:
    """Rows of files; of an object that only holds a list of them, that list."""
    for place, row in read(files):
        inner = None if isinstance(row, BrokenRow) or _is_row(row, given) else items(row)
        if inner and _is_row(inner[0], given):
            yield from ((Place(place.file, "item", number), item) for number, item in enumerate(inner, 1))
        else:
            yield place, row


def _is_row(row: Mapping[str, Any], given: Given) -> bool:
    """Whether an object holds responses itself."""
    if given.columns:
        return pick(row, given.columns.get("response", "response")) is not None
    return all(name in row for name in ("problem", "response")) or recognised(row) is not None


class _Taking:
    """Brings the rows of files into the plain form, one after the other."""

    def __init__(self, given: Given, account: Account) -> None:
        self.given, self.account = given, account
        self.form = given.form or (PLAIN if given.columns else None)
        self.same: dict[Path, Any] = {}
        self.agreed: tuple[Any, Place] | None = None
        self.listed: dict[Path, bool] = {}
        self.seen: dict[str, None] = {}
        self.first: list[Mapping[str, Any]] = []
        self.there: set[str] = set()

    def responses(self, row: Mapping[str, Any], place: Place) -> list[dict[str, Any]]:
        """A row's responses; BrokenRow says what is wrong with it."""
        if self.form is None:
            self.form = _known(row, place)
        self.account.form = self.form
        if self.form == PLAIN:
            self.seen |= dict.fromkeys(map(str, row))
            if len(self.first) < _FIRST:
                self.first.append(row)
            return self._mapped(row, place)
        source = SOURCES[self.form]
        if source.same is not None and row.get(source.same) != self.same.setdefault(place.file, row.get(source.same)):
            return []
        if source.agree is not None and row.get(source.agree) is not None:
            self._agree(source.agree, row[source.agree], place)
        return _of_source(self.form, row, place)

    def _agree(self, name: str, value: Any, place: Place) -> None:
        self.agreed = self.agreed or (value, place)
        first, there = self.agreed
        if value != first:
            raise StudyError(
                f"{place.file}: {place}: {name} {str(value)[:40]}, but {str(first)[:40]} in {there.file.name}: these "
                f"were drawn from different policies; give the files of one {name} to each policy"
            )

    def _mapped(self, row: Mapping[str, Any], place: Place) -> list[dict[str, Any]]:
        """A row's responses, its columns under our names."""
        columns, found = self.given.columns, dict(row)
        if columns:
            known = [name for name in row if name in COLUMNS or str(name).startswith(SCORES)]
            found = {name: pick(row, columns.get(name, name)) for name in dict.fromkeys([*known, *columns])}
        self.there |= {name for name, value in found.items() if value is not None}
        if not place.typed:
            found = {name: _read(value) if _untold(name) else value for name, value in found.items()}
            found["response"] = self._told_list(found.get("response"), place)
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

    def _told_list(self, response: Any, place: Place) -> Any:
        """The texts of a response that a table has as the text of a list, where the file's first row has one."""
        if not isinstance(response, str):
            return response
        texts = _texts(response)
        if not self.listed.setdefault(place.file, texts is not None):
            return response
        if texts is None:
            raise BrokenRow("response is no list of texts, as the first row's is")
        return texts

    def ended(self, files: Sequence[Path]) -> None:
        """Note the columns that were not used; StudyError where no row has one that must be there."""
        if self.form != PLAIN or not self.first:
            return
        for name in dict.fromkeys([*REQUIRED, *self.given.columns]):
            theirs = self.given.columns.get(name, name)
            if name not in self.there and theirs not in self.seen:
                what = f"{files[0]}: no column {theirs!r} (it has: {told(available(self.first))})"
                mend = f"map it with `columns: {{{name}: ...}}`" if name in REQUIRED else f"mend or leave out `{name}`"
                raise StudyError(f"{what}; {mend}")
        self.account.unused = sorted(name for name in self.seen if not _used(name, self.given.columns))
        for name in self.account.unused:
            ours = next((_ALIKE[word] for word in _WORD.findall(name.lower()) if word in _ALIKE), None)
            verdict = any(isinstance(row.get(name), bool) for row in self.first)  # whether it is right, or cut
            if ours is not None and not verdict and not any(_is(ours, each) for each in self.there):
                ours = f"{ours}NAME" if ours == SCORES else ours
                mend = f"if it is one of ours, set `columns: {{{ours}: {name}}}`"
                self.account.hints.append(f"nothing is read from the column {name!a}; {mend}")


def _known(row: Mapping[str, Any], place: Place) -> str:
    """The form of a file by its first row."""
    if all(name in row for name in ("problem", "response")):
        return PLAIN
    form = recognised(row)
    if form is None and "custom_id" in row:
        raise StudyError(
            f"{place.file}: answers of a batch API, which hold no problems; join them with the problems by `custom_id` "
            "first, and name the columns with `columns`"
        )
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


def _is(ours: str, name: str) -> bool:
    """Whether a column is one of ours; `SCORES`: of any PRM."""
    return name == ours or ours == SCORES and (name == "scores" or name.startswith(SCORES))


def _untold(name: str) -> bool:
    return name in (*OF_ONE, "sample") or name.startswith(SCORES)


def _read(value: Any) -> Any:
    """A number, list or truth value that a table has as a text."""
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            return json.loads(value.lower() if value.lower() in ("true", "false") else value)
        if value[:1] == "[" and len(value) <= _LONGEST:
            with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
                return literal_eval(value)
    return value


def _texts(value: str) -> list[str] | None:
    """The texts of a list, as JSON or Python writes it; None for any other text.

    BrokenRow for numpy's way, which puts nothing between two texts: Python would read them as one.
    """
    if value[:1] != "[" or value.rstrip()[-1:] != "]":
        return None
    text = value.strip()
    found = _read(text)
    if not isinstance(found, list) or not found or not all(isinstance(each, str) for each in found):
        return None
    try:
        json.loads(text)
    except ValueError:
        parts = tokenize.generate_tokens(StringIO(text).readline)
        if sum(part.type == tokenize.STRING for part in parts) > len(found):
            raise BrokenRow("response is a list as numpy prints it, whose texts run together; write JSON") from None
    return found


def _of_each(name: str, value: Any, count: int) -> Sequence[Any]:
    """A column's value for each of a row's responses: its own in a list of as many, else the same for all."""
    if isinstance(value, list) and (name in OF_ONE or name.startswith(SCORES)):
        nested = bool(value) and all(isinstance(item, list) for item in value)
        if count == 1 and not nested and (name == "steps" or name.startswith(SCORES)):
            return [value]  # of the one response
        if len(value) != count:
            raise BrokenRow(f"{name} has {len(value)} entries for {count} responses")
        return value
    return [value] * count


def named(problem: str) -> str:
    """The id of a problem of which a file tells none: the same for the same text, in every file."""
    return f"q-{by_text(problem)}"


def of_task(number: str, problem: str) -> str:
    """The id of a problem whose number another task has too."""
    return f"{number}-{by_text(problem)[:8]}"

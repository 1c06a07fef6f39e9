"""Benchmarks: problems with answers, from the miniature task or from a file, as one checked table."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from ttstudy.answers.gold import gold
from ttstudy.data.picking import columns as available
from ttstudy.data.picking import pick, told
from ttstudy.data.reading import PROBLEMS, BrokenRow, items, read
from ttstudy.data.rows import odd_id, same_id
from ttstudy.errors import StudyError
from ttstudy.kinds.sources import Place
from ttstudy.study.benchmarks import Benchmark, agrees

COLUMNS = ("problem_id", "problem", "answer", "level", "subject")
REQUIRED = COLUMNS[:3]
_ODD = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_FIELDS = {*REQUIRED, "question", "steps"}
"""Of which an object with rows in it has none."""
_KINDS = {bool: "true or false", list: "a list", dict: "an object", bytes: "bytes"}


def load(
    settings: Benchmark, files: Sequence[str] = (), recorded: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, str]:
    """The `benchmark` table of a section of the configuration, and the SHA-256 of all its problems.

    `files`: where files of problems lie. With `recorded`, a table of recorded responses, the problems are those that
    it answers. StudyError names file, line and what to do.
    """
    if recorded is not None:
        frame = recorded[list(COLUMNS)].drop_duplicates("problem_id").reset_index(drop=True)
        return frame, checksum(frame)
    if settings.source == "miniature":
        from ttstudy.miniature.task import problems

        try:
            rows = problems(settings.seed, settings.split, settings.problems, settings.task)
        except ValueError as error:
            raise StudyError(str(error)) from None
        frame = pd.DataFrame([row._asdict() for row in rows]).assign(subject=None)
        return frame, checksum(frame)
    if settings.source == "generated":
        from ttstudy.data import generated

        made = generated.problems(settings.seed, settings.problems, settings.depth, settings.largest)
        frame = pd.DataFrame(made)
        return frame, checksum(frame)
    if settings.source == "recorded":
        raise TypeError("problems of recorded responses come from their table")
    columns = {str(ours): theirs for ours, theirs in settings.columns.items()}
    if settings.source == "hub":
        from ttstudy.data import hub

        with TemporaryDirectory() as folder:
            file = hub.fetch_dataset_file(
                settings.id, settings.revision, settings.file, settings.split, Path(folder), settings.checksums
            )
            frame = read_file(file, columns)
    else:
        frame = read_file([*map(Path, files)], columns)
    found = checksum(frame)
    agrees(settings, found)
    return frame.head(settings.problems) if settings.problems else frame, found


def drawn(frame: pd.DataFrame, limit: int | None) -> pd.DataFrame:
    """At most `limit` problems, in their order: those whose texts have the smallest SHA-256.

    As good as drawn by lot, the same in every study, and each larger trial has all of the smaller one. Not the first
    of the file: benchmarks are often sorted by subject or difficulty.
    """
    if limit is None or limit >= len(frame):
        return frame
    lots = frame["problem"].map(lambda text: sha256(str(text).encode()).hexdigest())
    return frame.loc[lots.sort_values(kind="stable").index[:limit].sort_values()].reset_index(drop=True)


def checksum(frame: pd.DataFrame) -> str:
    """SHA-256 of a benchmark's table: its rows in their order, as JSON of the columns `COLUMNS`."""
    rows = frame[list(COLUMNS)].astype(object).where(frame[list(COLUMNS)].notna(), None).to_numpy().tolist()
    return sha256(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def read_file(files: Path | Sequence[Path], columns: Mapping[str, str]) -> pd.DataFrame:
    """Problems of files (see `ttstudy.data.reading`), normalised to text columns and checked.

    `columns`: our column's name to the file's, or a path in its rows, where they differ. StudyError names the file, the
    line or row, and what is wrong with it.
    """
    files = [files] if isinstance(files, Path) else list(files)
    rows = read_rows(files)
    if not rows:
        raise StudyError(f"{files[0]}: holds no problems; write one a line")
    theirs = {column: columns.get(column, column) for column in COLUMNS}
    for column in COLUMNS:
        wanted = column in REQUIRED or column in columns
        if wanted and all(pick(row, theirs[column]) is None and theirs[column] not in row for _, row in rows):
            known = told(available(row for _, row in rows))
            raise StudyError(
                f"{files[0]}: no column {theirs[column]!r} (it has: {known}); map it with `columns: {{{column}: ...}}`"
            )
    texts = [
        {column: _text(_field(row, theirs[column], column), column, f"{place.file}: {place}") for column in COLUMNS}
        for place, row in rows
    ]
    for (place, _), row in zip(rows, texts, strict=True):
        try:
            row["answer"] = gold(str(row["answer"]))
        except ValueError as error:
            raise StudyError(f"{place.file}: {place}: answer {error}") from None
    seen: dict[str, Place] = {}
    for (place, _), row in zip(rows, texts, strict=True):
        first = seen.setdefault(same_id(str(row["problem_id"])), place)
        if first != place:
            where = str(first) if first.file == place.file else f"{first.file.name}, {first}"
            what = f"problem_id {row['problem_id']!r} is there twice (first in {where})"
            raise StudyError(f"{place.file}: {place}: {what}")
    return pd.DataFrame(texts, columns=list(COLUMNS), dtype=object)


def _field(row: Mapping[str, Any], name: str, column: str) -> Any:
    """A value of a row; answers in a list are one text with commas."""
    value = pick(row, name)
    if column == "answer" and isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(str, value))
    return value


def read_rows(files: Path | Sequence[Path]) -> list[tuple[Place, dict[str, Any]]]:
    """Rows of files of problems or of labelled solutions as they are; StudyError at the first that cannot be read."""
    found = []
    for place, row in read([files] if isinstance(files, Path) else files, PROBLEMS):
        if isinstance(row, BrokenRow):
            raise StudyError(f"{place.file}: {place}: {row}")
        found.append((place, row))
    # One object that only holds the rows.
    if len(found) == 1 and not _FIELDS & found[0][1].keys() and (inner := items(found[0][1])):
        return [(Place(found[0][0].file, "item", number), item) for number, item in enumerate(inner, 1)]
    return found


def _text(value: Any, column: str, place: str) -> str | None:
    """A value as text; StudyError where it is no text or number, or a required one is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        value = ""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise StudyError(f"{place}: {column} must be text or a number, not {_KINDS.get(type(value), 'a value')}")
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        raise StudyError(f"{place}: {column} is not a finite number")
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if odd := _ODD.search(text):
        raise StudyError(f"{place}: {column} has the character {odd.group()!r}; write it as plain text")
    if column in REQUIRED and not text.strip():
        raise StudyError(f"{place} has no {column}; every problem needs one")
    if column == "problem_id":
        text = text.strip()
        if reason := odd_id(text):
            raise StudyError(f"{place}: problem_id {reason}")
    return text if text.strip() else None

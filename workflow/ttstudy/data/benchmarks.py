"""Benchmarks: problems with answers, from the miniature task or from a file, as one checked table."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from ttstudy.answers.gold import gold
from ttstudy.data.rows import KeyTwiceError, json_value, odd_id, same_id
from ttstudy.errors import StudyError
from ttstudy.study.benchmarks import Benchmark, agrees

COLUMNS = ("problem_id", "problem", "answer", "level", "subject")
REQUIRED = COLUMNS[:3]
LONGEST_LINE = 10_000_000
LONGEST_TABLE = 10_000_000
LARGEST_TABLE = 1_000_000_000
"""Rows, and bytes of all texts, of a Parquet file, which may unpack to far more than its own size."""
_BATCH = 64
_ODD = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_KINDS = {bool: "true or false", list: "a list", dict: "an object", bytes: "bytes"}


def load(
    settings: Benchmark, path: str | None = None, recorded: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, str]:
    """The `benchmark` table of a section of the configuration, and the SHA-256 of all its problems.

    `path`: where a file of problems lies. With `recorded`, a table of recorded responses, the problems are those that
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
        frame = read_file(Path(path or settings.path), columns)
    found = checksum(frame)
    agrees(settings, found)
    return frame.head(settings.problems) if settings.problems else frame, found


def checksum(frame: pd.DataFrame) -> str:
    """SHA-256 of a benchmark's table: its rows in their order, as JSON of the columns `COLUMNS`."""
    rows = frame[list(COLUMNS)].astype(object).where(frame[list(COLUMNS)].notna(), None).to_numpy().tolist()
    return sha256(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def read_file(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Problems of a JSONL or Parquet file, normalised to text columns and checked.

    `columns`: our column's name to the file's, where they differ. StudyError names the file, the line (JSONL) or the
    row (Parquet), and what is wrong with it.
    """
    rows = read_rows(path)
    if not rows:
        raise StudyError(f"{path}: holds no problems; write one a line")
    theirs = {column: columns.get(column, column) for column in COLUMNS}
    have = list(dict.fromkeys(name for _, row in rows for name in row))
    for column in COLUMNS:
        if theirs[column] not in have and (column in REQUIRED or column in columns):
            known = ", ".join(have[:12]) or "none"
            raise StudyError(
                f"{path}: no column {theirs[column]!r} (it has: {known}); map it with `columns: {{{column}: ...}}`"
            )
    texts = [
        {column: _text(_field(row, theirs[column], column), column, f"{path}: {where}") for column in COLUMNS}
        for where, row in rows
    ]
    for (where, _), row in zip(rows, texts, strict=True):
        try:
            row["answer"] = gold(str(row["answer"]))
        except ValueError as error:
            raise StudyError(f"{path}: {where}: answer {error}") from None
    seen: dict[str, str] = {}
    for (where, _), row in zip(rows, texts, strict=True):
        first = seen.setdefault(same_id(str(row["problem_id"])), where)
        if first != where:
            raise StudyError(f"{path}: {where}: problem_id {row['problem_id']!r} is there twice (first in {first})")
    return pd.DataFrame(texts, columns=list(COLUMNS), dtype=object)


def _field(row: Mapping[str, Any], name: str, column: str) -> Any:
    """A value of a row; answers in a list are one text with commas."""
    value = row.get(name)
    if column == "answer" and isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(str, value))
    return value


def read_rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Rows of a JSONL or Parquet file as they are, each with its place: `line 3` or `row 3`."""
    try:
        return list(_parquet_rows(path) if path.suffix == ".parquet" else _lines(path))
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror or error})") from None


def _parquet_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = []
    size = 0
    try:
        schema = pq.read_schema(path)
        texts = [field.name for field in schema if field.type in (pa.string(), pa.large_string())]
        # As dictionaries: what they would unpack to is known before it is unpacked.
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            names = schema.names
            if len(set(names)) < len(names):
                double = next(name for name in names if names.count(name) > 1)
                raise StudyError(f"{path}: column {double!r} is there twice; keep one of them")
            for batch in file.iter_batches(batch_size=_BATCH):
                size += sum(map(_unpacked, batch.columns))
                if size > LARGEST_TABLE or len(rows) >= LONGEST_TABLE:
                    limit = f"{LONGEST_TABLE:,} rows or {LARGEST_TABLE:,} bytes of text"
                    raise StudyError(f"{path}: more than {limit}; give a part of it")
                rows += batch.to_pylist()
    except StudyError:
        raise
    except (pa.ArrowException, ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StudyError(f"{path}: not a readable Parquet file ({reason}); copy or download it again") from None
    return ((f"row {number}", row) for number, row in enumerate(rows, 1))


def _unpacked(column: Any) -> int:
    """Bytes of a column's texts, each as often as it is there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    values = column.dictionary
    lengths = pc.binary_length(values) if not pa.types.is_primitive(values.type) else pa.array([8] * len(values))
    return int(pc.sum(lengths.take(column.indices)).as_py() or 0)


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    number = 0
    with path.open("rb") as stream:
        while line := stream.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                raise StudyError(f"{path}: line {number} is longer than {LONGEST_LINE:,} bytes; one problem a line")
            text = _decoded(line, path, number).strip()
            if text:
                yield f"line {number}", _row(text, f"{path}: line {number}")


def _decoded(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        raise StudyError(f"{path}: line {number} is not UTF-8 text; save the file as UTF-8") from None


def _row(text: str, place: str) -> dict[str, Any]:
    try:
        row = json_value(text)
    except KeyTwiceError as error:
        raise StudyError(f"{place}: {error}") from None
    except json.JSONDecodeError as error:
        raise StudyError(f"{place} is not valid JSON ({error.msg}); write one JSON object a line") from None
    except RecursionError:
        raise StudyError(f"{place} is nested too deeply; write one flat JSON object a line") from None
    except ValueError as error:  # a number of thousands of digits
        raise StudyError(f"{place} cannot be read ({error})") from None
    if not isinstance(row, dict):
        raise StudyError(f"{place} is not a JSON object; write one object a line, with {', '.join(REQUIRED)}")
    return row


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

"""The contract of every table: its columns, checked when it is written and when it is read.

A table is a Parquet file. It is written under a temporary name and renamed, so a reader never sees half of one,
and the same rows give the same bytes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ttstudy.dag import stamps
from ttstudy.data.columns import CHOICES, COLUMNS, KEYS, OPTIONAL, REGISTERED
from ttstudy.data.contracts import RULES
from ttstudy.errors import StudyError

if TYPE_CHECKING:
    import pyarrow as pa

    from ttstudy.dag.specs.records import File

WHOLE = {"write_page_checksum": True}
"""Bytes that changed on the disk are noticed when they are read."""
TOGETHER = 4096
"""Rows of a table that are read together: one response of a million is found without unpacking the others."""


class TableError(StudyError):
    """A table breaks its contract; the message names the table, the column and the first bad row."""


class DamagedError(TableError):
    """A table that is not a whole Parquet file; `path` is to be made again."""

    def __init__(self, path: Path, reason: str) -> None:
        """The file, and what a reader says of it."""
        super().__init__(f"{path}: not a readable Parquet table ({reason}); run again, and it is made anew")
        self.path = path


@cache
def schema(
    name: str, gaps: frozenset[str] = frozenset(), more: tuple[str, ...] = (), foreign: bool = False
) -> Any:
    """Pandera schema of a table by name; `gaps` are its counts in which a value is missing, `more` columns that it has.

    Those are `name:kind`, as contracts have them. `foreign`: see `read`.
    """
    import pandera.pandas as pa

    def column(key: str, kind: str) -> pa.Column:
        nullable = kind.endswith("?")
        kind = kind.removesuffix("?")
        if key in gaps:
            kind = "amount"
        if foreign and kind in REGISTERED:
            kind = "str"
        if kind in CHOICES:
            known = pa.Check.isin(CHOICES[kind], error=f"not one of {', '.join(CHOICES[kind])}")
            return pa.Column(str, known, nullable=nullable)
        checks = {
            "str": (str, []),
            "int": (int, []),
            "count": (int, [pa.Check.ge(0)]),
            "amount": (float, [pa.Check.in_range(0, sys.float_info.max)]),
            "float": (float, []),
            "share": (float, [pa.Check.in_range(0, 1)]),
            "bool": (bool, []),
            "texts": (object, []),
            "numbers": (object, []),
        }
        dtype, rules = checks[kind]
        return pa.Column(dtype, rules, nullable=nullable)

    columns = dict(item.split(":") for item in (*COLUMNS[name].split(), *more))
    return pa.DataFrameSchema(
        {key: column(key, kind) for key, kind in columns.items()},
        unique=KEYS.get(name),
        coerce=True,
        strict=False,
    )


def check(name: str, frame: pd.DataFrame, where: str = "", foreign: bool = False) -> pd.DataFrame:
    """The frame with its columns in contract order and dtype; TableError for the first breach."""
    from pandera.errors import SchemaError, SchemaErrors

    gaps = [
        item.split(":")[0]
        for item in COLUMNS[name].split()
        if item.endswith(":count?") and item.split(":")[0] in frame and frame[item.split(":")[0]].isna().any()
    ]
    more = tuple(item for item in OPTIONAL.get(name, "").split() if item.split(":")[0] in frame)
    contract = schema(name, frozenset(gaps), more, foreign)
    missing = [column for column in contract.columns if column not in frame.columns]
    place = f"{where}: " if where else ""
    if missing:
        raise TableError(f"{place}table {name} has no column {missing[0]!r}")
    try:
        frame = contract.validate(frame)
    except (SchemaError, SchemaErrors) as error:
        cases = getattr(error, "failure_cases", None)
        case = ""
        if isinstance(cases, pd.DataFrame) and len(cases):
            row = cases.iloc[0]
            case = f" (row {row['index']}: {str(row['failure_case'])[:60]!r})"
        column = getattr(getattr(error, "schema", None), "name", None)
        reason = str(getattr(error, "reason_code", None) or "contract").split(".")[-1].lower().replace("_", " ")
        detail = str(getattr(getattr(error, "check", None), "error", None) or reason)
        raise TableError(f"{place}table {name}, column {column}: {detail}{case}") from None
    for text, holds in RULES.get(name, ()):
        bad = np.flatnonzero(~np.asarray(holds(frame), dtype=bool))
        if len(bad):
            row = frame.iloc[bad[0]]
            which = ", ".join(f"{key} {row[key]}" for key in KEYS.get(name, contract.columns) if key in row)
            raise TableError(f"{place}table {name}, row {frame.index[bad[0]]} ({which[:300]}): {text}")
    ordered = list(contract.columns)
    return frame[ordered + [column for column in frame.columns if column not in ordered]]


def empty(name: str) -> pd.DataFrame:
    """A table of this kind without a row."""
    return pd.DataFrame(columns=[item.split(":")[0] for item in COLUMNS[name].split()])


def write(name: str, frame: pd.DataFrame, path: Path | str, notes: Mapping[str, str] | None = None) -> None:
    """Write a checked table with the running step's stamp, and notes, in it; it appears whole or not at all."""
    import pyarrow as pa

    path = Path(path)
    frame = check(name, frame, str(path)).reset_index(drop=True)
    keep(stamps.on_table(pa.Table.from_pandas(frame, preserve_index=False), path, notes), path)


def keep(table: pa.Table, path: Path) -> None:
    """Write an Arrow table as every table is written; the file appears whole or not at all."""
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(table, temporary, TOGETHER, compression="zstd", **WHOLE)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A Parquet file (only `columns`), its checksums verified; OSError or ValueError where it is damaged."""
    return pd.read_parquet(
        path, engine="pyarrow", columns=list(columns) if columns else None, page_checksum_verification=True
    )


def read(
    name: str, path: Path | str, columns: Sequence[str] | None = None, foreign: bool = False
) -> pd.DataFrame:
    """Read and check a table (only `columns`, then unchecked); TableError when it is absent or damaged.

    A column whose name ends in `?` is read where it is there. `foreign`: of a study that may have been made with
    methods, scores and votes that are not here.
    """
    path = Path(path)
    try:
        if columns and any(column.endswith("?") for column in columns):
            columns = _present(path, columns)
        frame = load(path, columns)
    except FileNotFoundError:
        raise TableError(f"{path}: the table {name} is not there; run the step that makes it") from None
    except (OSError, ValueError, KeyError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        if "FieldRef" in first or isinstance(error, KeyError):
            raise TableError(f"{path}: table {name} lacks a column that is asked for ({first})") from None
        raise DamagedError(path, first) from None
    return frame if columns else check(name, frame, str(path), foreign)


def _present(path: Path, columns: Sequence[str]) -> list[str]:
    """Names of columns, without those that are asked for with a `?` and are not there."""
    import pyarrow.parquet as pq

    there = set(pq.read_schema(path).names)
    return [name.removesuffix("?") for name in columns if name.removesuffix("?") in there or not name.endswith("?")]


def of(name: str, file: File, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A table that a spec names (only `columns`, then unchecked)."""
    return read(name, file.path, columns)


def joined(name: str, files: Iterable[File], columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Tables of one kind that a spec names (only `columns`) below each other, in the order of the files."""
    return pd.concat([of(name, file, columns) for file in files], ignore_index=True)


def parts(file: File, columns: Sequence[str], rows: int = 4096) -> Iterator[pd.DataFrame]:
    """A table that a spec names, `rows` rows of some columns at a time: long texts need not be in memory together."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, start = Path(file.path), 0
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as table:
            for batch in table.iter_batches(rows, columns=list(columns)):
                frame = batch.to_pandas()
                frame.index += start
                start += len(frame)
                yield frame
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise DamagedError(path, str(error).splitlines()[0]) from None

"""Reading some rows of a large table: what is not asked for is skipped, and little is in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ttstudy.data.tables import DamagedError

BATCH = 512
"""Rows that are in memory at a time."""


@contextmanager
def table(path: Path) -> Iterator[pq.ParquetFile]:
    """An open table; DamagedError where it is not whole."""
    try:
        with pq.ParquetFile(path, read_dictionary=["problem_id"]) as file:
            yield file
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise DamagedError(path, (str(error).splitlines() or [type(error).__name__])[0]) from None


def count(path: Path) -> int | None:
    """Rows of a table, by its footer; None where it is not there."""
    if not path.exists():
        return None
    with table(path) as file:
        return int(file.metadata.num_rows)


def batches(
    path: Path, columns: Sequence[str], wanted: np.ndarray | None = None, size: int = BATCH
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches of some columns, each with the number of its first row.

    Of row groups and batches without a row of `wanted` [sorted row numbers] none is given. A column that is not there
    is left out.
    """
    with table(path) as file:
        there = [name for name in columns if name in file.schema_arrow.names]
        start = 0
        for group in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            left = _within(wanted, start, rows)
            if left is None or len(left):
                at = start
                for batch in file.iter_batches(size, row_groups=[group], columns=there):
                    mine = _within(left, at, len(batch))
                    if mine is None or len(mine):
                        yield at, batch
                    at += len(batch)
                    if left is not None and at > left[-1]:
                        break
            start += rows


def _within(wanted: np.ndarray | None, start: int, rows: int) -> np.ndarray | None:
    """The wanted rows among `rows` from `start` on."""
    if wanted is None:
        return None
    return wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, start + rows)]


def read(path: Path, wanted: Sequence[int] | np.ndarray, columns: Sequence[str]) -> dict[int, dict[str, Any]]:
    """Some rows of a table by their numbers."""
    order = np.unique(np.asarray(wanted, dtype=np.int64))
    found: dict[int, dict[str, Any]] = {}
    if not len(order) or not path.exists():
        return found
    for start, batch in batches(path, columns, order):
        mine = _within(order, start, len(batch))
        assert mine is not None
        taken = batch.take(pa.array(mine - start)).to_pylist()
        found |= dict(zip(map(int, mine), taken, strict=True))
    return found

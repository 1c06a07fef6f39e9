"""The first problems of a benchmark and of a labelled set where their files are at hand, else made-up ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttstudy.dag.inputs import benchmark_spec
from ttstudy.dag.layout import Layout
from ttstudy.data import benchmarks, tables
from ttstudy.data.benchmarks import COLUMNS
from ttstudy.errors import StudyError
from ttstudy.study import FileBenchmark, HubBenchmark

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]
MADE = "made-up problems, under the columns that the study names"


@dataclass(frozen=True)
class Given:
    """Problems of a rehearsal: rows as the benchmark's own file has them, and where they are from, in words."""

    rows: Sequence[Row]
    origin: str
    columns: Mapping[str, str] = field(default_factory=dict)
    """Our column's name to the file's, where they differ."""

    @property
    def answers(self) -> list[str]:
        """The answers, each once: what stand-ins put in boxes."""
        key = self.columns.get("answer", "answer")
        return list(dict.fromkeys(str(row[key]) for row in self.rows))


def of_benchmark(layout: Layout, name: str, count: int) -> Given:
    """The first problems of a benchmark of a file or of the hub; StudyError where its file cannot be read as told.

    A file of the hub is at hand where an earlier run made its table.
    """
    settings = layout.study.benchmarks[name]
    assert isinstance(settings, FileBenchmark | HubBenchmark)
    columns = {str(ours): theirs for ours, theirs in settings.columns.items()}
    if isinstance(settings, FileBenchmark):
        files = [*map(Path, benchmark_spec(layout, name).sources)]
        frame = benchmarks.read_file(files, columns).head(count)
        return Given(_as_named(frame, columns), f"the first {len(frame)} problems of {files[0]}", columns)
    table = layout.root / benchmark_spec(layout, name).product
    if not table.is_file():
        return Given(made(name, count, columns), MADE, columns)
    frame = tables.read("benchmark", table).head(count)
    return Given(_as_named(frame, columns), f"its first {len(frame)} problems, as fetched before", columns)


def _as_named(frame: pd.DataFrame, columns: Mapping[str, str]) -> list[Row]:
    """Rows of a benchmark's table under a file's own names of columns."""
    return [
        {columns.get(ours, ours): row[ours] for ours in COLUMNS if row[ours] is not None}
        for row in frame.to_dict("records")
    ]


def made(name: str, count: int, columns: Mapping[str, str] | None = None) -> list[Row]:
    """Made-up problems, each with another answer, under a file's own names of columns."""
    told = columns or {}
    return [
        {
            told.get(column, column): value
            for column, value in {
                "problem_id": f"made-{name}-{number}",
                "problem": f"Compute {number + 2} + {3 * number + 1}.",
                "answer": str(4 * number + 3),
                "level": str(number % 5 + 1),
                "subject": "Made up",
            }.items()
        }
        for number in range(count)
    ]


def solutions(rows: Iterable[Row]) -> list[Row]:
    """Made-up labelled solutions in the plain form: with and without a wrong step, with short steps and longer ones."""
    begun = "First we add.", "First we add.", "First we add all the numbers that the problem names, one by one."
    return [
        {"problem": row["problem"], "steps": [first, f"So it is {row['answer']}."], "first_error": place}
        for place, first, row in zip((-1, 0, 1, -1) * 100, begun * 134, rows, strict=False)
    ]


def write(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Write rows as JSON lines or as Parquet, by the suffix; StudyError for any other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps([dict(row) for row in rows], ensure_ascii=False, default=str), encoding="utf-8")
    elif path.suffix == ".jsonl":
        lines = (json.dumps(row, ensure_ascii=False, default=str) for row in rows)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    else:
        raise StudyError(f"{path.name}: is neither .jsonl, .json nor .parquet; name a file that is")
    return path

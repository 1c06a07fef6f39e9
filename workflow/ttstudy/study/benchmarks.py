"""Benchmarks, by where their problems come from, and sets of labelled solutions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ttstudy.errors import StudyError
from ttstudy.study.fields import FREE, FilePath, HubSource, InnerPath, Options, RecordedPath, Section, Sha256


class MiniatureBenchmark(Section):
    """Problems of the miniature arithmetic task, made from a seed."""

    source: Literal["miniature"]
    split: Literal["test", "validation"] = "test"
    problems: int = Field(gt=0, le=100_000, description="number of problems")
    seed: int = Field(ge=0, lt=2**63, description="seed of the problems")
    task: Options = Field(default_factory=dict, description="options of the task; empty: as `miniature.task`")


class _Table(Section):
    columns: dict[Literal["problem_id", "problem", "answer", "level", "subject"], str] = Field(
        default_factory=dict, description="our column name: the file's column name, where they differ"
    )
    problems: int | None = Field(default=None, gt=0, le=10_000_000, description="use only the first so many problems")
    sha256: Annotated[Sha256 | None, FREE] = Field(
        default=None, description="of the normalised table, all problems in order; the benchmark step's log tells it"
    )

    @model_validator(mode="after")
    def _one_column_each(self) -> _Table:
        if len(set(self.columns.values())) < len(self.columns):
            raise ValueError("columns names one column of the file twice")
        return self


class FileBenchmark(_Table):
    """Problems from a JSONL or Parquet file with columns problem_id, problem, answer (level, subject optional)."""

    source: Literal["file"]
    path: Annotated[FilePath, FREE] = Field(description="JSONL or Parquet file")


class HubBenchmark(HubSource, _Table):
    """Problems from a JSONL or Parquet file of a data set on the Hugging Face hub."""

    file: InnerPath | None = Field(default=None, description="file in the data set; null: the split's only one")
    split: str = Field(default="test", min_length=1, description="split whose file is taken where `file` is null")


class RecordedBenchmark(Section):
    """The problems of a file of recorded responses (see `ttstudy.data.recorded`)."""

    source: Literal["recorded"]
    path: Annotated[RecordedPath, FREE]


Benchmark = Annotated[
    MiniatureBenchmark | FileBenchmark | HubBenchmark | RecordedBenchmark, Field(discriminator="source")
]


class Labelled(Section):
    """Solutions whose first wrong step is known, from a JSONL or Parquet file; every PRM scores them."""

    path: Annotated[FilePath, FREE] = Field(description="JSONL or Parquet file")
    format: Literal["plain", "processbench", "prm800k"] = Field(
        default="plain", description="plain: problem, steps, first_error (-1 or null: none), policy where known"
    )
    solutions: int | None = Field(default=None, gt=0, description="use only the first so many solutions")


def agrees(settings: Benchmark, found: str | None) -> None:
    """StudyError where a benchmark's problems have not the checksum that its section of the configuration wants."""
    wanted = getattr(settings, "sha256", None)
    if found is not None and wanted not in (None, found):
        name = getattr(settings, "path", None) or getattr(settings, "id", None)
        raise StudyError(
            f"{name}: the problems' SHA-256 is {found}, not {wanted}; they are not "
            "those that `sha256` was written for: give the right file, or the new checksum"
        )

"""Benchmarks, by where their problems come from, and sets of labelled solutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from ttstudy.errors import StudyError
from ttstudy.kinds.labelled import LABELLINGS
from ttstudy.study.fields import FILES, FREE, Day, HubSource, InnerPath, Name, OneOf, Options, Paths, Section, Sha256
from ttstudy.study.intake import Intake

Steps = Annotated[int, Field(ge=1, le=20)]
PUBLISHED = "day or month in which its problems were published; held against each policy's `cutoff`"


class MiniatureBenchmark(Section):
    """Problems of the miniature arithmetic task, made from a seed."""

    source: Literal["miniature"]
    split: Literal["test", "validation"] = Field(default="test", description="no problem is in both")
    problems: int = Field(gt=0, le=100_000, description="number of problems")
    seed: int = Field(ge=0, lt=2**63, description="seed of the problems")
    task: Options = Field(default_factory=dict, description="options of the task; empty: as `miniature.task`")


class GeneratedBenchmark(Section):
    """Word problems made from a seed, for any chat model: new to all of them (`ttstudy.data.generated`)."""

    source: Literal["generated"]
    problems: int = Field(gt=0, le=100_000, description="number of problems")
    seed: int = Field(ge=0, lt=2**63, description="seed of the problems")
    depth: tuple[Steps, Steps] = Field(
        default=(2, 6), strict=False, description="fewest and most steps of a problem; its level in the table"
    )
    largest: int = Field(default=999, ge=100, le=999_999, description="no number on the way is larger")

    @model_validator(mode="after")
    def _ordered(self) -> GeneratedBenchmark:
        if self.depth[0] > self.depth[1]:
            raise ValueError("depth must be [fewest, most], as in [2, 6]")
        return self


class _Table(Section):
    published: Annotated[Day | None, FREE] = Field(default=None, description=PUBLISHED)
    columns: dict[Literal["problem_id", "problem", "answer", "level", "subject"], str] = Field(
        default_factory=dict, description="our column: the file's, or a path in it (doc.question), where they differ"
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
    """Problems from files with columns problem_id, problem, answer (level, subject optional)."""

    source: Literal["file"]
    path: Annotated[Paths, FREE] = Field(description=FILES)


class HubBenchmark(HubSource, _Table):
    """Problems from a JSONL or Parquet file of a data set on the Hugging Face hub."""

    file: InnerPath | None = Field(default=None, description="file in the data set; null: the split's only one")
    split: str = Field(default="test", min_length=1, description="split whose file is taken where `file` is null")


class RecordedBenchmark(Intake):
    """The problems of recorded responses: those of a policy's files, or of files named here as a policy names them."""

    source: Literal["recorded"]
    policy: Annotated[Name | None, FREE] = Field(
        default=None, description="recorded policy whose problems they are; null: those of `path`"
    )
    published: Annotated[Day | None, FREE] = Field(default=None, description=PUBLISHED)

    @model_validator(mode="after")
    def _one_place(self) -> RecordedBenchmark:
        own = [name for name in ("path", "format", "columns", "skip_broken") if getattr(self, name)]
        if self.policy is None and self.path is None:
            raise ValueError("needs `policy`, the recorded policy that answers its problems, or `path`")
        if self.policy is not None and own:
            raise ValueError(f"has `policy` and `{own[0]}`; the policy's own section says how its files are read")
        return self


Benchmark = Annotated[
    MiniatureBenchmark | GeneratedBenchmark | FileBenchmark | HubBenchmark | RecordedBenchmark,
    Field(discriminator="source"),
]


class _Solutions(Section):
    format: Annotated[str | None, OneOf([*LABELLINGS, None])] = Field(
        default=None,
        description="null: known by its content; "
        + "; ".join(f"{name}: {form.about}" for name, form in LABELLINGS.items()),
    )
    solutions: int | None = Field(default=None, gt=0, description="use only the first so many solutions")


class Labelled(_Solutions):
    """Solutions whose first wrong step is known, from files; every PRM scores them."""

    path: Annotated[Paths, FREE] = Field(description=FILES)


class HubLabelled(HubSource, _Solutions):
    """The same from a file of a data set on the Hugging Face hub."""

    file: InnerPath = Field(description="file in the data set")


def _source(given: Any) -> str:
    """Which of the two an entry is: one of a file has no `source`."""
    source = given.get("source") if isinstance(given, Mapping) else getattr(given, "source", None)
    return "file" if source is None else "hub"


LabelledSolutions = Annotated[
    Annotated[Labelled, Tag("file")] | Annotated[HubLabelled, Tag("hub")], Discriminator(_source)
]


def agrees(settings: Benchmark, found: str | None) -> None:
    """StudyError where a benchmark's problems have not the checksum that its section of the configuration wants."""
    wanted = getattr(settings, "sha256", None)
    if found is not None and wanted not in (None, found):
        name = getattr(settings, "path", None) or getattr(settings, "id", None)
        raise StudyError(
            f"{name}: the problems' SHA-256 is {found}, not {wanted}; they are not "
            "those that `sha256` was written for: give the right file, or the new checksum"
        )

"""What workflow/resources.yaml and a site's file may hold: types and ranges, checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, ValidationError, model_validator

from ttstudy.errors import StudyError
from ttstudy.study.fields import Section, printable
from ttstudy.study.reading import sentences

Positive = Annotated[float, Field(gt=0, le=1e12)]


class _Row(Section):
    size: Positive
    gpus: Annotated[int, Field(ge=0, le=10_000)]
    memory_gb: Positive
    hours: Positive


class _Light(Section):
    memory_gb: Positive
    hours: Positive


class _Share(Section):
    policy: Positive
    prm: Positive


class _Expected(Section):
    response_tokens: dict[str, Positive]
    prompt_tokens: Positive
    steps: Positive = 8.0
    characters_per_token: Positive
    problems: dict[str, Positive]
    bytes_per_token: Positive


class _Speed(Section):
    peak_tflops: Positive
    drawing: Positive
    reading: Positive
    measured: dict[str, Positive]


class ResourcesFile(Section):
    """workflow/resources.yaml."""

    policies: Annotated[list[_Row], Field(min_length=1)]
    prms: Annotated[list[_Row], Field(min_length=1)]
    share_a_gpu: _Share
    light: _Light
    training: _Light
    expected: _Expected
    speed: _Speed

    @model_validator(mode="after")
    def _fits_together(self) -> ResourcesFile:
        for key, rows in (("policies", self.policies), ("prms", self.prms)):
            if [row.size for row in rows] != sorted(row.size for row in rows):
                raise ValueError(f"{key}: rows must rise by size")
        for key, values in (("response_tokens", self.expected.response_tokens), ("problems", self.expected.problems)):
            if "default" not in values:
                raise ValueError(f"expected.{key}: has no `default`")
        return self


Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.,:@/+-]*$")]
"""A name as Slurm has them, which its command lines take as it is."""


class SiteFile(Section):
    """A site's settings; see workflow/profiles/slurm/site.yaml."""

    cpu_partition: Word | None = None
    gpu_partition: Word | None = None
    account: Word | None = None
    gpu_model: Word | None = None
    scratch: Annotated[str, AfterValidator(printable)] | None = Field(default=None, min_length=1, max_length=1000)
    gpu_memory_gb: float | None = Field(default=None, ge=4, le=10_000)
    longest_hours: float | None = Field(default=None, gt=0, le=1e5)
    gpus_per_node: int | None = Field(default=None, ge=1, le=1000)
    cpus_per_gpu: int | None = Field(default=None, ge=1, le=1000)


def checked(section: type[BaseModel], content: Mapping[str, Any], path: Path) -> None:
    """StudyError, which names the file and its keys, where a file's content does not fit."""
    try:
        section.model_validate(dict(content))
    except ValidationError as error:
        known = f"unknown key; there are {', '.join(section.model_fields)}"
        found = [f"{text.split(': unknown key;')[0]}: {known}" if ": unknown key;" in text else text
                 for text in sentences(error)]  # fmt: skip
        raise StudyError(f"{path}: " + "; ".join(found[:4])) from None

"""The table of resources, workflow/resources.yaml: what jobs ask for, how long texts are, how fast models are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError, model_validator

from ttstudy.errors import StudyError
from ttstudy.study import read_yaml
from ttstudy.study.fields import Section
from ttstudy.study.reading import sentences

TABLE = Path(__file__).resolve().parents[2] / "resources.yaml"
Positive = Annotated[float, Field(gt=0, le=1e12)]


class _Row(Section):
    size: Positive
    gpus: Annotated[int, Field(ge=0, le=10_000)]
    memory_gb: Positive | None = None
    hours: Positive | None = None


class _Light(Section):
    memory_gb: Positive
    hours: Positive


class _Process(Section):
    cpu: Positive
    gpu: Positive


class _Asked(Section):
    spare: Annotated[float, Field(ge=1, le=10)]
    least_minutes: Positive
    round_minutes: Positive
    process_gb: _Process
    cpu_bytes: Positive


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


class _OnCore(Section):
    drawing: Positive
    reading: Positive


class _Speed(Section):
    peak_tflops: Positive
    drawing: Positive
    reading: Positive
    cpu_tflops: _OnCore
    overlap: Annotated[float, Field(ge=0, le=1)]
    measured: dict[str, Positive]


class _Loading(Section):
    seconds: Positive
    bytes: Positive
    gb_per_second: Positive


class ResourcesFile(Section):
    """workflow/resources.yaml."""

    policies: Annotated[list[_Row], Field(min_length=1)]
    prms: Annotated[list[_Row], Field(min_length=1)]
    share_a_gpu: _Share
    asked: _Asked
    light: _Light
    training: _Light
    expected: _Expected
    loading: _Loading
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


def checked(section: type[BaseModel], content: Mapping[str, Any], path: Path) -> None:
    """StudyError, which names the file and its keys, where a file's content does not fit."""
    try:
        section.model_validate(dict(content))
    except ValidationError as error:
        known = f"unknown key; there are {', '.join(section.model_fields)}"
        found = [f"{text.split(': unknown key;')[0]}: {known}" if ": unknown key;" in text else text
                 for text in sentences(error)]  # fmt: skip
        raise StudyError(f"{path}: " + "; ".join(found[:4])) from None


@cache
def table(path: Path = TABLE) -> Mapping[str, Any]:
    """The table; StudyError names the file and the key of whatever cannot be in it."""
    content = read_yaml(path)
    checked(ResourcesFile, content, path)
    return content


def models_row(group: str, billions: float, rows: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """The row of `policies` or `prms` for a model of so many billions of parameters; StudyError where none is."""
    for row in (table() if rows is None else rows)[group]:
        if billions <= row["size"]:
            return {"memory_gb": None, "hours": None} | dict(row)
    raise StudyError(f"workflow/resources.yaml: no row of {group} holds {billions:g} billion parameters; add one")

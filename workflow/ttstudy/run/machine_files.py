"""What a site's file may hold: types and ranges, checked before anything runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from ttstudy.study.fields import Section, printable

Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.,:@/+-]*$")]
"""A name as Slurm has them, which its command lines take as it is."""


Constraint = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_.&|,*()\[\]-]+$")]
"""Features of nodes as `sbatch --constraint` has them: `a100|h100`."""
Option = Annotated[str, StringConstraints(max_length=300, pattern=r"^--[a-z][a-z-]*(=[A-Za-z0-9_.,:@/+%=-]+)?$")]
"""An option of sbatch in one word, `--reservation=mine`, which a shell takes as it is."""
Text = Annotated[str, AfterValidator(printable), StringConstraints(min_length=1, max_length=1000)]


class SiteFile(Section):
    """A site's settings; see workflow/profiles/slurm/site.yaml."""

    cpu_partition: Word | None = None
    gpu_partition: Word | None = None
    account: Word | None = None
    gpu_model: Word | None = None
    qos: Word | None = None
    constraint: Constraint | None = None
    gpu_request: Literal["gpus", "gres"] | None = None
    extra: list[Option] | None = Field(default=None, max_length=20)
    before: list[Text] | None = Field(default=None, max_length=20)
    endpoints: Literal["login", "nodes"] | None = None
    scratch: Text | None = None
    gpu_memory_gb: float | None = Field(default=None, ge=4, le=10_000)
    longest_hours: float | None = Field(default=None, gt=0, le=1e5)
    gpus_per_node: int | None = Field(default=None, ge=1, le=1000)
    cpus_per_gpu: int | None = Field(default=None, ge=1, le=1000)

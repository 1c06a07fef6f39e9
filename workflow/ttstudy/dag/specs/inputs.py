"""Specs of what a study starts from: models, benchmarks, recorded responses, labelled solutions."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ttstudy.dag.specs.records import File, Spec, Versioned
from ttstudy.study.benchmarks import Benchmark, LabelledSolutions
from ttstudy.study.fields import FREE, Options


class TrainPolicySpec(Spec):
    """A policy of the miniature. Shipped checkpoints bear the digest of their definition, so it stays as it is."""

    step = "train_policy"
    name: Annotated[str, FREE]
    task: Options
    model: Options
    training: Options
    seed: int
    version: int

    def definition(self) -> dict[str, Any]:
        """What decides the checkpoint's bytes, as the trainer and its record have it."""
        return self._decides(own=False)

    def _decides(self, own: bool) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("task", "model", "training", "seed", "version")}


class TrainPRMSpec(TrainPolicySpec):
    """A PRM of the miniature; `policies` are the definitions that it learns from, `teachers` their checkpoints."""

    step = "train_reward_model"
    policies: dict[str, str]
    teachers: Annotated[dict[str, File], FREE]

    def _decides(self, own: bool) -> dict[str, Any]:
        return super()._decides(own) | {"policies": self.policies}


class FetchSpec(Spec):
    """A checkpoint of the hub at a commit."""

    step = "fetch_model"
    id: str
    revision: str | None
    checksums: Annotated[dict[str, str], FREE] = {}
    """SHA-256 of files: what came from elsewhere is refused."""


class ConvertSpec(Versioned):
    """A checkpoint folder made of a GGUF file, in the type that it runs in."""

    step = "convert_model"
    weights: File
    dtype: str


class RecordedSpec(Versioned):
    """Files of recorded responses, by their content, and how they are read.

    `score_kinds` decides only which rows are refused, unless rows that are refused are left out.
    """

    step = "recorded"
    form: str
    sha256: str
    sources: Annotated[dict[str, str], FREE]
    """Each file, and the SHA-256 of its content."""
    source_format: str | None = None
    columns: dict[str, str] = {}
    skip_broken: int = 0
    skipped_by: dict[str, str] = {}
    score_kinds: Annotated[dict[str, str], FREE] = {}

    @property
    def outside(self) -> dict[str, str]:
        """The files that are given."""
        return self.sources


class BenchmarkSpec(Versioned):
    """A benchmark's problems. `content`: the SHA-256 of files that are given, `sources`: each one's by its path.

    `limit`: how many of them a trial takes (`ttstudy.data.benchmarks.drawn`).
    """

    step = "benchmark"
    settings: Benchmark = Field(discriminator="source")
    content: str | None = None
    recorded: File | None = None
    limit: int | None = None
    sources: Annotated[dict[str, str], FREE] = {}

    @property
    def outside(self) -> dict[str, str]:
        """The files that are given, if there are some."""
        return self.sources


class LabelledSpec(Versioned):
    """Solutions labelled step by step. `sha256` is of files that are given, `sources` tells them."""

    step = "labelled"
    settings: LabelledSolutions
    sha256: str | None = None
    sources: Annotated[dict[str, str], FREE] = {}

    @property
    def outside(self) -> dict[str, str]:
        """The files that are given."""
        return self.sources

"""Specs of what models do and what is read off it: responses, scores, searches, grades, labels."""

from __future__ import annotations

from typing import Annotated

from ttstudy.dag.specs.records import Coded, File, Record, Versioned
from ttstudy.study.fields import FREE, OWN
from ttstudy.study.methods import Search
from ttstudy.study.models import VllmOptions, VllmPRMOptions
from ttstudy.study.policies import Endpoint
from ttstudy.study.prms import Format
from ttstudy.study.sampling import SamplingSettings, TokenConfidence


class Engine(Record):
    """What runs a policy; `vllm` has options of its own."""

    kind: str
    device: str = "cpu"
    dtype: str
    vllm: VllmOptions = VllmOptions()


class Drawing(Versioned):
    """Responses, or steps of them, of a policy whose weights are here."""

    seeds: tuple[int, str, str]
    """The study's seed and the names of benchmark and policy: a response's own seed is derived from them."""
    benchmark: File
    policy: File
    engine: Engine
    prompt: str
    sampling: SamplingSettings


class SampleSpec(Drawing):
    """A block of a pool: `pilot`, `cot` or `samples`."""

    step = "sample"
    pool: str
    block: Annotated[tuple[int, int], OWN]
    confidence: TokenConfidence | None = None
    confidences: dict[str, int] = {}
    """Versions of what is kept that are not 1."""


class AskSpec(Versioned):
    """A block of a pool from a policy behind an endpoint."""

    step = "ask"
    seeds: tuple[int, str, str]
    benchmark: File
    endpoint: Endpoint
    system: str | None = None
    prompt: str
    sampling: SamplingSettings
    pool: str
    block: Annotated[tuple[int, int], OWN]
    confidence: TokenConfidence | None = None
    confidences: dict[str, int] = {}


class RecordedResponsesSpec(Versioned):
    """A block of a pool from recorded responses; `pilot` samples come before the pool. `largest`: budget asked for."""

    step = "recorded_responses"
    benchmark: File
    policy: File
    pool: str
    pilot: int
    block: Annotated[tuple[int, int], OWN]
    largest: Annotated[int, FREE]


class Judge(Record):
    """A PRM and what reads with it. `formats`: versions of its input format that are not 1."""

    checkpoint: File
    format: Format | None = None
    formats: dict[str, int] = {}
    engine: str = "transformers"
    vllm: VllmPRMOptions = VllmPRMOptions()


class ScoreSpec(Versioned):
    """Step scores of a table of responses; of labelled solutions, which tell their problems, `benchmark` is None."""

    step = "score"
    pool: str
    """The end of the name of the folder that the responses lie in: all its tables are scored alike."""
    judge: Judge
    responses: Annotated[File, OWN]
    benchmark: Annotated[File | None, OWN] = None


class RecordedScoresSpec(Versioned):
    """Step scores that stand beside recorded responses, in one column."""

    step = "recorded_scores"
    pool: str
    column: str
    responses: Annotated[File, OWN]
    recorded: Annotated[File, OWN]


class SearchSpec(Drawing):
    """One method's search at one budget. `method_version`: of the method, where it is not 1."""

    step = "search"
    judge: Judge
    method: str
    method_version: int = 1
    options: Search
    budget: Annotated[int, OWN]


class GradeSpec(Coded):
    """Grades of a table of responses, one table per grader, in their order."""

    step = "grade"
    graders: tuple[str, ...]
    extraction: str
    benchmark: File
    responses: File
    cache: Annotated[str, FREE]
    """Folder of answers read and compared before: changes no byte."""


class LabelSpec(Coded):
    """Labels of every step of a table of the miniature's responses."""

    step = "label"
    benchmark: File
    responses: File

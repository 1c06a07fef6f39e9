"""Specs of what models do and what is read off it: responses, scores, searches, grades, labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import create_model

from ttstudy.dag.specs.records import Coded, File, Record, Versioned
from ttstudy.study.fields import FREE, OWN, Thinking
from ttstudy.study.methods import Search
from ttstudy.study.models import POLICY_OPTIONS, PRM_OPTIONS, fields_of
from ttstudy.study.policies import Endpoint
from ttstudy.study.prms import Format, Overflow, ScoreKind, Verdicts
from ttstudy.study.sampling import SamplingSettings, TokenConfidence

Shard = Annotated[tuple[int, int] | None, OWN]
"""Which part of a job's work, counted from 0, of how many equal ones; None: all of it. See `ttstudy.dag.shards`."""


class _Engine(Record):
    """What runs a policy; with a section of options for each engine that has some."""

    kind: str
    device: str = "cpu"
    dtype: str

    @property
    def options(self) -> dict[str, Any]:
        """Options of the engine of this kind."""
        return getattr(self, self.kind).model_dump() if self.kind in POLICY_OPTIONS else {}


if TYPE_CHECKING:
    Engine = _Engine
else:
    Engine = create_model(
        "Engine",
        __base__=_Engine,
        __doc__=_Engine.__doc__,
        __module__=__name__,
        **fields_of(POLICY_OPTIONS, _Engine),
    )


class Drawing(Versioned):
    """Responses, or steps of them, of a policy whose weights are here."""

    seeds: tuple[int, str, str]
    """The study's seed and the names of benchmark and policy: a response's own seed is derived from them."""
    benchmark: File
    policy: File
    engine: Engine
    prompt: str
    thinking: Thinking = "template"
    system: str | None = None
    examples: tuple[tuple[str, str], ...] = ()
    sampling: SamplingSettings
    shard: Shard = None


class Reading(Record):
    """How the study takes answers from responses, for a first look at them; see `ttstudy.run.probe`."""

    extraction: str
    unfinished: bool = False
    cut: bool = False
    accepted: bool = False
    """The study accepts that there may be none."""
    boxed: bool = False
    """The policy is asked for a box."""
    tells: bool = True


class SampleSpec(Drawing):
    """A block of a pool: `pilot`, `cot` or `samples`."""

    step = "sample"
    reading: Annotated[Reading | None, FREE] = None
    pool: str
    block: Annotated[tuple[int, int], OWN]
    stop: tuple[str, ...] = ()
    confidence: TokenConfidence | None = None
    confidences: dict[str, int] = {}
    """Versions of what is kept that are not 1."""


class AskSpec(Versioned):
    """A block of a pool from a policy behind an endpoint."""

    step = "ask"
    reading: Annotated[Reading | None, FREE] = None
    seeds: tuple[int, str, str]
    benchmark: File
    endpoint: Endpoint
    system: str | None = None
    examples: tuple[tuple[str, str], ...] = ()
    stop: tuple[str, ...] = ()
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
    uneven: Annotated[bool, FREE] = False


class _Judge(Record):
    """A PRM and what reads with it. `formats`: versions of its input format that are not 1.

    Of a generative PRM, `verdicts` says how it judges, and the study's `seed` begins every judgement's own.
    """

    checkpoint: File
    format: Format | None = None
    formats: dict[str, int] = {}
    engine: str = "transformers"
    device: Literal["cpu", "cuda"] | None = None
    """None: a GPU where the job was given one."""
    verdicts: Verdicts | None = None
    seed: int | None = None
    overflow: Overflow = "score"

    @property
    def options(self) -> dict[str, Any]:
        """Options of the engine."""
        return getattr(self, self.engine).model_dump() if self.engine in PRM_OPTIONS else {}


if TYPE_CHECKING:
    Judge = _Judge
else:
    Judge = create_model(
        "Judge", __base__=_Judge, __doc__=_Judge.__doc__, __module__=__name__, **fields_of(PRM_OPTIONS, _Judge)
    )


class ScoreSpec(Versioned):
    """Step scores of a table of responses; of labelled solutions, which tell their problems, `benchmark` is None."""

    step = "score"
    pool: str
    """The end of the name of the folder that the responses lie in: all its tables are scored alike."""
    judge: Judge
    responses: Annotated[File, OWN]
    benchmark: Annotated[File | None, OWN] = None
    shard: Shard = None


class RecordedScoresSpec(Versioned):
    """Scores that stand beside recorded responses, in one column, of a kind that the study tells."""

    step = "recorded_scores"
    pool: str
    column: str
    kind: ScoreKind = "probability"
    responses: Annotated[File, OWN]
    recorded: Annotated[File, OWN]


class SearchSpec(Drawing):
    """One method's search at one budget. `method_version`, `semantics_version`: where they are not 1."""

    step = "search"
    judge: Judge
    method: str
    method_version: int = 1
    semantics_version: int = 1
    options: Search
    budget: Annotated[int, OWN]
    run: int = 0
    """Of the study's runs of this search, from 0."""

    @property
    def seed(self) -> tuple[object, ...]:
        """What begins the seed of every node; of the first run as if there were no other."""
        return (*self.seeds, "run", self.run) if self.run else self.seeds


class GradeSpec(Coded):
    """Grades of a table of responses, one table per grader, in their order."""

    step = "grade"
    graders: tuple[str, ...]
    extraction: str
    unfinished: bool = False
    """Whether an answer in thinking that never ended counts."""
    cut: bool = False
    """Whether a response that was cut concludes with its end."""
    benchmark: File
    responses: File


class LabelSpec(Coded):
    """Labels of every step of a table of the miniature's responses."""

    step = "label"
    benchmark: File
    responses: File

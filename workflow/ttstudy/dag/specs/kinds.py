"""The spec of every kind of step: made once from the study, written to a file, read back typed by the step.

Every field that is not marked FREE decides the result (see `ttstudy.dag.specs.records`); `tests/spec_fields.json` lists
them with their defaults, so that none gets in, and no default changes, unnoticed.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ttstudy.dag.specs.records import File, Record, Spec
from ttstudy.study.benchmarks import Benchmark, Labelled
from ttstudy.study.fields import FREE, OWN, Options
from ttstudy.study.methods import Budgets, Difficulty, Search
from ttstudy.study.models import VllmOptions, VllmPRMOptions
from ttstudy.study.policies import Endpoint
from ttstudy.study.prms import Format
from ttstudy.study.sampling import SamplingSettings
from ttstudy.vocabulary import SearchMethod


class Versioned(Spec):
    """A step that calls a model or reads what others wrote: its version is raised by hand when its results change."""

    version: int


class Coded(Spec):
    """Any other step: `code` is a digest of what it computes with (`ttstudy.dag.fingerprint.code`)."""

    code: str


# -- models and data -----------------------------------------------------------------------------------------------


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


class RecordedSpec(Versioned):
    """A file of recorded responses, by its content."""

    step = "recorded"
    form: str
    sha256: str
    source: Annotated[str, FREE]

    @property
    def outside(self) -> dict[str, str]:
        """The file that is given."""
        return {self.source: self.sha256}


class BenchmarkSpec(Versioned):
    """A benchmark's problems. `content` is the SHA-256 of a file that is given, `source` its path."""

    step = "benchmark"
    settings: Benchmark = Field(discriminator="source")
    content: str | None = None
    recorded: File | None = None
    source: Annotated[str | None, FREE] = None

    @property
    def outside(self) -> dict[str, str]:
        """The file that is given, if it is one."""
        return {} if self.source is None or self.content is None else {self.source: self.content}


class LabelledSpec(Versioned):
    """Solutions labelled step by step, from a file that is given."""

    step = "labelled"
    settings: Labelled
    sha256: str
    source: Annotated[str, FREE]

    @property
    def outside(self) -> dict[str, str]:
        """The file that is given."""
        return {self.source: self.sha256}


# -- responses, scores, searches -----------------------------------------------------------------------------------


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
    """One method's search at one budget."""

    step = "search"
    judge: Judge
    method: SearchMethod
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


# -- analysis ------------------------------------------------------------------------------------------------------


class Answered(Record):
    """Responses that no budget cuts: the greedy one of each problem, or the pilot's."""

    responses: File
    grades: File
    scores: dict[str, File] = {}


class Block(Answered):
    """A block of the pool, from its first to its last sample."""

    samples: tuple[int, int]


class Searched(Record):
    """One search: its answers, what it met on its way, and what that cost."""

    prm: str
    method: SearchMethod
    budget: int
    answers: File
    grades: File
    nodes: File
    cost: File


class Sources(Record):
    """Everything that was drawn and scored for one (benchmark, policy)."""

    pilot: Answered | None = None
    cot: Answered | None = None
    samples: list[Block] = []
    searches: list[Searched] = []


class DifficultySpec(Coded):
    """Levels of a benchmark's problems for one policy."""

    step = "difficulty"
    benchmark: str
    policy: str
    settings: Difficulty
    pilot: File


class CellSpec(Coded):
    """A step over one (benchmark, policy)."""

    benchmark: str
    policy: str
    seed: int
    budgets: Budgets
    sources: Sources


class OutcomesSpec(CellSpec):
    """Value of every method on every problem."""

    step = "outcomes"
    beam_width: int
    difficulty: File


class Sized(Record):
    """What is known of a model's size and training; `checkpoint`, where there is one, tells the rest."""

    kind: str
    checkpoint: File | None = None
    parameters: float | None = None
    active_parameters: float | None = None
    pretraining_tokens: float | None = None


class LedgerSpec(CellSpec):
    """Tokens and FLOPs of every method."""

    step = "ledger"
    models: dict[str, Sized]


class AdaptiveSpec(CellSpec):
    """Levels predicted without labels, and budgets that adapt to a problem."""

    step = "adaptive"
    settings: Difficulty
    score: str
    vote: str
    difficulty: File
    outcomes: File


class ExplorerSpec(Coded):
    """What the report's explorer shows of one (benchmark, policy)."""

    step = "explorer"
    benchmark: str
    policy: str
    problems: File
    sources: Sources


class AccuracySpec(Coded):
    """The cells' tables, joined, and the accuracy of each cell."""

    step = "accuracy"
    seed: int
    outcomes: list[File]
    difficulty: list[File]
    ledger: list[File]
    counts: list[File]


class TrainingSpec(Coded):
    """What every model of the study is."""

    step = "training"
    models: dict[str, Sized]


class Graded(Record):
    """What an accuracy rests on: grades by the study's grader and by the other one, block by block."""

    source: str
    prm: str
    budget: int
    grades: list[File]
    other: list[File]


class GradedCell(Record):
    """One (benchmark, policy) under both graders; `sources` are those of the other one."""

    benchmark: str
    policy: str
    graded: list[Graded]
    sources: Sources
    budgets: Budgets


class GradersSpec(Coded):
    """Where two graders differ."""

    step = "graders"
    grader: str
    other: str
    seed: int
    beam_width: int
    benchmarks: dict[str, File]
    outcomes: File
    difficulty: File
    cells: list[GradedCell]


class LabelledBlock(Record):
    """A scored block of a pool whose steps are labelled."""

    responses: File
    labels: File
    scores: dict[str, File]


class DiagnosedCell(Record):
    """One (benchmark, policy) whose steps are labelled exactly."""

    benchmark: str
    policy: str
    problems: File
    pool: list[LabelledBlock]
    searches: list[Searched]


class LabelledSet(Record):
    """Labelled solutions, and every PRM's scores of them."""

    name: str
    solutions: File
    scores: dict[str, File]


class DiagnosticsSpec(Coded):
    """Flaws of the PRMs."""

    step = "diagnostics"
    seed: int
    search: Search
    cells: list[DiagnosedCell]
    labelled: list[LabelledSet]


class StrategySpec(Coded):
    """The compute-optimal strategy of every policy, PRM, level and budget."""

    step = "strategy"
    seed: int
    outcomes: File
    difficulty: File
    training: File
    predicted: list[File]
    adaptive: list[File]


class ClaimsSpec(Coded):
    """Verdicts of the paper's claims; `published` is a digest of the published numbers."""

    step = "claims"
    seed: int
    published: str
    tables: dict[str, File]


class ReportSpec(Coded):
    """The report. `texts`: digest of templates, captions and published numbers, which count as code.

    `config` is the study as it is checked; `order` the order of its models, which the page keeps. `jobs`: (step,
    product) of every job behind the page, whose records it shows.
    """

    step = "report"
    texts: str
    headline: dict[str, str]
    config: Annotated[dict[str, Any], FREE]
    decided: str
    """Digest of what of `config` is not at its default; the results' own folder is left out."""
    order: dict[str, list[str]]
    tables: dict[str, File]
    explorer: list[File]
    trees: list[File]
    benchmarks: dict[str, File]
    jobs: Annotated[list[tuple[str, str]], FREE]


class CompareSpec(Coded):
    """A comparison of finished studies: (name, folder) of each side, baseline first."""

    step = "compare"
    texts: str
    sides: list[tuple[str, str]]
    read: list[File]


KINDS: dict[str, type[Spec]] = {
    kind.step: kind
    for kind in (
        TrainPolicySpec, TrainPRMSpec, FetchSpec, RecordedSpec, BenchmarkSpec, LabelledSpec, SampleSpec, AskSpec,
        RecordedResponsesSpec, ScoreSpec, RecordedScoresSpec, SearchSpec, GradeSpec, LabelSpec, DifficultySpec,
        OutcomesSpec, LedgerSpec, AdaptiveSpec, ExplorerSpec, AccuracySpec, TrainingSpec, GradersSpec, DiagnosticsSpec,
        StrategySpec, ClaimsSpec, ReportSpec, CompareSpec,
    )
}  # fmt: skip
"""By the step that reads it."""

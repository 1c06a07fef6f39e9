"""Specs of what is computed from responses, scores and searches, up to the report."""

from __future__ import annotations

from typing import Annotated, Any

from ttstudy.dag.specs.records import Coded, File, Record
from ttstudy.study.fields import FREE
from ttstudy.study.methods import Budgets, Difficulty, Search


class Answered(Record):
    """Responses that no budget cuts: the greedy one of each problem, or the pilot's."""

    responses: File
    grades: File
    scores: dict[str, File] = {}


class Block(Answered):
    """A block of the pool, from its first to its last sample."""

    samples: tuple[int, int]


class Searched(Record):
    """One run of a search: its answers, what it met on its way, and what that cost."""

    prm: str
    method: str
    budget: int
    answers: File
    grades: File
    nodes: File
    cost: File
    run: int = 0


class Sources(Record):
    """Everything that was drawn and scored for one (benchmark, policy)."""

    pilot: Answered | None = None
    cot: Answered | None = None
    samples: list[Block] = []
    searches: list[Searched] = []
    uneven: bool = False
    """Whether problems may have fewer responses than the largest budget: all of them are taken then."""

    @property
    def runs(self) -> dict[tuple[str, str, int], list[Searched]]:
        """All runs of each search, by its method, PRM and budget."""
        found: dict[tuple[str, str, int], list[Searched]] = {}
        for search in self.searches:
            found.setdefault((search.method, search.prm, search.budget), []).append(search)
        return found


class ExaminedBlock(Record):
    """A block of responses, its grades by the study's grader, and those by the strict one, with canonical forms."""

    responses: File
    grades: File
    forms: File


class ExamineSpec(Coded):
    """What is odd about the responses of one (benchmark, policy); severe findings that are not accepted stop it."""

    step = "examine"
    benchmark: str
    policy: str
    problems: File
    extraction: str
    unfinished: bool = False
    pools: dict[str, list[ExaminedBlock]]
    accepted: list[str] = []


class FindingsSpec(Coded):
    """Everything odd about the data of a study: the cells' findings, those about problems, searches and PRMs' contexts.

    Severe findings about searches that are not accepted stop it.
    """

    step = "findings"
    cells: list[File]
    benchmarks: dict[str, File]
    overlong: File
    overflow: dict[str, str]
    counts: File
    accepted: list[str] = []


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
    problems: File
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
    overlong: list[File]
    spread: list[File]
    retrained: list[list[str]] = []
    """Policies that differ by their training seed alone."""


class TrainingSpec(Coded):
    """What every model of the study is."""

    step = "training"
    models: dict[str, Sized]


class Graded(Record):
    """What an accuracy rests on: grades by the study's grader and by another one, block by block."""

    source: str
    prm: str
    budget: int
    grades: list[File]
    other: list[File]


class GradedCell(Record):
    """One (benchmark, policy) under the study's grader and another; `sources` are those of the other one."""

    benchmark: str
    policy: str
    other: str
    graded: list[Graded]
    sources: Sources
    budgets: Budgets


class GradersSpec(Coded):
    """Where the study's grader and each other one differ."""

    step = "graders"
    grader: str
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


class HeadlineSpec(Coded):
    """Small against large, gains, fronts, best methods; `prms`: their order, where no AUC ranks them."""

    step = "headline"
    seed: int
    score: str
    vote: str
    prms: list[str]
    tables: dict[str, File]
    published: dict[str, str] = {}
    """Of benchmarks: when."""
    cutoffs: dict[str, str] = {}
    """Of policies: up to when their training data reach."""


class ClaimsSpec(Coded):
    """Verdicts of the paper's claims; `published` is a digest of the published numbers, `primary` rises."""

    step = "claims"
    seed: int
    published: str
    tables: dict[str, File]
    primary: list[int] = []


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
    recorded: dict[str, File] = {}
    """Tables of recorded responses by policy: what was left out of their files is told."""
    jobs: Annotated[list[tuple[str, str]], FREE]


class CompareSpec(Coded):
    """A comparison of finished studies: (name, folder) of each side, baseline first."""

    step = "compare"
    texts: str
    sides: list[tuple[str, str]]
    read: list[File]

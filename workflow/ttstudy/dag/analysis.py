"""Specs of what is computed from grades and scores: a few steps in each cell, and the study's tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ttstudy.dag import cells, fingerprint, places
from ttstudy.dag.cells import Cell, Run
from ttstudy.dag.context import Layout, remembered
from ttstudy.dag.generation import grades_spec, responses_spec, scores_spec, search_spec
from ttstudy.dag.inputs import benchmark_spec
from ttstudy.dag.models import models, sized
from ttstudy.dag.specs.analysis import (
    AccuracySpec,
    AdaptiveSpec,
    Answered,
    Block,
    DifficultySpec,
    ExaminedBlock,
    ExamineSpec,
    ExplorerSpec,
    FindingsSpec,
    Graded,
    GradedCell,
    GradersSpec,
    HeadlineSpec,
    LedgerSpec,
    OutcomesSpec,
    Searched,
    Sources,
    StrategySpec,
    TrainingSpec,
)
from ttstudy.dag.specs.records import File, Spec
from ttstudy.study import GRADERS, GeneratedBenchmark, Study
from ttstudy.vocabulary import NEVER


@remembered
def sources(layout: Layout, cell: Cell, grader: str) -> Sources:
    """Files behind one cell, by what they are: what the analysis steps read, with the grades of one grader."""

    def grades(run: Run) -> File:
        return grades_spec(layout, run).file(grader)

    samples, searched, single = [], [], {}
    for run in cells.pool_blocks(layout.study, cell):
        answered: dict[str, Any] = {
            "responses": responses_spec(layout, run).file(),
            "grades": grades(run),
            "scores": {prm: scores_spec(layout, run, prm).file() for prm in sorted(run.scored)},
        }
        if run.pool == "samples":
            samples.append(Block(samples=run.block, **answered))
        else:
            single[run.pool] = Answered(**answered)
    for search in cells.searches(layout.study, cell):
        found = search_spec(layout, search)
        searched.append(
            Searched(
                prm=search.prm,
                method=search.method,
                budget=search.budget,
                run=search.run,
                answers=found.file("answers"),
                grades=grades(search),
                nodes=found.file("nodes"),
                cost=found.file("cost"),
            )
        )
    uneven = getattr(layout.study.policies[cell.policy], "uneven", False)
    return Sources(samples=samples, searches=searched, uneven=uneven, **single)


def other_graders(study: Study) -> list[str]:
    """The graders that are not the study's."""
    return [grader for grader in GRADERS if grader != study.grader]


@remembered
def code(layout: Layout, step: str) -> str:
    """Digest of the code of a step of analysis: of methods, of those that the study has."""
    return fingerprint.code(step, fingerprint.used(layout.study.methods))


# -- steps of a cell ------------------------------------------------------------------------------------------


def _of_cell(layout: Layout, step: str, cell: Cell) -> dict[str, Any]:
    """What the spec of every step of a cell has."""
    place = {"folder": layout.folder} | cell._asdict()
    outputs = {table: places.CELL.format(table=table, **place) for table in fingerprint.WRITES[step]}
    return {"code": code(layout, step), "outputs": outputs} | cell._asdict()


def _analysed(layout: Layout, cell: Cell) -> dict[str, Any]:
    """What every step over the sources of a cell is told."""
    study = layout.study
    budgets = study.budgets_for(cell.policy)
    return {"seed": study.seed, "budgets": budgets, "sources": sources(layout, cell, study.grader)}


@remembered
def examine_spec(layout: Layout, cell: Cell) -> ExamineSpec:
    """Spec of what is odd about the responses of one cell: of all its pools, and of no search."""
    study = layout.study
    pools: dict[str, list[ExaminedBlock]] = {}
    for run in cells.pool_blocks(study, cell):
        graded = grades_spec(layout, run)
        block = ExaminedBlock(
            responses=responses_spec(layout, run).file(), grades=graded.file(study.grader), forms=graded.file("strict")
        )
        pools.setdefault(run.pool, []).append(block)
    return ExamineSpec(
        problems=benchmark_spec(layout, cell.benchmark).file(),
        extraction=study.extraction,
        unfinished=study.unfinished_thinking,
        pools=pools,
        accepted=sorted(set(study.accept_findings)),
        **_of_cell(layout, "examine", cell),
    )


@remembered
def difficulty_spec(layout: Layout, cell: Cell) -> DifficultySpec:
    """Spec of the difficulty levels of one cell."""
    pilot = grades_spec(layout, cells.pilot(layout.study, cell)).file(layout.study.grader)
    # Levels predicted without labels are another step's.
    settings = layout.study.difficulty.model_copy(update={"label_free": "agreement"})
    return DifficultySpec(settings=settings, pilot=pilot, **_of_cell(layout, "difficulty", cell))


@remembered
def outcomes_spec(layout: Layout, cell: Cell) -> OutcomesSpec:
    """Spec of the value of every method on every problem."""
    return OutcomesSpec(
        beam_width=layout.study.search.beam_width,
        difficulty=difficulty_spec(layout, cell).file(),
        **_analysed(layout, cell),
        **_of_cell(layout, "outcomes", cell),
    )


@remembered
def ledger_spec(layout: Layout, cell: Cell) -> LedgerSpec:
    """Spec of the FLOPs ledger of one cell."""
    return LedgerSpec(
        problems=benchmark_spec(layout, cell.benchmark).file(),
        models=sized(layout, cell.policy, *layout.study.prms_of(cell.policy)),
        **_analysed(layout, cell),
        **_of_cell(layout, "ledger", cell),
    )


@remembered
def adaptive_spec(layout: Layout, cell: Cell) -> AdaptiveSpec:
    """Spec of the label-free levels and adaptive budgets of one cell."""
    return AdaptiveSpec(
        settings=layout.study.difficulty,
        score=layout.study.score,
        vote=layout.study.vote,
        difficulty=difficulty_spec(layout, cell).file(),
        outcomes=outcomes_spec(layout, cell).file(),
        **_analysed(layout, cell),
        **_of_cell(layout, "adaptive", cell),
    )


@remembered
def explorer_spec(layout: Layout, cell: Cell) -> ExplorerSpec:
    """Spec of what the report's explorer shows of one cell."""
    return ExplorerSpec(
        problems=benchmark_spec(layout, cell.benchmark).file(),
        sources=sources(layout, cell, layout.study.grader),
        **_of_cell(layout, "explorer", cell),
    )


CELL_STEPS: Mapping[str, Callable[[Layout, Cell], Spec]] = {
    "examine": examine_spec,
    "difficulty": difficulty_spec,
    "outcomes": outcomes_spec,
    "ledger": ledger_spec,
    "adaptive": adaptive_spec,
    "explorer": explorer_spec,
}
"""Every step of a cell, in the order of the DAG, and what makes its spec."""
_STEP_OF = {table: step for step in CELL_STEPS for table in fingerprint.WRITES[step]}


def parts(layout: Layout, table: str) -> list[File]:
    """All cells' parts of a table of the study, as a step reads them."""
    make = CELL_STEPS[_STEP_OF[table]]
    return [make(layout, cell).file(table) for cell in cells.cells(layout.study)]


# -- tables of the study --------------------------------------------------------------------------------------


def of_study(layout: Layout, step: str) -> dict[str, Any]:
    """What the spec of every step that makes tables of the study has."""
    outputs = {table: places.TABLE.format(folder=layout.folder, table=table) for table in fingerprint.WRITES[step]}
    return {"code": code(layout, step), "outputs": outputs}


@remembered
def training_spec(layout: Layout) -> TrainingSpec:
    """Spec of the table of models."""
    return TrainingSpec(models=sized(layout, *models(layout.study)), **of_study(layout, "training"))


@remembered
def accuracy_spec(layout: Layout) -> AccuracySpec:
    """Spec of the study's accuracies, and of the cells' tables joined."""
    return AccuracySpec(
        seed=layout.study.seed,
        outcomes=parts(layout, "outcomes"),
        difficulty=parts(layout, "difficulty"),
        ledger=parts(layout, "ledger"),
        counts=parts(layout, "counts"),
        overlong=parts(layout, "overlong"),
        spread=parts(layout, "spread"),
        retrained=layout.study.retrained,
        **of_study(layout, "accuracy"),
    )


@remembered
def findings_spec(layout: Layout) -> FindingsSpec:
    """Spec of everything odd about the data of the study."""
    study = layout.study
    return FindingsSpec(
        cells=parts(layout, "examination"),
        benchmarks={name: benchmark_spec(layout, name).file() for name in sorted(study.benchmarks)},
        overlong=accuracy_spec(layout).file("overlong"),
        overflow={name: rule for name, prm in study.prms.items() if (rule := getattr(prm, "overflow", None))},
        counts=accuracy_spec(layout).file("counts"),
        accepted=sorted(set(study.accept_findings)),
        **of_study(layout, "findings"),
    )


@remembered
def strategy_spec(layout: Layout) -> StrategySpec:
    """Spec of the compute-optimal strategies."""
    return StrategySpec(
        seed=layout.study.seed,
        outcomes=accuracy_spec(layout).file("outcomes"),
        difficulty=accuracy_spec(layout).file("difficulty"),
        training=training_spec(layout).file(),
        predicted=parts(layout, "predicted"),
        adaptive=parts(layout, "adaptive"),
        **of_study(layout, "strategy"),
    )


@remembered
def headline_spec(layout: Layout) -> HeadlineSpec:
    """Spec of what the report opens with: small against large, gains, fronts, best methods."""
    study = layout.study
    read = {name: accuracy_spec(layout).file(name) for name in ("accuracy", "outcomes", "ledger")}
    read |= {name: strategy_spec(layout).file(name) for name in ("strategy", "efficiency")}
    return HeadlineSpec(
        seed=study.seed,
        score=study.score,
        vote=study.vote,
        prms=list(study.prms),
        tables={**read, "training": training_spec(layout).file()},
        published=_published(study),
        cutoffs={name: day for name, item in study.policies.items() if (day := getattr(item, "cutoff", None))},
        **of_study(layout, "headline"),
    )


def _published(study: Study) -> dict[str, str]:
    """When each benchmark's problems were published, where that is told; made from a seed, they never were."""
    made = {name: NEVER for name, item in study.benchmarks.items() if isinstance(item, GeneratedBenchmark)}
    return made | {name: day for name, item in study.benchmarks.items() if (day := getattr(item, "published", None))}


@remembered
def graders_spec(layout: Layout) -> GradersSpec:
    """Spec of the comparison of graders: what both graded, and the files behind each cell under each other one."""
    study = layout.study
    compared = []
    for cell in cells.cells(study):
        used, budgets = sources(layout, cell, study.grader), study.budgets_for(cell.policy)
        for other in other_graders(study):
            theirs = sources(layout, cell, other)
            graded = [
                Graded(**what, grades=one, other=two)
                for (what, one), (_, two) in zip(_graded(used), _graded(theirs), strict=True)
            ]
            compared.append(GradedCell(other=other, graded=graded, sources=theirs, budgets=budgets, **cell._asdict()))
    return GradersSpec(
        grader=study.grader,
        seed=study.seed,
        beam_width=study.search.beam_width,
        benchmarks={name: benchmark_spec(layout, name).file() for name in sorted(study.benchmarks)},
        outcomes=accuracy_spec(layout).file("outcomes"),
        difficulty=accuracy_spec(layout).file("difficulty"),
        cells=compared,
        **of_study(layout, "graders"),
    )


def _graded(sources: Sources) -> Iterator[tuple[dict[str, Any], list[File]]]:
    """What an accuracy rests on, each with its grades: the greedy response, the pool, each search."""
    if sources.cot is not None:
        yield {"source": "cot", "prm": "none", "budget": 1}, [sources.cot.grades]
    if blocks := sources.samples:
        size = blocks[-1].samples[1] + 1
        yield {"source": "samples", "prm": "none", "budget": size}, [block.grades for block in blocks]
    for (method, prm, budget), runs in sources.runs.items():
        yield {"source": method, "prm": prm, "budget": budget}, [search.grades for search in runs]

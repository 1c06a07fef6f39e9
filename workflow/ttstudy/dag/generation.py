"""Specs of what models make, responses, scores and searches, and of the labels and grades that lie beside it."""

from __future__ import annotations

from typing import Any, Literal

from ttstudy.dag import fingerprint, places
from ttstudy.dag.cells import Cell, PoolBlock, Run, Search
from ttstudy.dag.context import Layout, remembered
from ttstudy.dag.inputs import benchmark_spec, labelled_spec
from ttstudy.dag.models import engine, judge, weights
from ttstudy.dag.specs.generation import (
    AskSpec,
    GradeSpec,
    LabelSpec,
    Reading,
    RecordedResponsesSpec,
    RecordedScoresSpec,
    SampleSpec,
    ScoreSpec,
    SearchSpec,
)
from ttstudy.dag.specs.records import Spec
from ttstudy.kinds.confidences import CONFIDENCES, STORED
from ttstudy.kinds.methods import METHODS
from ttstudy.study import GRADERS, OpenAIPolicy, RecordedPolicy, RecordedPRM, Study
from ttstudy.study.methods import SEMANTICS
from ttstudy.study.policies import LocalPolicy, PromptedPolicy
from ttstudy.study.sampling import SamplingSettings

Use = Literal["cot", "responses", "search"]
TABLES = ("answers", "nodes", "cost")
"""Of a search."""


def _sampling(study: Study, policy: str, use: Use) -> SamplingSettings:
    return SamplingSettings.model_validate(study.sampling_of(policy, use))


def _drawing(layout: Layout, cell: Cell, use: Use) -> dict[str, Any]:
    """What every spec of drawing from a policy has whose weights are here."""
    settings = layout.study.policies[cell.policy]
    assert isinstance(settings, LocalPolicy)
    return {
        "seeds": (layout.study.seed, *cell),
        "benchmark": benchmark_spec(layout, cell.benchmark).file(),
        "policy": weights(layout, cell.policy),
        "engine": engine(layout.study, cell.policy),
        "prompt": settings.prompt,
        "thinking": settings.thinking,
        **_told(settings),
        "sampling": _sampling(layout.study, cell.policy, use),
        "outputs": {},
    }


def _told(settings: PromptedPolicy) -> dict[str, Any]:
    """What a policy is told beside the problem and its family's instruction."""
    return {"system": settings.system, "examples": tuple((one.problem, one.response) for one in settings.examples)}


def _reading(study: Study, run: PoolBlock) -> Reading | None:
    """How answers are taken, for a first look at a pool's first block; None for what comes later."""
    if run.pool == "cot" or run.first:
        return None
    return Reading(
        extraction=study.extraction,
        unfinished=study.unfinished_thinking,
        cut=study.cut_responses,
        accepted="no_answer" in study.accept_findings,
        boxed=getattr(study.policies[run.cell.policy], "prompt", "plain") != "plain",
        tells=run.pool == "pilot" or not study.pilot_samples,
    )


def _sure(study: Study, pool: str) -> dict[str, Any]:
    """What the spec of a pool that is voted on has about confidences: nothing where none are kept."""
    settings = study.sampling.confidence if pool == "samples" else None
    kept = STORED if settings is not None else ()
    versions = {name: CONFIDENCES[name].version for name in kept}
    return {"confidence": settings, "confidences": {name: n for name, n in versions.items() if n != 1}}


@remembered
def responses_spec(layout: Layout, run: PoolBlock) -> Spec:
    """Spec of a block of a pool of responses."""
    study, cell = layout.study, run.cell
    settings = study.policies[cell.policy]
    use: Use = "cot" if run.pool == "cot" else "responses"
    spec: SampleSpec | AskSpec | RecordedResponsesSpec
    if isinstance(settings, RecordedPolicy):
        spec = RecordedResponsesSpec(
            version=fingerprint.VERSIONS["recorded_responses"],
            benchmark=benchmark_spec(layout, cell.benchmark).file(),
            policy=weights(layout, cell.policy),
            pool=run.pool,
            pilot=study.pilot_samples,
            block=run.block,
            largest=study.budgets_for(cell.policy).pool,
            uneven=settings.uneven,
            outputs={},
        )
    elif isinstance(settings, OpenAIPolicy):
        spec = AskSpec(
            version=fingerprint.VERSIONS["ask"],
            seeds=(study.seed, *cell),
            benchmark=benchmark_spec(layout, cell.benchmark).file(),
            endpoint=settings.endpoint,
            stop=tuple(settings.stop),
            **_told(settings),
            prompt=settings.prompt,
            sampling=_sampling(study, cell.policy, use),
            pool=run.pool,
            block=run.block,
            reading=_reading(study, run),
            outputs={},
            **_sure(study, run.pool),
        )
    else:
        drawing = _drawing(layout, cell, use) | _sure(study, run.pool)
        spec = SampleSpec(
            version=fingerprint.VERSIONS["sample"],
            pool=run.pool,
            block=run.block,
            stop=tuple(settings.stop),
            reading=_reading(study, run),
            **drawing,
        )
    return spec.named(output=places.RESPONSES.format(spec=spec.folder, **_names(layout, run)))


def _names(layout: Layout, run: PoolBlock) -> dict[str, str]:
    """What a block is called in paths."""
    names = {"results": layout.study.results, "pool": run.pool} | run.cell._asdict()
    return names | {"first": places.number(run.first), "last": places.number(run.last)}


@remembered
def scores_spec(layout: Layout, run: PoolBlock, prm: str) -> Spec:
    """Spec of a PRM's step scores of one block of a pool."""
    settings = layout.study.prms[prm]
    made = responses_spec(layout, run)
    spec: ScoreSpec | RecordedScoresSpec
    if isinstance(settings, RecordedPRM):
        spec = RecordedScoresSpec(
            version=fingerprint.VERSIONS["recorded_scores"],
            pool=made.folder,
            column=settings.column or prm,
            kind=settings.score_kind,
            responses=made.file(),
            recorded=weights(layout, run.cell.policy),
            outputs={},
        )
    else:
        spec = ScoreSpec(
            version=fingerprint.VERSIONS["score"],
            pool=made.folder,
            judge=judge(layout, prm),
            responses=made.file(),
            benchmark=benchmark_spec(layout, run.cell.benchmark).file(),
            outputs={},
        )
    names = _names(layout, run) | {"drawn": made.folder, "prm": prm, "spec": spec.folder}
    return spec.named(output=places.SCORES.format(**names))


@remembered
def labelled_scores_spec(layout: Layout, name: str, prm: str) -> ScoreSpec:
    """Spec of a PRM's step scores of a labelled set."""
    solutions = labelled_spec(layout, name)
    spec = ScoreSpec(
        version=fingerprint.VERSIONS["score"],
        pool=solutions.folder,
        judge=judge(layout, prm),
        responses=solutions.file(),
        outputs={},
    )
    names = {"results": layout.study.results, "labelled": name, "solutions": solutions.folder, "prm": prm}
    return spec.named(output=places.LABELLED_SCORES.format(spec=spec.folder, **names))


@remembered
def labels_spec(layout: Layout, run: PoolBlock) -> LabelSpec:
    """Spec of the step labels of a block of responses."""
    made = responses_spec(layout, run)
    return LabelSpec(
        code=fingerprint.code("label"),
        benchmark=benchmark_spec(layout, run.cell.benchmark).file(),
        responses=made.file(),
        outputs={"output": places.beside(made.product, places.LABELS)},
    )


@remembered
def search_spec(layout: Layout, run: Search) -> SearchSpec:
    """Spec of one method's search at one budget."""
    options = layout.study.search.of(run.method)
    spec = SearchSpec(
        version=fingerprint.VERSIONS["search"],
        judge=judge(layout, run.prm),
        method=run.method,
        method_version=METHODS[run.method].version,
        semantics_version=SEMANTICS[options.semantics],
        options=options,
        budget=run.budget,
        run=run.run,
        **_drawing(layout, run.cell, "search"),
    )
    names = {"results": layout.study.results, "method": run.method, "prm": run.prm} | run.cell._asdict()
    names |= {"spec": spec.folder, "budget": places.number(run.budget)}
    return spec.named(**{table: places.SEARCH.format(table=table, **names) for table in TABLES})


def run_spec(layout: Layout, run: Run) -> Spec:
    """Spec of the job that a run is."""
    return search_spec(layout, run) if isinstance(run, Search) else responses_spec(layout, run)


def gradings(study: Study) -> dict[str, str]:
    """Endings of the grades of a responses table by grader: every response is graded with each."""
    return {grader: places.GRADES.format(grader=grader, extraction=study.extraction) for grader in GRADERS}


@remembered
def grades_spec(layout: Layout, run: Run) -> GradeSpec:
    """Spec of the grades of a run's responses, or of a search's answers, by every grader."""
    made = run_spec(layout, run)
    return GradeSpec(
        code=fingerprint.code("grade"),
        graders=GRADERS,
        extraction=layout.study.extraction,
        unfinished=layout.study.unfinished_thinking,
        cut=layout.study.cut_responses,
        benchmark=benchmark_spec(layout, run.cell.benchmark).file(),
        responses=made.file(),
        outputs={grader: places.beside(made.product, ending) for grader, ending in gradings(layout.study).items()},
    )

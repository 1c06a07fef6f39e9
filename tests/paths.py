"""Where the files of a study lie, looked up in its list of jobs."""

from __future__ import annotations

from ttstudy.dag import analysis, shards
from ttstudy.dag.cells import Cell, PoolBlock, Search
from ttstudy.dag.layout import Job, Layout, jobs
from ttstudy.dag.places import parent
from ttstudy.dag.specs.analysis import Sources
from ttstudy.dag.specs.records import Spec

DRAWN = ("sample", "join_sample", "ask", "recorded_responses")
SCORED = ("score", "join_score", "recorded_scores")
SEARCHED = ("search", "join_search")


def whole(layout: Layout) -> list[Job]:
    """The jobs of a study but for the shards of long ones."""
    return [job for job in jobs(layout) if not shards.of(job.spec)]


def blocks(layout: Layout, benchmark: str, policy: str, pool: str, rules=DRAWN) -> list[Spec]:
    """Specs of a pool's blocks; of their grades or scores, by the rules that make them."""
    found = [job for job in whole(layout) if isinstance(job.of, PoolBlock) and job.rule in rules]
    return [job.spec for job in found if (*job.of.cell, job.of.pool) == (benchmark, policy, pool)]


def pools(layout: Layout, benchmark: str, policy: str, pool: str) -> list[str]:
    return [spec.product for spec in blocks(layout, benchmark, policy, pool)]


def pool_folder(layout: Layout, benchmark: str, policy: str, pool: str) -> str:
    return parent(pools(layout, benchmark, policy, pool)[0])


def graded(layout: Layout, benchmark: str, policy: str, pool: str) -> Spec:
    """Spec of the grades of a pool's first block."""
    return blocks(layout, benchmark, policy, pool, ("grade",))[0]


def scores(layout: Layout, benchmark: str, policy: str, prm: str, pool: str = "samples") -> str:
    """Path of a PRM's scores of a pool's first block."""
    found = [job for job in whole(layout) if job.rule in SCORED and job.prm == prm and isinstance(job.of, PoolBlock)]
    return next(job.spec.product for job in found if (*job.of.cell, job.of.pool) == (benchmark, policy, pool))


def searches(layout: Layout, benchmark: str, policy: str, prm: str, method: str) -> dict[int, Spec]:
    """Specs of the searches with a PRM by budget."""
    wanted = (benchmark, policy, prm, method)
    found = [job for job in whole(layout) if isinstance(job.of, Search) and job.rule in SEARCHED]
    return {job.of.budget: job.spec for job in found if (*job.of.cell, job.of.prm, job.of.method) == wanted}


def search_folder(layout: Layout, benchmark: str, policy: str, prm: str, method: str) -> str:
    (folder,) = {parent(spec.product) for spec in searches(layout, benchmark, policy, prm, method).values()}
    return folder


def of_rule(layout: Layout, rule: str, *names: str) -> Spec:
    """The one spec of a rule's jobs about what is named so: a cell, a model, a benchmark; none: the whole study."""
    of = names[0] if len(names) == 1 else names
    (spec,) = (job.spec for job in jobs(layout) if job.rule == rule and job.of == (of or ""))
    return spec


def cell(layout: Layout, table: str, benchmark: str, policy: str) -> str:
    return of_rule(layout, table, benchmark, policy).outputs[table]


def table(layout: Layout, name: str) -> str:
    """Path of one of the study's tables."""
    return next(job.spec.outputs[name] for job in jobs(layout) if not job.of and name in job.spec.outputs)


def sources(layout: Layout, benchmark: str, policy: str) -> Sources:
    """What the analysis steps of a cell read."""
    return analysis.sources(layout, Cell(benchmark, policy), layout.study.grader)

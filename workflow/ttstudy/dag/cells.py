"""What a study draws: its cells, and in each the runs, as plain records of names and numbers.

Whoever needs the grid (the list of jobs, the sources of an analysis, the plan) asks here. No path and no spec.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

from ttstudy.kinds.methods import SEARCHES, growth_of
from ttstudy.study import MiniatureBenchmark, RecordedPolicy, Study

Pool = Literal["pilot", "cot", "samples"]
POOLS: tuple[Pool, ...] = get_args(Pool)
"""Pools of responses: for difficulty, the greedy response, and what every vote is taken from."""
Range = tuple[int, int]


class Cell(NamedTuple):
    """A benchmark and a policy that answers it."""

    benchmark: str
    policy: str


class PoolBlock(NamedTuple):
    """A run that draws a block of a pool of responses."""

    cell: Cell
    pool: Pool
    first: int
    last: int
    """Index of the first and of the last sample of each problem."""
    scored: tuple[str, ...] = ()
    """PRMs that score it."""

    @property
    def block(self) -> Range:
        """First and last sample."""
        return self.first, self.last


class Search(NamedTuple):
    """One run of one method of search, steered by a PRM, at one budget."""

    cell: Cell
    prm: str
    method: str
    budget: int
    run: int = 0
    """Of the study's runs of it, from 0."""


Run = PoolBlock | Search


def cells(study: Study) -> list[Cell]:
    """Every (benchmark, policy)."""
    return [Cell(benchmark, policy) for benchmark in study.benchmarks for policy in study.policies]


FIRST = 64
"""Where the first block of a pool ends in a study that does not say it."""


def blocks(size: int, first: int | None) -> list[Range]:
    """Nested sample blocks (first, last) that cover a pool: ends at `first`, 2 `first`, 4 `first` and so on.

    The last block is whole, so that a larger budget adds blocks and never cuts one anew. Where a study does not say
    `first`, the last ends with the pool; of a block that is cut anew, what was drawn is taken over
    (`ttstudy.run.borrowing`).
    """
    edges = [0]
    while edges[-1] < size:
        edges.append(2 * edges[-1] or first or FIRST)
    if first is None:
        edges[-1] = size
    return [(start, stop - 1) for start, stop in zip(edges, edges[1:], strict=False)]


def pool_blocks(study: Study, cell: Cell) -> Iterator[PoolBlock]:
    """The blocks of responses of a cell, by pool: pilot, CoT, samples.

    A reference has no pilot, and no policy has one where `pilot_samples` is 0. A policy that was recorded without
    greedy responses has no CoT.
    """
    policy = cell.policy
    settings, prms = study.policies[policy], tuple(study.prms_of(policy))
    if policy not in study.references and study.pilot_samples:
        with_prms = prms if study.difficulty.label_free == "prm" else ()
        yield PoolBlock(cell, "pilot", 0, study.pilot_samples - 1, with_prms)
    if not isinstance(settings, RecordedPolicy) or settings.greedy:
        yield PoolBlock(cell, "cot", 0, 0)
    budgets = study.budgets_for(policy)
    for first, last in blocks(study.pool_of(policy), study.first_block):
        yield PoolBlock(cell, "samples", first, last, prms if budgets.scored else ())


def pilot(study: Study, cell: Cell) -> PoolBlock:
    """The block that difficulty is measured on: the pilot, else the first of what is voted on, else the one answer."""
    there = {block.pool: block for block in reversed([*pool_blocks(study, cell)])}
    return next(there[pool] for pool in ("pilot", "samples", "cot") if pool in there)


def search_budgets(study: Study, policy: str, method: str) -> list[int]:
    """Budgets that are run: every one, or of independent trees the largest, which serves the smaller."""
    budgets = sorted(study.budgets_for(policy).of(method))
    return budgets[-1:] if growth_of(method).independent else budgets


def searches(study: Study, cell: Cell) -> Iterator[Search]:
    """The searches of a cell, all runs of one after another."""
    for prm in study.prms_of(cell.policy) if study.can_search(cell.policy) else []:
        for method in SEARCHES:
            for budget in search_budgets(study, cell.policy, method):
                yield from (Search(cell, prm, method, budget, run) for run in range(study.runs.searches))


def diagnosed(study: Study) -> list[Cell]:
    """Every cell whose steps can be labelled exactly and are scored by a PRM."""
    return [
        cell
        for cell in cells(study)
        if isinstance(study.benchmarks[cell.benchmark], MiniatureBenchmark) and study.prms_of(cell.policy)
    ]


def labelled_blocks(study: Study, cell: Cell) -> list[PoolBlock]:
    """The blocks of a diagnosed cell that are labelled step by step: those of the samples that a PRM scored."""
    return [block for block in pool_blocks(study, cell) if block.pool == "samples" and block.scored]

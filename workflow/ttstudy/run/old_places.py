"""Where results of an earlier version may lie, and where they lie today (`ttstudy.run.legacy` has the old names)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ttstudy.dag import cells
from ttstudy.dag.cells import POOLS, Cell, Pool, PoolBlock, Search
from ttstudy.dag.context import Layout
from ttstudy.dag.generation import TABLES, labelled_scores_spec, responses_spec, scores_spec, search_spec
from ttstudy.dag.inputs import benchmark_spec, imported_spec, labelled_spec
from ttstudy.dag.models import made_model, models
from ttstudy.dag.places import DIGITS, parent
from ttstudy.dag.specs.records import Spec
from ttstudy.run.legacy import SEARCHES_THEN, Later, Legacy
from ttstudy.study import RecordedBenchmark, RecordedPolicy

KINDS = ("checkpoints", "imported tables", "benchmarks", "labelled solutions", "responses", "scores", "searches")
_BLOCK = re.compile(rf"({DIGITS})-({DIGITS})\.parquet")
_SEARCH = re.compile(rf"({DIGITS})\.({'|'.join(TABLES)})\.parquet")

Made = tuple[Spec, str]
"""The spec of a result, and which of its outputs it is."""


class Place(NamedTuple):
    """A folder of results, or one result: where it may lie, where it lies today, and what is in it."""

    kind: str
    old: tuple[str, ...]
    new: str
    made: Callable[[str], Made | None]
    """By the name of a file; None for what is no result of this kind."""
    folder: bool = True

    def results(self, root: Path, base: str) -> list[tuple[str, Made]]:
        """The results that lie at `base` (the old place or the new one), by path."""
        if self.folder:
            found = [(f"{base}/{name}", self.made(name)) for name in names(root / base)]
        else:
            found = [(base, self.made(base))] if (root / base).exists() else []
        return [(path, made) for path, made in found if made is not None]

    def at(self, path: str, base: str) -> str:
        """Where a result that lies at `base` lies today."""
        return self.new + path.removeprefix(base)


def names(folder: Path) -> list[str]:
    """What lies in a folder, none where there is none."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def places(layout: Layout) -> Iterator[Place]:
    """Everything of a study that may be of the old layout, in the order in which it was made."""
    root, study, then = layout.root, layout.study, Legacy(layout)
    yield from _given(layout, then)
    for cell in cells.cells(study):
        if not (root / study.results / cell.benchmark / cell.policy).is_dir():
            continue
        for pool in POOLS:
            yield from _pool(layout, then, cell, pool)
        for prm in study.prms_of(cell.policy) if study.can_search(cell.policy) else []:
            for method in SEARCHES_THEN:
                yield _searched(layout, then, Search(cell, prm, method, 0))


def _old(path: Callable[[], str], *folders: str) -> tuple[str, ...]:
    """The old path, or the old name in any of several folders; none where there was nothing like it then."""
    try:
        found = path()
    except Later:
        return ()
    return tuple(f"{folder}/{found}" for folder in dict.fromkeys(folders)) if folders else (found,)


def _one(spec: Spec, name: str | None = None) -> Callable[[str], Made | None]:
    """The one result of a spec, in a folder by its name."""
    made = (spec, next(iter(spec.outputs)))
    return lambda found: made if name in (None, found) else None


def _given(layout: Layout, then: Legacy) -> Iterator[Place]:
    seen = set()
    for name in models(layout.study):
        if (made := made_model(layout, name)) is not None and made.product not in seen:
            seen.add(made.product)
            folder, _, marker = made.product.rpartition("/")
            yield Place(KINDS[0], _old(partial(then.checkpoint, name)), folder, _one(made, marker))
    files = [(name, "policies") for name, item in layout.study.policies.items() if isinstance(item, RecordedPolicy)]
    files += [(n, "benchmarks") for n, item in layout.study.benchmarks.items() if isinstance(item, RecordedBenchmark)]
    for name, group in files:
        spec = imported_spec(layout, name, group)
        if spec.product not in seen:
            seen.add(spec.product)
            old = _old(partial(then.imported, name, group))
            yield Place(KINDS[1], old, spec.product, _one(spec), folder=False)
    for name in layout.study.benchmarks:
        problems = benchmark_spec(layout, name)
        old = _old(partial(then.benchmark, name))
        yield Place(KINDS[2], old, problems.product, _one(problems), folder=False)
    for name in layout.study.labelled:
        solutions = labelled_spec(layout, name)
        folder, _, file = solutions.product.rpartition("/")
        old = _old(partial(then.labelled, name))
        yield Place(KINDS[3], old, folder, _one(solutions, file))
        for prm in layout.study.scoring_prms:
            scores = labelled_scores_spec(layout, name, prm)
            inner = _old(partial(then.labelled_scores, name, prm), *(f"{one}/scores" for one in (*old, folder)))
            yield Place(KINDS[5], inner, scores.product, _one(scores), folder=False)


def _pool(layout: Layout, then: Legacy, cell: Cell, pool: Pool) -> Iterator[Place]:
    def block(name: str) -> PoolBlock | None:
        found = _BLOCK.fullmatch(name)
        return PoolBlock(cell, pool, int(found[1]), int(found[2])) if found else None

    def responses(name: str) -> Made | None:
        return (responses_spec(layout, found), "output") if (found := block(name)) else None

    # Blocks of a pool share a folder, whichever there are.
    one = PoolBlock(cell, pool, 0, 0)
    folder = parent(responses_spec(layout, one).product)
    old = _old(partial(then.pool, *cell, pool))
    yield Place(KINDS[4], old, folder, responses)
    for prm in layout.study.prms_of(cell.policy) if pool != "cot" else []:

        def scores(name: str, prm: str = prm) -> Made | None:
            return (scores_spec(layout, found, prm), "output") if (found := block(name)) else None

        # The pool may have been moved before, for another study.
        inner = _old(partial(then.scores, *cell, prm, pool), *(f"{place}/scores" for place in (*old, folder)))
        yield Place(KINDS[5], inner, parent(scores_spec(layout, one, prm).product), scores)


def _searched(layout: Layout, then: Legacy, run: Search) -> Place:
    """The searches at every budget, which share a folder."""

    def tables(name: str) -> Made | None:
        found = _SEARCH.fullmatch(name)
        return (search_spec(layout, run._replace(budget=int(found[1]))), found[2]) if found else None

    old = _old(partial(then.search, *run.cell, run.prm, run.method))
    return Place(KINDS[6], old, parent(search_spec(layout, run).product), tables)

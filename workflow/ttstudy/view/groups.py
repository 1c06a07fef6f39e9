"""What of a study can be looked at: its groups of responses, each with the files that hold it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ttstudy.dag import analysis, cells
from ttstudy.dag.cells import Cell
from ttstudy.dag.context import remembered
from ttstudy.dag.inputs import benchmark_spec
from ttstudy.dag.layout import Layout, open_layout
from ttstudy.dag.specs.analysis import Answered, Searched
from ttstudy.data import revisions
from ttstudy.errors import StudyError
from ttstudy.kinds.methods import METHODS
from ttstudy.run import provenance
from ttstudy.study import GRADERS, from_mapping

STUDY = "study.json"
"""A study as it was run, in its own folder."""
POOLS = {"samples": "Sampled responses", "cot": "Greedy responses", "pilot": "Pilot responses"}
"""Pools in words: what votes are taken from, the baseline, and what difficulty is measured on."""


class Part(NamedTuple):
    """One table of responses and what is told of it, row by row or not: paths, of which any may not be there yet."""

    responses: Path
    grades: dict[str, Path]
    """By grader, the study's first."""
    scores: dict[str, Path]
    """By PRM; of a search, whose responses carry their scores, none."""


class Group(NamedTuple):
    """Responses that belong together: a pool of a (benchmark, policy), or the answers of one search."""

    benchmark: str
    policy: str
    pool: str
    """A pool's name, or a search's."""
    prm: str = ""
    budget: int = 0
    run: int = 0

    @property
    def searched(self) -> bool:
        """Whether a search made them."""
        return self.pool not in POOLS

    @property
    def words(self) -> str:
        """What it is, for a heading."""
        if not self.searched:
            return POOLS[self.pool]
        more = f", run {self.run + 1}" if self.run else ""
        return f"{METHODS[self.pool].look.label}, {self.prm}, N = {self.budget}{more}"


class Files(NamedTuple):
    """Where a group lies."""

    parts: tuple[Part, ...]
    nodes: Path | None = None
    """The nodes of a search's trees."""


def opened(named: str) -> Layout:
    """The layout of a study's file, or of a study's folder in results; StudyError where it is neither."""
    path = Path(named)
    if not path.is_dir():
        return open_layout(revisions.load(path))
    path = path.resolve()
    for name, key in ((STUDY, None), ("provenance.json", "config")):
        told = provenance.read(path / name)
        if told is not None:
            study = from_mapping(told if key is None else told.get(key) or {}, str(path / name))
            folder = Layout(study).folder
            root = Path(str(path).removesuffix(folder))
            if Path(os.path.abspath(root / folder)) != path:
                raise StudyError(f"{path}: is not where its study wants it, which is {folder}; name the study's file")
            return Layout(study, root)
    raise StudyError(f"{path}: holds no {STUDY} and no provenance.json; name a study's file, or its folder in results")


@remembered
def groups(layout: Layout, cell: Cell) -> dict[Group, Files]:
    """The groups of a cell, each once, in the order of the DAG."""
    study = layout.study
    order = [study.grader, *(grader for grader in GRADERS if grader != study.grader)]
    by_grader = {grader: analysis.sources(layout, cell, grader) for grader in order}
    found: dict[Group, Files] = {}
    main = by_grader[study.grader]
    for pool in POOLS:
        several = [_of_pool(sources, pool) for sources in by_grader.values()]
        if several[0]:
            parts = (_part(layout, dict(zip(order, same, strict=True))) for same in zip(*several, strict=True))
            found[Group(*cell, pool)] = Files(tuple(parts))
    for place, search in enumerate(main.searches):
        same = {grader: sources.searches[place] for grader, sources in by_grader.items()}
        group = Group(*cell, search.method, search.prm, search.budget, search.run)
        found[group] = Files((_part(layout, same),), layout.root / search.nodes.path)
    return found


def _of_pool(sources: Any, pool: str) -> list[Answered]:
    told = getattr(sources, pool)
    return told if isinstance(told, list) else [] if told is None else [told]


def _part(layout: Layout, by_grader: dict[str, Any]) -> Part:
    one = next(iter(by_grader.values()))
    file = one.answers if isinstance(one, Searched) else one.responses
    return Part(
        layout.root / file.path,
        {grader: layout.root / each.grades.path for grader, each in by_grader.items()},
        {prm: layout.root / each.path for prm, each in getattr(one, "scores", {}).items()},
    )


def all_cells(layout: Layout) -> Iterator[Cell]:
    """Every (benchmark, policy)."""
    yield from cells.cells(layout.study)


def problems(layout: Layout, benchmark: str) -> Path:
    """The table of a benchmark's problems."""
    return layout.root / benchmark_spec(layout, benchmark).product

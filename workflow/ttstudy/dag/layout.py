"""The DAG of a study, told once: `jobs(layout)` lists every job with its spec, the report last.

Rules, plans, summaries and the report read this list; none of them knows a path or a grid of its own. To find your way:

- `cells`: what is drawn. A `Cell` is a (benchmark, policy); a `Run` in it a block of responses or a search.
- `places`: where every kind of file lies, one pattern each.
- `specs/`: records of all that decides a job's result, and of the files that it reads and makes.
- `inputs`, `models`, `generation`, `analysis`, `diagnostics`, `report`: functions (`search_spec(layout, run)`) that
  give the spec of one job, from the specs of those before it. A new step is a spec, its function, and a line here.
- `stamps`, `todo`: what results say of themselves, and what of a study is left to do.

A `Layout` is the study with the specs that were made of it. Folders of what models produced carry eight characters of
their spec's hash, so two settings live side by side and studies share what they have in common. Nothing here imports
pandas or torch: every `snakemake` start pays for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ttstudy.dag import cells, contents, shards
from ttstudy.dag.analysis import CELL_STEPS
from ttstudy.dag.cells import Cell, Run, Search
from ttstudy.dag.context import Layout, remembered
from ttstudy.dag.generation import grades_spec, labelled_scores_spec, labels_spec, run_spec, scores_spec
from ttstudy.dag.inputs import benchmark_spec, imported_spec, labelled_spec
from ttstudy.dag.models import checkpoint, made_model, models
from ttstudy.dag.report import TABLE_STEPS, claims_spec, report_spec
from ttstudy.dag.specs.inputs import BenchmarkSpec, FetchSpec, LabelledSpec
from ttstudy.dag.specs.records import Spec
from ttstudy.errors import StudyError
from ttstudy.study import HubBenchmark, HubLabelled, RecordedBenchmark, RecordedPolicy, Study

__all__ = ["Job", "Layout", "fetched", "jobs", "maker", "makes", "open_layout"]


class Job(NamedTuple):
    """A job of a study: the rule that runs it, its spec, and what it is about."""

    rule: str
    spec: Spec
    of: Run | Cell | str = ""
    """What it draws, grades, scores or labels; a cell that it computes with; a model, benchmark or labelled set."""
    prm: str = ""
    """The PRM that it scores with."""
    shards: tuple[Spec, ...] = ()
    """The shards that it joins; () where it makes its results by itself (`ttstudy.dag.shards`)."""

    @property
    def cell(self) -> Cell | None:
        """The cell that it is in; None for models, problems and what is the whole study's."""
        return self.of if isinstance(self.of, Cell) else None if isinstance(self.of, str) else self.of.cell


def open_layout(study: Study, root: Path | str = ".") -> Layout:
    """The layout of a checked study; StudyError when a local file that it names is missing."""
    layout = Layout(study, Path(root))
    contents.remember(layout.root / study.results)
    try:
        for benchmark in study.benchmarks:
            benchmark_spec(layout, benchmark)
        for name in study.labelled:
            labelled_spec(layout, name)
        for name in models(study):
            checkpoint(layout, name)
        for name in study.prms:
            if name in study.policies:
                raise StudyError(f"prms.{name}: a policy has the same name; names are part of paths, so choose another")
    except OSError as error:
        raise StudyError(f"{error.filename}: cannot be read ({error.strerror})") from None
    return layout


@remembered
def jobs(layout: Layout) -> list[Job]:
    """Every job of the study, each once, in the order of the DAG; the report is the last."""
    found: dict[str, Job] = {}
    for item in _behind(layout):
        found.setdefault(item.spec.product, item)
    behind = list(found.values())
    whole = [item.spec for item in behind if shards.of(item.spec) is None]
    return [*behind, Job("report", report_spec(layout, whole))]


def _behind(layout: Layout) -> Iterator[Job]:
    """The jobs behind the report; a checkpoint or a file that two names share comes twice."""
    study = layout.study
    yield from _given(layout)
    grid = cells.cells(study)
    for cell in grid:
        for block in cells.pool_blocks(study, cell):
            yield from _of_run(layout, block)
            for prm in block.scored:
                yield from _whole_or_shards(layout, scores_spec(layout, block, prm), block, prm)
    for cell in grid:
        for search in cells.searches(study, cell):
            yield from _of_run(layout, search)
    for cell in cells.diagnosed(study):
        for block in cells.labelled_blocks(study, cell):
            yield _of_spec(labels_spec(layout, block), block)
    for name in study.labelled:
        yield _of_spec(labelled_spec(layout, name), name)
        for prm in study.scoring_prms:
            yield Job("score_labelled", labelled_scores_spec(layout, name, prm), name, prm)
    for make in CELL_STEPS.values():
        yield from (_of_spec(make(layout, cell), cell) for cell in grid)
    yield from (_of_spec(of_study(layout)) for of_study in (*TABLE_STEPS, claims_spec))


def _given(layout: Layout) -> Iterator[Job]:
    """Checkpoints, recorded responses and problems."""
    study = layout.study
    for name in models(study):
        if (made := made_model(layout, name)) is not None:
            yield _of_spec(made, name)
    for name, policy in study.policies.items():
        if isinstance(policy, RecordedPolicy):
            yield _of_spec(imported_spec(layout, name), name)
    for name, benchmark in study.benchmarks.items():
        if isinstance(benchmark, RecordedBenchmark):
            yield _of_spec(imported_spec(layout, name, "benchmarks"), name)
        yield _of_spec(benchmark_spec(layout, name), name)


def _of_run(layout: Layout, run: Run) -> Iterator[Job]:
    """A run, and the grading of what it gives."""
    yield from _whole_or_shards(layout, run_spec(layout, run), run)
    yield Job("grade_search" if isinstance(run, Search) else "grade", grades_spec(layout, run), run)


def _whole_or_shards(layout: Layout, spec: Spec, run: Run, prm: str = "") -> Iterator[Job]:
    """The job of a spec; where it is too long for one, its shards and what joins them."""
    parts = shards.shards(layout, spec, run, prm)
    yield from (Job(spec.step, part, run, prm) for part in parts)
    yield Job(f"join_{spec.step}" if parts else spec.step, spec, run, prm, parts)


def _of_spec(spec: Spec, of: Run | Cell | str = "", prm: str = "") -> Job:
    """The job of a rule that has its step's name."""
    return Job(spec.step, spec, of, prm)


def fetched(layout: Layout) -> list[str]:
    """Everything that comes from the hub, checkpoints, benchmarks and labelled solutions, each once."""
    return [item.spec.product for item in jobs(layout) if _is_fetched(item.spec)]


def _is_fetched(spec: Spec) -> bool:
    given = spec.settings if isinstance(spec, BenchmarkSpec | LabelledSpec) else None
    return isinstance(spec, FetchSpec) or isinstance(given, HubBenchmark | HubLabelled)


@remembered
def _makers(layout: Layout) -> dict[str, Job]:
    return {path: item for item in jobs(layout) for path in item.spec.outputs.values()}


def makes(layout: Layout, path: str) -> bool:
    """Whether a job of this study makes the file at this path, and it stays: a shard goes when it is joined."""
    return path in _makers(layout) and shards.of(_makers(layout)[path].spec) is None


def maker(layout: Layout, path: str) -> Job:
    """The job that makes the file at a path; StudyError where no job of this study does."""
    try:
        return _makers(layout)[path]
    except KeyError:
        raise StudyError(
            f"nothing in this configuration makes {path}; ask for a path that `snakemake -n` lists"
        ) from None

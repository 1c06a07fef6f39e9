"""Spec of the diagnosis of the PRMs: pools and searches whose steps can be labelled exactly, and labelled solutions."""

from __future__ import annotations

from ttstudy.dag import cells
from ttstudy.dag.analysis import of_study, sources
from ttstudy.dag.cells import Cell
from ttstudy.dag.context import Layout, remembered
from ttstudy.dag.generation import labelled_scores_spec, labels_spec
from ttstudy.dag.inputs import benchmark_spec, labelled_spec
from ttstudy.dag.specs.analysis import DiagnosedCell, DiagnosticsSpec, LabelledBlock, LabelledSet


@remembered
def diagnostics_spec(layout: Layout) -> DiagnosticsSpec:
    """Spec of the flaws of the PRMs: labelled pools and searches, and labelled sets."""
    study = layout.study
    return DiagnosticsSpec(
        seed=study.seed,
        search=study.search,
        cells=[_diagnosed(layout, cell) for cell in cells.diagnosed(study)],
        labelled=[_labelled(layout, name) for name in study.labelled],
        **of_study(layout, "diagnostics"),
    )


def _diagnosed(layout: Layout, cell: Cell) -> DiagnosedCell:
    found = sources(layout, cell, layout.study.grader)
    labels = {run.block: labels_spec(layout, run).file() for run in cells.labelled_blocks(layout.study, cell)}
    return DiagnosedCell(
        problems=benchmark_spec(layout, cell.benchmark).file(),
        pool=[
            LabelledBlock(responses=block.responses, labels=labels[block.samples], scores=block.scores)
            for block in found.samples
            if block.samples in labels
        ],
        searches=found.searches,
        **cell._asdict(),
    )


def _labelled(layout: Layout, name: str) -> LabelledSet:
    prms = sorted(layout.study.scoring_prms)
    return LabelledSet(
        name=name,
        solutions=labelled_spec(layout, name).file(),
        scores={prm: labelled_scores_spec(layout, name, prm).file() for prm in prms},
    )

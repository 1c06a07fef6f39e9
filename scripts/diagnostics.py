"""Measure the PRMs' flaws on labelled steps, and which failures of search they explain."""

from pathlib import Path

from ttstudy.analysis.diagnostics.study import diagnose
from ttstudy.dag.specs.analysis import DiagnosticsSpec
from ttstudy.data import tables
from ttstudy.run import steps


def step(spec: DiagnosticsSpec, _log: Path | None) -> None:
    """Read labels, scores and search trees; write the tables about flaws."""
    for name, frame in diagnose(spec).items():
        tables.write(name, frame, spec.outputs[name])


if __name__ == "__main__":
    steps.main(DiagnosticsSpec, step)

"""Measure the PRMs' flaws on labelled steps, and which failures of search they explain."""

from pathlib import Path

from ttstudy import steps, tables
from ttstudy.diagnostics.study import diagnose
from ttstudy.specs.kinds import DiagnosticsSpec


def step(spec: DiagnosticsSpec, _log: Path | None) -> None:
    """Read labels, scores and search trees; write the tables about flaws."""
    for name, frame in diagnose(spec).items():
        tables.write(name, frame, spec.outputs[name])


if __name__ == "__main__":
    steps.main(DiagnosticsSpec, step)

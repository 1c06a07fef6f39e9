"""Read a set of solutions that are labelled step by step (ProcessBench, PRM800K or plain) into one table."""

from pathlib import Path

from ttstudy.analysis.diagnostics.labelled import read_labelled
from ttstudy.dag.specs.inputs import LabelledSpec
from ttstudy.data import tables
from ttstudy.run import steps


def step(spec: LabelledSpec, _log: Path | None) -> None:
    """Read, check, write."""
    frame = read_labelled([*map(Path, spec.sources)], spec.settings.format, spec.settings.solutions)
    tables.write("labelled", frame, spec.outputs["output"])


if __name__ == "__main__":
    steps.main(LabelledSpec, step)

"""Read a set of solutions that are labelled step by step (ProcessBench, PRM800K or plain) into one table."""

from pathlib import Path
from tempfile import TemporaryDirectory

from ttstudy.analysis.diagnostics.labelled import read_labelled
from ttstudy.dag.specs.inputs import LabelledSpec
from ttstudy.data import hub, tables
from ttstudy.run import steps
from ttstudy.study import HubLabelled


def step(spec: LabelledSpec, _log: Path | None) -> None:
    """Fetch what is on the hub; read, check, write."""
    told, files = spec.settings, [*map(Path, spec.sources)]
    with TemporaryDirectory() as folder:
        if isinstance(told, HubLabelled):
            files = [hub.fetch_dataset_file(told.id, told.revision, told.file, "", Path(folder), told.checksums)]
        frame = read_labelled(files, told.format, told.solutions)
    tables.write("labelled", frame, spec.outputs["output"])


if __name__ == "__main__":
    steps.main(LabelledSpec, step)

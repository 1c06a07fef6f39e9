"""Compute what the report opens with: small against large, gains, fronts, best methods, what PRMs and votes do."""

from pathlib import Path

from ttstudy.analysis import headline
from ttstudy.analysis.definitions import StudyTables
from ttstudy.dag.specs.analysis import HeadlineSpec
from ttstudy.data import tables
from ttstudy.run import steps


def step(spec: HeadlineSpec, _log: Path | None) -> None:
    """Read the study's tables; write those that its headline rests on."""
    read = {name: tables.of(name, file) for name, file in spec.tables.items()}
    study = StudyTables(read, spec.score, spec.vote, spec.seed, {"prms": spec.prms})
    found = headline.tables(study, spec.published, spec.cutoffs)
    for name, frame in found.items():
        tables.write(name, frame, spec.outputs[name])


if __name__ == "__main__":
    steps.main(HeadlineSpec, step)

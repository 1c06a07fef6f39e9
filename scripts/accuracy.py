"""Join the study's parts, and put every cell's accuracy between its 95 % bounds."""

from pathlib import Path

from ttstudy.analysis.accuracy import accuracy_table
from ttstudy.analysis.retrained import with_training
from ttstudy.dag.specs.analysis import AccuracySpec
from ttstudy.data import tables
from ttstudy.run import steps


def step(spec: AccuracySpec, _log: Path | None) -> None:
    """Join outcomes, difficulty, ledger and what was counted; compute accuracy."""
    parts = {
        "outcomes": spec.outcomes,
        "difficulty": spec.difficulty,
        "ledger": spec.ledger,
        "counts": spec.counts,
        "overlong": spec.overlong,
        "spread": spec.spread,
    }
    joined = {name: tables.joined(name, files) for name, files in parts.items()}
    accuracy = accuracy_table(joined["outcomes"], seed=spec.seed)
    joined["spread"] = with_training(joined["spread"], accuracy, spec.retrained)
    for name, frame in (joined | {"accuracy": accuracy}).items():
        tables.write(name, frame, spec.outputs[name])


if __name__ == "__main__":
    steps.main(AccuracySpec, step)

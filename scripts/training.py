"""What every model of the study is: parameters, training tokens and FLOPs, final loss, AUC."""

from pathlib import Path

import pandas as pd

from ttstudy.analysis import sizes
from ttstudy.dag.specs.analysis import TrainingSpec
from ttstudy.data import tables
from ttstudy.run import steps


def step(spec: TrainingSpec, _log: Path | None) -> None:
    """Describe each model."""
    rows = [
        {"model": name, "kind": model.kind} | sizes.describe(model) for name, model in spec.models.items()
    ]
    tables.write("training", pd.DataFrame(rows), spec.outputs["training"])


if __name__ == "__main__":
    steps.main(TrainingSpec, step)

"""What every model of the study is: parameters, training tokens and FLOPs, final loss, AUC."""

from pathlib import Path

import pandas as pd

from ttstudy import checkpoints, steps, tables


def step() -> None:
    """Describe each model."""
    parser = steps.parser(__doc__)
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    rows = [
        {"model": name, "kind": model["kind"]} | checkpoints.describe(model)
        for name, model in args.spec["models"].items()
    ]
    tables.write("training", pd.DataFrame(rows), args.output)


if __name__ == "__main__":
    steps.main(step)

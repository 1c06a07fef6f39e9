"""Choose the compute-optimal strategy per policy, PRM, level and budget: naively, cross-fitted, by author rule."""

from pathlib import Path

import pandas as pd

from ttstudy import steps, strategy, tables


def step() -> None:
    """Select strategies, measure the optimism of naive selection and the efficiency gain; join the cells' tables."""
    parser = steps.parser(__doc__)
    parser.add_argument("--tables", required=True, type=Path, help="folder of the study's tables")
    parser.add_argument("--predicted", required=True, nargs="+", type=Path)
    parser.add_argument("--adaptive", required=True, nargs="+", type=Path)
    args = parser.parse_args()
    outcomes = tables.read("outcomes", args.tables / "outcomes.parquet")
    training = tables.read("training", args.tables / "training.parquet")
    parameters = dict(zip(training["model"], training["parameters"], strict=True))
    seed = args.spec["seed"]
    predicted = steps.concat("predicted", args.predicted)
    selected = [
        strategy.select(outcomes, seed=seed, parameters=parameters),
        strategy.predicted(outcomes, predicted, seed=seed),
    ]
    found = {
        "strategy": pd.concat(selected, ignore_index=True),
        "optimism": strategy.optimism(outcomes, seed=seed),
        "predicted": predicted,
        "adaptive": steps.concat("adaptive", args.adaptive),
        "efficiency": strategy.efficiency(outcomes, seed=seed),
    }
    for name, frame in found.items():
        tables.write(name, frame, args.tables / f"{name}.parquet")


if __name__ == "__main__":
    steps.main(step)

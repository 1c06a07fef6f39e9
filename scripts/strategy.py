"""Choose the compute-optimal strategy per policy, PRM, level and budget: naively, cross-fitted, by author rule."""

from pathlib import Path

from ttstudy import steps, strategy, tables


def step() -> None:
    """Select strategies and measure the optimism of naive selection."""
    parser = steps.parser(__doc__)
    parser.add_argument("--tables", required=True, type=Path, help="folder of the study's tables")
    args = parser.parse_args()
    outcomes = tables.read("outcomes", args.tables / "outcomes.parquet")
    training = tables.read("training", args.tables / "training.parquet")
    parameters = dict(zip(training["model"], training["parameters"], strict=True))
    seed = args.spec["seed"]
    selected = strategy.select(outcomes, seed=seed, parameters=parameters)
    optimism = strategy.optimism(outcomes, seed=seed)
    tables.write("strategy", selected, args.tables / "strategy.parquet")
    tables.write("optimism", optimism, args.tables / "optimism.parquet")


if __name__ == "__main__":
    steps.main(step)

"""Choose the compute-optimal strategy per policy, PRM, level and budget: naively, cross-fitted, by author rule."""

from pathlib import Path

import pandas as pd

from ttstudy import steps, strategy, tables
from ttstudy.specs.kinds import StrategySpec


def step(spec: StrategySpec, _log: Path | None) -> None:
    """Select strategies, measure the optimism of naive selection and the efficiency gain; join the cells' tables."""
    outcomes = steps.read("outcomes", spec.outcomes)
    training = steps.read("training", spec.training)
    parameters = dict(zip(training["model"], training["parameters"], strict=True))
    predicted = steps.concat("predicted", spec.predicted)
    selected = [
        strategy.select(outcomes, seed=spec.seed, parameters=parameters),
        strategy.predicted(outcomes, predicted, seed=spec.seed),
    ]
    found = {
        "strategy": pd.concat(selected, ignore_index=True),
        "optimism": strategy.optimism(outcomes, seed=spec.seed),
        "predicted": predicted,
        "adaptive": steps.concat("adaptive", spec.adaptive),
        "efficiency": strategy.efficiency(outcomes, seed=spec.seed),
    }
    for name, frame in found.items():
        tables.write(name, frame, spec.outputs[name])


if __name__ == "__main__":
    steps.main(StrategySpec, step)

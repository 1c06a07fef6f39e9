"""Choose the compute-optimal strategy per policy, PRM, level and budget: naively, cross-fitted, by author rule."""

from pathlib import Path

import pandas as pd

from ttstudy.analysis import strategy
from ttstudy.dag.specs.analysis import StrategySpec
from ttstudy.data import tables
from ttstudy.run import steps


def step(spec: StrategySpec, _log: Path | None) -> None:
    """Select strategies, measure the optimism of naive selection and the efficiency gain; join the cells' tables."""
    outcomes = tables.of("outcomes", spec.outcomes)
    training = tables.of("training", spec.training)
    parameters = dict(zip(training["model"], training["parameters"], strict=True))
    predicted = tables.joined("predicted", spec.predicted)
    selected = [
        strategy.select(outcomes, seed=spec.seed, parameters=parameters),
        strategy.predicted(outcomes, predicted, seed=spec.seed),
    ]
    found = {
        "strategy": pd.concat(selected, ignore_index=True),
        "optimism": strategy.optimism(outcomes, seed=spec.seed),
        "predicted": predicted,
        "adaptive": tables.joined("adaptive", spec.adaptive),
        "efficiency": strategy.efficiency(outcomes, seed=spec.seed),
    }
    for name, frame in found.items():
        tables.write(name, frame, spec.outputs[name])


if __name__ == "__main__":
    steps.main(StrategySpec, step)

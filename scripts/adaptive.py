"""Levels predicted without labels, and what budgets that adapt to a problem buy, for one benchmark and policy."""

from pathlib import Path

import pandas as pd

from ttstudy.analysis import difficulty, strategy
from ttstudy.dag.specs.analysis import AdaptiveSpec
from ttstudy.data import tables
from ttstudy.methods import voting
from ttstudy.run import steps

GRADES = ["problem_id", "sample", "canonical", "correct"]


def step(spec: AdaptiveSpec, _log: Path | None) -> None:
    """Predict levels from the pilot; spread budgets by them, and stop votes that are decided."""
    if spec.sources.pilot is None:  # a reference answers once, or there is none: nothing to predict from
        for name, path in spec.outputs.items():
            tables.write(name, tables.empty(name), path)
        return
    names = {"benchmark": spec.benchmark, "policy": spec.policy}
    pilot = tables.of("grades", spec.sources.pilot.grades, GRADES)
    scores = {prm: tables.of("scores", file) for prm, file in spec.sources.pilot.scores.items()}
    known = tables.of("difficulty", spec.difficulty)
    levels = difficulty.predicted(pilot, scores, known, spec.settings.thresholds, spec.settings.scheme)
    tables.write("predicted", levels.assign(**names), spec.outputs["predicted"])

    outcomes = tables.of("outcomes", spec.outcomes)
    headline = (outcomes["score"] == spec.score) & (outcomes["vote"] == spec.vote)
    chosen = outcomes[headline | (outcomes["vote"] == "majority") & (outcomes["prm"] == "none")]
    found = [strategy.allocate(chosen, levels, spec.seed)]
    if spec.sources.samples and spec.budgets.of("majority"):
        pool = tables.joined("grades", [block.grades for block in spec.sources.samples], GRADES)
        grid = voting.Pool.build(pool, None, list(known["problem_id"]))
        whole = [n for n in sorted(spec.budgets.of("majority")) if not spec.sources.uneven or n <= grid.sizes.min()]
        if whole:
            found.append(strategy.stopping(grid, whole, seed=spec.seed).assign(**names))
    columns = {column: "float" for column in ("difference", "low", "high")}
    tables.write("adaptive", pd.concat(found, ignore_index=True).astype(columns), spec.outputs["adaptive"])


if __name__ == "__main__":
    steps.main(AdaptiveSpec, step)

"""Value of every method at every budget on every problem, for one benchmark and policy."""

from pathlib import Path

from ttstudy.dag.specs.analysis import OutcomesSpec
from ttstudy.data import tables
from ttstudy.methods import outcomes
from ttstudy.methods.spread import Spread
from ttstudy.run import steps


def step(spec: OutcomesSpec, _log: Path | None) -> None:
    """Read the cell's grades and scores, value each method, write the outcomes and how far runs lie apart."""
    difficulty = tables.of("difficulty", spec.difficulty)
    ids, spread = list(difficulty["problem_id"]), Spread()
    values = outcomes.of_sources(spec.sources, ids, spec.budgets, spec.beam_width, spec.seed, spread)
    tables.write("outcomes", outcomes.table(spec.benchmark, spec.policy, values, difficulty), spec.outputs["outcomes"])
    tables.write("spread", spread.table({"benchmark": spec.benchmark, "policy": spec.policy}), spec.outputs["spread"])


if __name__ == "__main__":
    steps.main(OutcomesSpec, step)

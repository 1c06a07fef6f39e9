"""Value of every method at every budget on every problem, for one benchmark and policy."""

from pathlib import Path

from ttstudy.dag.specs.analysis import OutcomesSpec
from ttstudy.data import tables
from ttstudy.methods import outcomes
from ttstudy.run import steps


def step(spec: OutcomesSpec, _log: Path | None) -> None:
    """Read the cell's grades and scores, value each method, write the outcomes."""
    difficulty = tables.of("difficulty", spec.difficulty)
    values = outcomes.of_sources(
        spec.sources, list(difficulty["problem_id"]), spec.budgets, spec.beam_width, spec.seed
    )
    tables.write("outcomes", outcomes.table(spec.benchmark, spec.policy, values, difficulty), spec.outputs["outcomes"])


if __name__ == "__main__":
    steps.main(OutcomesSpec, step)

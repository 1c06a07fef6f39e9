"""Difficulty levels of a benchmark for one policy, from its graded pilot."""

from pathlib import Path

from ttstudy.analysis import difficulty
from ttstudy.dag.specs.analysis import DifficultySpec
from ttstudy.data import tables
from ttstudy.run import steps


def step(spec: DifficultySpec, _log: Path | None) -> None:
    """Pass@1 on the pilot, and the level it puts each problem in."""
    grades = tables.of("grades", spec.pilot)
    levels = difficulty.levels(grades, thresholds=spec.settings.thresholds, scheme=spec.settings.scheme)
    levels.insert(0, "benchmark", spec.benchmark)
    levels.insert(1, "policy", spec.policy)
    tables.write("difficulty", levels, spec.outputs["difficulty"])


if __name__ == "__main__":
    steps.main(DifficultySpec, step)

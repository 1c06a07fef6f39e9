"""Join what was found odd about the data of each cell, and look at problems and at what PRMs could not read."""

from pathlib import Path

import pandas as pd

from ttstudy.analysis import examination
from ttstudy.dag.specs.analysis import FindingsSpec
from ttstudy.data import tables
from ttstudy.run import steps


def step(spec: FindingsSpec, log: Path | None) -> None:
    """Read the cells' findings, the problems and the counts of over-long solutions; write one table."""
    problems = {name: tables.of("benchmark", file) for name, file in spec.benchmarks.items()}
    overlong = tables.of("overlong", spec.overlong)
    rows = pd.DataFrame([*examination.of_problems(problems), *examination.of_scores(overlong, spec.overflow)])
    found = pd.concat([tables.joined("examination", spec.cells), rows], ignore_index=True)
    steps.tell([examination.summary(found), *examination.told(rows)], log)
    tables.write("examination", found, spec.outputs["examination"])


if __name__ == "__main__":
    steps.main(FindingsSpec, step)

"""Join what was found odd about the data of each cell; look at problems, searches and what PRMs could not read."""

from pathlib import Path

import pandas as pd

from ttstudy.analysis import examination
from ttstudy.dag.specs.analysis import FindingsSpec
from ttstudy.data import tables
from ttstudy.errors import StudyError
from ttstudy.run import steps


def step(spec: FindingsSpec, log: Path | None) -> None:
    """Read the cells' findings, the problems and what was counted; write one table, or refuse what no number means."""
    problems = {name: tables.of("benchmark", file) for name, file in spec.benchmarks.items()}
    overlong = tables.of("overlong", spec.overlong)
    searched = examination.of_searches(tables.of("counts", spec.counts))
    overlong_rows = examination.of_scores(overlong, spec.overflow)
    rows = pd.DataFrame([*examination.of_problems(problems), *searched, *overlong_rows])
    stopping = examination.stopping(rows, spec.accepted)
    if len(stopping):
        raise StudyError(examination.refusal(stopping))
    found = pd.concat([tables.joined("examination", spec.cells), rows], ignore_index=True)
    steps.tell([examination.summary(found), *examination.told(rows)], log)
    tables.write("examination", found, spec.outputs["examination"])


if __name__ == "__main__":
    steps.main(FindingsSpec, step)

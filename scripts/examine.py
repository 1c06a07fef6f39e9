"""Examine the responses of one policy to one benchmark; refuse what no number could be made of."""

from pathlib import Path

import pandas as pd

from ttstudy.analysis import examination
from ttstudy.dag.specs.analysis import ExamineSpec
from ttstudy.data import tables
from ttstudy.errors import StudyError
from ttstudy.run import steps

RESPONSES = ["problem_id", "sample", "response", "finish"]
GRADES = ["problem_id", "sample", "correct", "status"]
FORMS = ["problem_id", "sample", "canonical"]


def step(spec: ExamineSpec, log: Path | None) -> None:
    """Read a block at a time, count, tell what is odd."""
    problems = tables.of("benchmark", spec.problems)
    examined = examination.Examined(problems, spec.extraction, spec.unfinished)
    for pool, blocks in spec.pools.items():
        for block in blocks:
            responses = tables.of("responses", block.responses, RESPONSES)
            forms = tables.of("grades", block.forms, FORMS)["canonical"]
            grades = tables.of("grades", block.grades, GRADES)
            examined.add(pool, responses, grades, [None if pd.isna(form) else str(form) for form in forms])
    found = pd.DataFrame(examined.findings()).assign(benchmark=spec.benchmark, policy=spec.policy)
    stopping = examination.stopping(found, spec.accepted)
    steps.tell(examination.told(found.drop(stopping.index)), log)
    if len(stopping):
        raise StudyError(examination.refusal(stopping))
    tables.write("examination", found, spec.outputs["examination"])


if __name__ == "__main__":
    steps.main(ExamineSpec, step)

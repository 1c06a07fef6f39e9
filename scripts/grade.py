"""Extract and grade the answers of a table of responses, with every grader."""

from pathlib import Path

from ttstudy.answers import grade_table
from ttstudy.dag.specs.generation import GradeSpec
from ttstudy.data import tables
from ttstudy.run import steps


def step(spec: GradeSpec, _log: Path | None) -> None:
    """Grade every response against its problem's gold answer; one table of grades per grader of the spec."""
    responses = tables.of("responses", spec.responses, ["problem_id", "sample", "response", "finish"])
    benchmark = tables.of("benchmark", spec.benchmark)
    for grader in spec.graders:
        grades = grade_table(
            responses,
            benchmark,
            grader=grader,
            extraction=spec.extraction,
            unfinished=spec.unfinished,
            cut=spec.cut,
        )
        tables.write("grades", grades, spec.outputs[grader])


if __name__ == "__main__":
    steps.main(GradeSpec, step)

"""Extract and grade the answers of a table of responses, with every grader."""

from pathlib import Path

from ttstudy import steps, tables
from ttstudy.answers import grade_table
from ttstudy.specs.kinds import GradeSpec


def step(spec: GradeSpec, _log: Path | None) -> None:
    """Grade every response against its problem's gold answer; one table of grades per grader of the spec."""
    responses = steps.read("responses", spec.responses, ["problem_id", "sample", "response"])
    benchmark = steps.read("benchmark", spec.benchmark)
    for grader in spec.graders:
        grades = grade_table(
            responses, benchmark, grader=grader, extraction=spec.extraction, cache_dir=Path(spec.cache)
        )
        tables.write("grades", grades, spec.outputs[grader])


if __name__ == "__main__":
    steps.main(GradeSpec, step)

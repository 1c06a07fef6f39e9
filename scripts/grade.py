"""Extract and grade the answers of a table of responses."""

from pathlib import Path

from ttstudy import steps, tables
from ttstudy.answers import grade_table


def step() -> None:
    """Grade every response against its problem's gold answer."""
    parser = steps.parser(__doc__)
    parser.add_argument("--benchmark", required=True, type=Path)
    parser.add_argument("--responses", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    responses = tables.read("responses", args.responses, ["problem_id", "sample", "response"])
    benchmark = tables.read("benchmark", args.benchmark)
    grades = grade_table(responses, benchmark, grader=args.spec["grader"], extraction=args.spec["extraction"])
    tables.write("grades", grades, args.output)


if __name__ == "__main__":
    steps.main(step)

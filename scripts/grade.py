"""Extract and grade the answers of a table of responses, with every grader."""

from pathlib import Path

from ttstudy import steps, tables
from ttstudy.answers import grade_table


def step() -> None:
    """Grade every response against its problem's gold answer; one table of grades per grader of the spec."""
    parser = steps.parser(__doc__)
    parser.add_argument("--benchmark", required=True, type=Path)
    parser.add_argument("--responses", required=True, type=Path)
    parser.add_argument("--output", required=True, nargs="+", type=Path, help="one file per grader, in their order")
    parser.add_argument("--cache", type=Path, help="folder for verdicts that took a computer algebra system")
    args = parser.parse_args()
    responses = tables.read("responses", args.responses, ["problem_id", "sample", "response"])
    benchmark = tables.read("benchmark", args.benchmark)
    for grader, path in zip(args.spec["graders"], args.output, strict=True):
        grades = grade_table(
            responses, benchmark, grader=grader, extraction=args.spec["extraction"], cache_dir=args.cache
        )
        tables.write("grades", grades, path)


if __name__ == "__main__":
    steps.main(step)

"""Label every step of a block of miniature responses right or wrong, exactly."""

from pathlib import Path

from ttstudy import steps, tables
from ttstudy.diagnostics import label_responses


def step() -> None:
    """Label a block."""
    parser = steps.parser(__doc__)
    parser.add_argument("--benchmark", required=True, type=Path)
    parser.add_argument("--responses", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    problems = tables.read("benchmark", args.benchmark).set_index("problem_id")["problem"]
    responses = tables.read("responses", args.responses, ["problem_id", "sample", "steps"])
    tables.write("labels", label_responses(responses, problems), args.output)


if __name__ == "__main__":
    steps.main(step)

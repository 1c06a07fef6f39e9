"""Value of every method at every budget on every problem, for one benchmark and policy."""

from pathlib import Path

from ttstudy import outcomes, steps, tables


def step() -> None:
    """Read the cell's grades and scores, value each method, write the outcomes."""
    parser = steps.parser(__doc__)
    parser.add_argument("--difficulty", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    spec = args.spec
    difficulty = tables.read("difficulty", args.difficulty)
    values = outcomes.of_files(
        spec["sources"], list(difficulty["problem_id"]), spec["budgets"], spec["beam_width"], spec["seed"]
    )
    tables.write("outcomes", outcomes.table(spec["benchmark"], spec["policy"], values, difficulty), args.output)


if __name__ == "__main__":
    steps.main(step)

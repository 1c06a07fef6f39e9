"""Difficulty levels of a benchmark for one policy, from its graded pilot."""

from pathlib import Path

from ttstudy import difficulty, steps, tables


def step() -> None:
    """Pass@1 on the pilot, and the level it puts each problem in."""
    parser = steps.parser(__doc__)
    parser.add_argument("--pilot", required=True, type=Path, help="grades of the pilot")
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    settings = args.spec["difficulty"]
    levels = difficulty.levels(
        tables.read("grades", args.pilot), thresholds=tuple(settings["thresholds"]), scheme=settings["scheme"]
    )
    levels.insert(0, "benchmark", args.spec["benchmark"])
    levels.insert(1, "policy", args.spec["policy"])
    tables.write("difficulty", levels, args.output)


if __name__ == "__main__":
    steps.main(step)

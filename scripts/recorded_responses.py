"""Take a block of responses from recorded ones: pilot, greedy CoT, or part of the pool."""

from pathlib import Path

from ttstudy import recorded, steps, tables
from ttstudy.errors import StudyError


def step() -> None:
    """Select the block's samples of every problem of the benchmark."""
    parser = steps.parser(__doc__)
    parser.add_argument("--benchmark", required=True, type=Path)
    parser.add_argument("--recorded", required=True, type=Path, help="checked table of recorded responses")
    parser.add_argument("--block", required=True, type=int, nargs=2, metavar=("FIRST", "LAST"))
    parser.add_argument("--largest", required=True, type=int, help="largest budget that is asked for")
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    problems = tables.read("benchmark", args.benchmark, ["problem_id", "problem"])
    found = tables.read("recorded", args.recorded)
    texts = problems.merge(found[["problem_id", "problem"]].drop_duplicates(), on="problem_id", how="left")
    other = texts[texts["problem_x"] != texts["problem_y"]]
    if len(other):
        raise StudyError(
            f"problem {other['problem_id'].iloc[0]!r} of the benchmark is not among the recorded ones, "
            "or has another text there"
        )
    taken = recorded.responses(
        found, problems["problem_id"], args.spec["pool"], tuple(args.block), args.spec["pilot"], args.largest
    )
    tables.write("responses", taken, args.output)


if __name__ == "__main__":
    steps.main(step)

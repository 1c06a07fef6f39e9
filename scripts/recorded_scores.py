"""Take a PRM's step scores of a block of responses from recorded ones."""

from pathlib import Path

from ttstudy import recorded, steps, tables


def step() -> None:
    """Select the scores that belong to the block's responses."""
    parser = steps.parser(__doc__)
    parser.add_argument("--recorded", required=True, type=Path, help="checked table of recorded responses")
    parser.add_argument("--responses", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    responses = tables.read("responses", args.responses, ["problem_id", "sample", "recorded"])
    found = tables.read("recorded", args.recorded)
    tables.write("scores", recorded.scores(found, responses, args.spec["column"]), args.output)


if __name__ == "__main__":
    steps.main(step)

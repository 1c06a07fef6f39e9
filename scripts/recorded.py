"""Check a file of recorded responses and bring it into one form."""

from pathlib import Path

from ttstudy import recorded, steps, tables


def step() -> None:
    """Read the whole file; a broken row stops here, before anything is made from the others."""
    parser = steps.parser(__doc__)
    parser.add_argument("--file", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    frame, unused = recorded.load(args.file)
    tables.write("recorded", frame, args.output)
    with steps.log(args.log) as log:
        if log is not None:
            sizes = frame.groupby("problem_id").size()
            print(f"{len(sizes):,} problems, {sizes.min()} to {sizes.max()} responses each", file=log)
            print("columns not used:", ", ".join(map(ascii, unused[:50])) or "none", file=log)


if __name__ == "__main__":
    steps.main(step)

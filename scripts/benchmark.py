"""Write a benchmark's table of problems."""

from pathlib import Path

from ttstudy import benchmarks, steps, tables


def step() -> None:
    """Load, check, write."""
    parser = steps.parser(__doc__)
    parser.add_argument("--source", nargs="*", type=Path, default=[], help="table of recorded responses, if it is one")
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    recorded = tables.read("recorded", args.source[0]) if args.spec["source"] == "recorded" else None
    frame = benchmarks.load(args.spec, recorded)
    tables.write("benchmark", frame, args.output)
    with steps.log(args.log) as log:
        if log is not None:
            print(f"{len(frame):,} problems; SHA-256 of these problems: {benchmarks.checksum(frame)}", file=log)


if __name__ == "__main__":
    steps.main(step)

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
    tables.write("benchmark", benchmarks.load(args.spec, recorded), args.output)


if __name__ == "__main__":
    steps.main(step)

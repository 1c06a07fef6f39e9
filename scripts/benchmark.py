"""Write a benchmark's table of problems."""

from pathlib import Path

from ttstudy import benchmarks, steps, tables


def step() -> None:
    """Load, check, write."""
    parser = steps.parser(__doc__)
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    tables.write("benchmark", benchmarks.load(args.spec), args.output)


if __name__ == "__main__":
    steps.main(step)

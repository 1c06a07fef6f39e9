"""Join the study's parts, and put every cell's accuracy between its 95 % bounds."""

from pathlib import Path

from ttstudy import statistics, steps, tables

PARTS = ("outcomes", "difficulty", "ledger", "counts")


def step() -> None:
    """Join outcomes, difficulty, ledger and counts; compute accuracy."""
    parser = steps.parser(__doc__)
    for name in PARTS:
        parser.add_argument(f"--{name}", required=True, nargs="+", type=Path)
    parser.add_argument("--tables", required=True, type=Path, help="folder of the study's tables")
    args = parser.parse_args()
    joined = {name: steps.concat(name, getattr(args, name)) for name in PARTS}
    accuracy = statistics.accuracy_table(joined["outcomes"], seed=args.spec["seed"])
    for name, frame in (joined | {"accuracy": accuracy}).items():
        tables.write(name, frame, args.tables / f"{name}.parquet")


if __name__ == "__main__":
    steps.main(step)

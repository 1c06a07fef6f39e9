"""Measure the PRMs' flaws on labelled steps, and which failures of search they explain."""

from pathlib import Path

from ttstudy import steps, tables
from ttstudy.diagnostics import study


def step() -> None:
    """Read labels, scores and search trees; write the tables about flaws."""
    parser = steps.parser(__doc__)
    parser.add_argument("--tables", required=True, type=Path, help="folder of the study's tables")
    args = parser.parse_args()
    for name, frame in study.diagnose(args.spec).items():
        tables.write(name, frame, args.tables / f"{name}.parquet")


if __name__ == "__main__":
    steps.main(step)

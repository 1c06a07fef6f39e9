"""Judge every claim of the paper that this study's tables, or the published numbers alone, can test."""

from pathlib import Path

import pandas as pd

from ttstudy import claims, steps, tables
from ttstudy.fingerprint import ROOT
from ttstudy.names import STUDY_TABLES

PUBLISHED = ROOT / "reports" / "published.csv"


def step() -> None:
    """Read the study's tables and the published numbers; write the verdicts."""
    parser = steps.parser(__doc__)
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    found = {name: tables.read(name, args.output.parent / f"{name}.parquet") for name in STUDY_TABLES}
    found["published"] = pd.read_csv(PUBLISHED)
    tables.write("claims", claims.verdicts(found, seed=args.spec["seed"]), args.output)


if __name__ == "__main__":
    steps.main(step)

"""Judge every claim of the paper that this study's tables, or the published numbers alone, can test."""

from pathlib import Path

import pandas as pd

from ttstudy import claims, steps, tables
from ttstudy.fingerprint import ROOT
from ttstudy.specs.kinds import ClaimsSpec

PUBLISHED = ROOT / "reports" / "published.csv"


def step(spec: ClaimsSpec, _log: Path | None) -> None:
    """Read the study's tables and the published numbers; write the verdicts."""
    found = {name: steps.read(name, file) for name, file in spec.tables.items()}
    found["published"] = pd.read_csv(PUBLISHED)
    tables.write("claims", claims.verdicts(found, seed=spec.seed), spec.outputs["claims"])


if __name__ == "__main__":
    steps.main(ClaimsSpec, step)

"""Judge every claim of the paper that this study's tables, or the published numbers alone, can test."""

from pathlib import Path

import pandas as pd

from ttstudy.analysis import claims
from ttstudy.dag.fingerprint import ROOT
from ttstudy.dag.specs.analysis import ClaimsSpec
from ttstudy.data import tables
from ttstudy.run import steps

PUBLISHED = ROOT / "reports" / "published.csv"


def step(spec: ClaimsSpec, _log: Path | None) -> None:
    """Read the study's tables and the published numbers; write the verdicts."""
    found = {name: tables.of(name, file) for name, file in spec.tables.items()}
    found["published"] = pd.read_csv(PUBLISHED)
    tables.write("claims", claims.verdicts(found, seed=spec.seed, primary=spec.primary), spec.outputs["claims"])


if __name__ == "__main__":
    steps.main(ClaimsSpec, step)

"""Published numbers that a report shows beside its own: reports/published.csv by model."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ttstudy.dag.fingerprint import ROOT
from ttstudy.errors import StudyError, meant

if TYPE_CHECKING:
    import pandas as pd

PATH = ROOT / "reports" / "published.csv"


def _rows() -> list[dict[str, str]]:
    with PATH.open(encoding="utf-8", newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["quantity"] == "accuracy" and row["policy"]]


def check(models: Sequence[str]) -> None:
    """StudyError for a model of which no accuracy is published there."""
    known = sorted({row["policy"] for row in _rows()}) if models else []
    for model in models:
        if model not in known:
            there = f"there are {', '.join(known)}"
            raise StudyError(f"published: no accuracy of {model!r} is in {PATH.name}{meant(model, known)}; {there}")


def accuracies(models: Sequence[str]) -> pd.DataFrame:
    """Published accuracies (shares in [0, 1]) of models, with where they come from.

    Columns: model, benchmark, method, where, accuracy, version (of the model), estimate (pass@1, cons@k ...), samples
    (of each problem) and origin (who measured it); the last four are empty where nobody says.
    """
    import pandas as pd

    rows = [row for row in _rows() if row["policy"] in models]
    return pd.DataFrame(
        {
            "model": [row["policy"] for row in rows],
            "benchmark": [row["benchmark"] for row in rows],
            "method": [row["method"] for row in rows],
            "where": [row["where"] for row in rows],
            "accuracy": [float(row["value"]) / 100 for row in rows],
            **{name: [row[name] for row in rows] for name in ("version", "estimate", "samples")},
            "origin": [row["source"] for row in rows],
        }
    )

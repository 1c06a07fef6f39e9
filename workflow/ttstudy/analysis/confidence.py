"""Votes by confidence beside the majority vote over as many responses, and which confidences are not known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from ttstudy.analysis import statistics
from ttstudy.analysis.definitions import StudyTables
from ttstudy.kinds.confidences import CONFIDENCES
from ttstudy.kinds.methods import METHODS
from ttstudy.kinds.votes import VOTES

CONFIDENCE = [
    *("benchmark", "policy", "method", "budget", "score", "vote", "problems", "accuracy", "majority"),
    *("difference", "low", "high", "p"),
]


def confidence(study: StudyTables) -> pd.DataFrame:
    """Each vote by each confidence against the majority vote at the same N, paired over problems.

    Columns (`CONFIDENCE`): accuracies of both, difference (accuracy - majority) with its interval and p, which are of
    this row alone. Where the majority vote was not asked at this N, its columns are missing. A confidence that is not
    known of a policy's responses has one row: its largest N, vote "none", no problems, no accuracy.
    """
    ledger, outcomes = study.table("ledger"), study.table("outcomes")
    asked = [name for name, method in METHODS.items() if method.judged == "confidence"]
    if not len(ledger) or not len(outcomes):
        return pd.DataFrame(columns=CONFIDENCE)
    run = ledger[ledger["method"].isin(asked)]
    rows: list[dict[str, Any]] = []
    for names, part in run.groupby(["benchmark", "policy"], sort=False, observed=True):
        here = outcomes[(outcomes["benchmark"] == names[0]) & (outcomes["policy"] == names[1])]
        for method, spent in part.groupby("method", observed=True):
            found = [*_rows(here, str(method), study.seed)]
            missing = [score for score in CONFIDENCES if score not in {row["score"] for row in found}]
            found += [
                {"budget": int(spent["budget"].max()), "score": score, "vote": "none", "problems": 0}
                for score in missing
            ]
            rows += [{"benchmark": names[0], "policy": names[1], "method": method} | row for row in found]
    return pd.DataFrame(rows, columns=CONFIDENCE)


def _rows(outcomes: pd.DataFrame, method: str, seed: int) -> Iterator[dict[str, Any]]:
    """Rows of one benchmark and policy."""
    cells = outcomes[outcomes["method"] == method]
    plain = outcomes[(outcomes["method"] == "majority") & (outcomes["prm"] == "none")]
    for budget, drawn in cells.groupby("budget", sort=True, observed=True):
        base = plain[plain["budget"] == budget].set_index("problem_id")["value"]
        wide = drawn.pivot_table(index="problem_id", columns=["score", "vote"], values="value", observed=True)
        for score, vote in sorted(wide.columns, key=lambda key: (list(CONFIDENCES).index(key[0]), VOTES[key[1]].rank)):
            values = wide[score, vote].dropna()
            row = {"budget": int(budget), "score": score, "vote": vote, "problems": len(values)}
            row["accuracy"] = float(values.mean())
            if len(both := values.to_frame("own").join(base.rename("base"), how="inner")) > 1:
                paired = statistics.paired_difference(both["own"].to_numpy(), both["base"].to_numpy(), seed=seed)
                row |= {"majority": float(both["base"].mean()), **paired._asdict()}
            yield row

"""Worked cases: for each PRM and flaw, the solution in which the flaw is clearest."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ttstudy.kinds.flaws import FLAWS, Steps


def worked_cases(solutions: pd.DataFrame) -> pd.DataFrame:
    """Rows of `solutions` with `flaw` more, one per flaw that occurs; the clearest case, ties to the first row."""
    chosen = solutions[solutions["lengths"].map(len) > 0].reset_index(drop=True)
    if chosen.empty:
        return chosen.assign(flaw=[])
    steps, rows = Steps.of(chosen), []
    for name, flaw in FLAWS.items():
        strength = flaw.clearest(steps) if flaw.clearest else np.zeros(1)
        best = int(np.argmax(strength))
        if strength[best] > 0:
            rows.append(chosen.iloc[[best]].assign(flaw=name))
    return pd.concat(rows, ignore_index=True) if rows else chosen.head(0).assign(flaw=[])

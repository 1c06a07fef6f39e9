"""Worked cases: for each PRM and flaw, the solution in which the flaw is clearest."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ttstudy.analysis.diagnostics.flaws import Steps
from ttstudy.analysis.diagnostics.labels import NO_ERROR


def worked_cases(solutions: pd.DataFrame) -> pd.DataFrame:
    """Rows of `solutions` with `flaw` more, one per flaw that occurs; the clearest case, ties to the first row.

    Clearest: a solution without an error whose lowest step is lowest; a first error that scores highest; the error
    that lies highest above a right step before it; a solution without an error in which the score falls furthest
    from a step to one that is at least half as long again.
    """
    chosen = solutions[solutions["lengths"].map(len) > 0].reset_index(drop=True)
    if chosen.empty:
        return chosen.assign(flaw=[])
    steps = Steps.of(chosen)
    before, at = steps.lowest(steps.is_right), steps.lowest(steps.is_error)
    clean = steps.error == NO_ERROR
    with np.errstate(invalid="ignore"):
        gap = at - before
    strength = {
        "over_criticism": np.where(clean, 0.5 - before, -1.0),
        "error_neglect": np.where(clean, -1.0, at - 0.5),
        "localisation_bias": np.where(~clean & np.isfinite(before), gap, -1.0),
        "length_bias": _falls(chosen, clean),
    }
    best = {flaw: int(np.argmax(values)) for flaw, values in strength.items()}
    rows = [chosen.iloc[[place]].assign(flaw=flaw) for flaw, place in best.items() if strength[flaw][place] > 0]
    return pd.concat(rows, ignore_index=True) if rows else chosen.head(0).assign(flaw=[])


def _falls(solutions: pd.DataFrame, chosen: np.ndarray) -> np.ndarray:
    """Furthest fall of the score from a step to one at least half as long again, per chosen solution (others -1)."""
    found = np.full(len(solutions), -1.0)
    both = zip(solutions["step_scores"][chosen], solutions["lengths"][chosen], strict=True)
    for number, (scores, sizes) in zip(np.flatnonzero(chosen), both, strict=True):
        scores, sizes = np.asarray(scores, dtype=float), np.asarray(sizes, dtype=float)
        longer = sizes[None, :] >= 1.5 * sizes[:, None]
        found[number] = np.where(longer, scores[:, None] - scores[None, :], 0.0).max(initial=0.0)
    return found

"""Localisation bias: a right step scores lower than the error after it.

Its share is of the solutions with right steps before their first error.
"""

from __future__ import annotations

import numpy as np

from ttstudy.kinds.flaws._flaw import Flaw, Look, Round, Scored, Share, Steps


def _measure(steps: Steps) -> Share:
    before, at = steps.lowest(steps.is_right), steps.lowest(steps.is_error)
    early = np.flatnonzero(~steps.clean)
    early = early[np.isfinite(before[early])]
    return Share((before[early] < at[early]).astype(float), early)


def _repair(path: Scored, _: Round) -> list[float]:
    """From its first error on, a path has the lowest score that it had so far."""
    return [
        score if right else min(path.scores[: k + 1])
        for k, (score, right) in enumerate(zip(path.scores, path.right, strict=True))
    ]


def _clearest(steps: Steps) -> np.ndarray:
    """The error that lies highest above a right step before it."""
    before, at = steps.lowest(steps.is_right), steps.lowest(steps.is_error)
    with np.errstate(invalid="ignore"):
        return np.where(~steps.clean & np.isfinite(before), at - before, -1.0)


FLAW = Flaw(
    look=Look(
        "Errors scored above a right step before them",
        "localisation bias",
        case="a right step scores below the error that follows it",
    ),
    rank=20,
    source="arXiv 2502.06703, appendix C",
    measure=_measure,
    repair=_repair,
    clearest=_clearest,
)

"""Error neglect: share of first wrong steps that score above 0.5."""

from __future__ import annotations

import numpy as np

from ttstudy.kinds.flaws._flaw import HALF, Flaw, Look, Round, Scored, Share, Steps


def _measure(steps: Steps) -> Share:
    error = steps.is_error
    return Share((steps.score[error] > HALF).astype(float), steps.solution[error])


def _repair(path: Scored, _: Round) -> list[float]:
    """First wrong steps above 0.5 get 0."""
    first = path.right.index(False) if False in path.right else -1
    return [0.0 if k == first and score > HALF else score for k, score in enumerate(path.scores)]


def _clearest(steps: Steps) -> np.ndarray:
    """A first error that scores highest."""
    return np.where(steps.clean, -1.0, steps.lowest(steps.is_error) - 0.5)


FLAW = Flaw(
    look=Look("First errors scored above 0.5", "error neglect", case="a wrong step scores as if it were right"),
    rank=10,
    source="arXiv 2502.06703, appendix C",
    measure=_measure,
    repair=_repair,
    clearest=_clearest,
)

"""Over-criticism: share of right steps that score below 0.5."""

from __future__ import annotations

import numpy as np

from ttstudy.kinds.flaws._flaw import HALF, Flaw, Look, Round, Scored, Share, Steps


def _measure(steps: Steps) -> Share:
    right = steps.is_right
    return Share((steps.score[right] < HALF).astype(float), steps.solution[right])


def _repair(path: Scored, _: Round) -> list[float]:
    """Right steps below 0.5 get 1."""
    return [1.0 if right and score < HALF else score for score, right in zip(path.scores, path.right, strict=True)]


def _clearest(steps: Steps) -> np.ndarray:
    """A solution without an error whose lowest step is lowest."""
    return np.where(steps.clean, 0.5 - steps.lowest(steps.is_right), -1.0)


FLAW = Flaw(
    look=Look(
        "Right steps scored below 0.5", "over-criticism", case="every step is right, and one scores as if it were wrong"
    ),
    rank=0,
    source="arXiv 2502.06703, appendix C",
    measure=_measure,
    repair=_repair,
    clearest=_clearest,
)

"""The mean of the step scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttstudy.kinds.registry import Look
from ttstudy.kinds.scores._score import Score

if TYPE_CHECKING:
    import numpy as np


def _of_all(steps: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.add.reduceat(steps, starts) / lengths


SCORE = Score(
    look=Look("Avg", "avg"),
    about="the mean of its steps'",
    source="Liu et al., arXiv 2502.06703, section 3",
    rank=3,
    of=lambda steps: sum(steps) / len(steps),
    of_all=_of_all,
)

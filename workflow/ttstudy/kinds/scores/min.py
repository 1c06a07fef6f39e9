"""The lowest step score: a solution is as good as its worst step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttstudy.kinds.registry import Look
from ttstudy.kinds.scores._score import Score

if TYPE_CHECKING:
    import numpy as np


def _of_all(steps: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.minimum.reduceat(steps, starts)


SCORE = Score(
    look=Look("Min", "min"),
    about="that of its lowest step",
    source="Lightman et al., arXiv 2305.20050",
    rank=2,
    of=min,
    of_all=_of_all,
)

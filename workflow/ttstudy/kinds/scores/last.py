"""The last step's score: what the PRM thinks of the whole solution, as in the paper's searches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttstudy.kinds.registry import Look
from ttstudy.kinds.scores._score import Score

if TYPE_CHECKING:
    import numpy as np


def _of_all(steps: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return steps[starts + lengths - 1]


SCORE = Score(
    look=Look("Last", "last"),
    about="that of its last step",
    source="Snell et al., arXiv 2408.03314, section 5.1",
    rank=1,
    of=lambda steps: steps[-1],
    of_all=_of_all,
)

"""PRM-Vote: the answer with the largest sum of scores. It has no closed form over subsets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttstudy.kinds.registry import Look
from ttstudy.kinds.votes._vote import Vote

if TYPE_CHECKING:
    import numpy as np

    from ttstudy.kinds.estimators import Answers


def _weights(answers: Answers, drawn: np.ndarray) -> np.ndarray:
    return drawn @ answers.sums(answers.score)


VOTE = Vote(
    look=Look("PRM-Vote", "vote"),
    about="the answer with the largest sum of scores",
    source="Liu et al., arXiv 2502.06703, section 3",
    rank=1,
    judged="prm",
    weights=_weights,
)

"""The confidence-weighted vote: each response weighs as its confidence says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttstudy.kinds.registry import Look
from ttstudy.kinds.votes._vote import Vote

if TYPE_CHECKING:
    import numpy as np

    from ttstudy.kinds.estimators import Answers


def _weights(answers: Answers, drawn: np.ndarray) -> np.ndarray:
    """Scores are log-weights; the largest of each draw is taken off, so that none of them vanishes."""
    import numpy as np

    here = np.where(drawn[:, answers.unit] > 0, answers.score, -np.inf)
    top = here.max(axis=1, keepdims=True, initial=-np.inf)
    return np.exp(here - np.where(np.isfinite(top), top, 0.0)) @ answers.one_hot


VOTE = Vote(
    look=Look("Confidence vote", "vote"),
    about="the answer whose responses weigh most",
    source="Fu et al. 2025, arXiv 2508.15260; Taubenfeld et al. 2025, arXiv 2502.06233",
    rank=3,
    judged="confidence",
    weights=_weights,
)

"""Borda voting: responses are ranked by confidence, and each gives its answer points by its rank.

Ranked are all responses drawn, those without an answer too; equal ones share the mean of their places' points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttstudy.kinds.registry import Look
from ttstudy.kinds.votes._vote import Vote

if TYPE_CHECKING:
    import numpy as np

    from ttstudy.kinds.estimators import Answers

POWER = 0.5
"""p: the k-th of the least sure first gives k ** p points; 0 would be the majority vote. The published code's default.

See github.com/backprop07/Self-Certainty, src/voting_from_list.py.
"""


def _weights(answers: Answers, drawn: np.ndarray) -> np.ndarray:
    import numpy as np

    score = np.concatenate([answers.score, answers.blank_score])
    order = np.argsort(score, kind="stable")
    here = drawn[:, np.concatenate([answers.unit, answers.blank_unit])[order]]
    points = here * np.cumsum(here, axis=1) ** POWER
    ranked = score[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    if len(starts) < len(ranked):
        size = np.diff([*starts, len(ranked)])
        count = np.maximum(np.add.reduceat(here, starts, axis=1), 1)
        points = here * np.repeat(np.add.reduceat(points, starts, axis=1) / count, size, axis=1)
    given = np.zeros_like(points)
    given[:, order] = points
    return given[:, : len(answers.score)] @ answers.one_hot


VOTE = Vote(
    look=Look("Borda vote", "Borda"),
    about=f"the answer with the most points, where the k-th response from the least sure gives k to the power {POWER}",
    source="Kang et al. 2025, arXiv 2502.18581",
    rank=4,
    judged="confidence",
    weights=_weights,
)

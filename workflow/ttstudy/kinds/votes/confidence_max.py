"""The answer of the surest response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ttstudy.kinds.registry import Look
from ttstudy.kinds.votes._vote import Vote

if TYPE_CHECKING:
    import numpy as np

    from ttstudy.kinds.estimators import Responses


def _exact(responses: Responses, budgets: Sequence[int]) -> np.ndarray:
    from ttstudy.kinds import estimators

    return estimators.of_best(responses, budgets)


VOTE = Vote(
    look=Look("Surest response", "max"),
    about="the answer of the surest response",
    source="Kang et al. 2025, arXiv 2502.18581",
    rank=5,
    judged="confidence",
    exact=_exact,
)

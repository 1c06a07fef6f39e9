"""PRM-Max: the answer of the best-scored response. Of equal scores each response is as likely, not each answer."""

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
    look=Look("PRM-Max", "max"),
    about="the answer of the response with the best score",
    source="Nakano et al., arXiv 2112.09332, appendix I; Liu et al., arXiv 2502.06703, section 3",
    rank=2,
    judged="prm",
    exact=_exact,
)

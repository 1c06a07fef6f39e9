"""The majority vote (self-consistency): every response counts alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ttstudy.kinds.registry import Look
from ttstudy.kinds.votes._vote import Vote

if TYPE_CHECKING:
    import numpy as np

    from ttstudy.kinds.estimators import Answers, Responses


def _exact(responses: Responses, budgets: Sequence[int]) -> np.ndarray | None:
    import numpy as np

    from ttstudy.kinds import estimators

    single = responses.singles()
    if single is None:
        return None
    return np.stack([estimators.majority(single.correct, single.answer_class, n) for n in budgets], axis=1)


def _weights(answers: Answers, drawn: np.ndarray) -> np.ndarray:
    return drawn @ answers.counts


VOTE = Vote(
    look=Look("Majority", "majority"),
    about="the most frequent answer",
    source="Wang et al., arXiv 2203.11171",
    rank=0,
    judged="none",
    weights=_weights,
    exact=_exact,
)

"""Self-certainty: how far the distribution of each token is from the uniform one, on average."""

from __future__ import annotations

from ttstudy.kinds.confidences._confidence import Confidence, Tokens, logarithm
from ttstudy.kinds.registry import Look


def _of_tokens(tokens: Tokens, group: int) -> float | None:
    if tokens.certainties is None:
        return None
    return float(sum(tokens.certainties) / max(len(tokens.certainties), 1))


CONFIDENCE = Confidence(
    look=Look("Self-certainty", "self-certainty"),
    about="the mean divergence of its tokens' distributions from the uniform one",
    source="Kang et al. 2025, arXiv 2502.18581",
    rank=30,
    log_weight=logarithm,
    of_tokens=_of_tokens,
)

"""DeepConf's lowest-group confidence: that of the least sure group of tokens."""

from __future__ import annotations

from ttstudy.kinds.confidences._confidence import Confidence, Tokens, groups, logarithm
from ttstudy.kinds.registry import Look


def _of_tokens(tokens: Tokens, group: int) -> float | None:
    if tokens.peaks is None:
        return None
    return float(groups(tokens.peaks, group).min())


CONFIDENCE = Confidence(
    look=Look("Lowest-group confidence", "lowest-group confidence"),
    about="DeepConf's confidence of its least sure group of tokens",
    source="Fu et al. 2025, arXiv 2508.15260, section 3",
    rank=50,
    log_weight=logarithm,
    of_tokens=_of_tokens,
)

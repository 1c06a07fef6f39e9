"""DeepConf's bottom-group confidence: the mean of the lowest tenth of all groups of tokens."""

from __future__ import annotations

from ttstudy.kinds.confidences._confidence import Confidence, Tokens, groups, logarithm
from ttstudy.kinds.registry import Look


def _of_tokens(tokens: Tokens, group: int) -> float | None:
    if tokens.peaks is None:
        return None
    found = groups(tokens.peaks, group)
    count = max(1, int(len(found) * 0.1))
    return float(sum(sorted(found.tolist())[:count]) / count)


CONFIDENCE = Confidence(
    look=Look("Bottom-group confidence", "bottom-group confidence"),
    about="DeepConf's confidence of its least sure tenth of groups of tokens",
    source="Fu et al. 2025, arXiv 2508.15260, section 3",
    rank=40,
    log_weight=logarithm,
    of_tokens=_of_tokens,
)

"""Confidences: how sure a policy was of a response, without any PRM, one file each."""

from __future__ import annotations

from ttstudy.kinds.confidences._confidence import Confidence, Tokens
from ttstudy.kinds.registry import collected

__all__ = ["CONFIDENCES", "STORED", "Confidence", "Tokens"]

CONFIDENCES = dict(sorted(collected(__name__, __path__, Confidence).items(), key=lambda item: (item[1].rank, item[0])))
"""By name, in the order of their ranks."""
STORED = tuple(name for name, confidence in CONFIDENCES.items() if confidence.of_tokens is not None)
"""Columns of a table of responses that keep one, where a study asked for it and the engine could tell."""

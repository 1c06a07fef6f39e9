"""Scores: how the scores that a PRM gives to a response's steps become one score of the response, one file each."""

from __future__ import annotations

from ttstudy.kinds.registry import collected
from ttstudy.kinds.scores._score import Score

__all__ = ["SCORES", "Score"]

SCORES = dict(sorted(collected(__name__, __path__, Score).items(), key=lambda item: (item[1].rank, item[0])))
"""By name, in the order of their ranks."""

"""Votes: how N scored responses with their answers give one answer, one file each."""

from __future__ import annotations

from ttstudy.kinds.registry import collected
from ttstudy.kinds.votes._vote import Vote

__all__ = ["VOTES", "Vote"]

VOTES = dict(sorted(collected(__name__, __path__, Vote).items(), key=lambda item: (item[1].rank, item[0])))
"""By name, in the order of their ranks."""

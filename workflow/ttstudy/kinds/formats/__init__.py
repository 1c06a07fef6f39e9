"""Formats of process reward models, one file each: text, head or verdict, form on vLLM, models known to have it."""

from __future__ import annotations

from ttstudy.kinds.formats._parts import LM_KEY, Encoded, Encoder, Head, HeadFormat, PRMFormat
from ttstudy.kinds.formats._verdicts import Ask, Judgement, VerdictFormat
from ttstudy.kinds.registry import collected

__all__ = [
    "FORMATS",
    "LM_KEY",
    "Ask",
    "Encoded",
    "Encoder",
    "Head",
    "HeadFormat",
    "Judgement",
    "PRMFormat",
    "VerdictFormat",
]

FORMATS = collected(__name__, __path__, PRMFormat)
"""By name, as a study's `format` gives it."""

"""Formats of process reward models, one file each: text, head, form on vLLM, models that are known to have it."""

from __future__ import annotations

from ttstudy.kinds.formats._parts import LM_KEY, Encoded, Encoder, Head, PRMFormat
from ttstudy.kinds.registry import collected

__all__ = ["FORMATS", "LM_KEY", "Encoded", "Encoder", "Head", "PRMFormat"]

FORMATS = collected(__name__, __path__, PRMFormat)
"""By name, as a study's `format` gives it."""

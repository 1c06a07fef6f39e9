"""Formats of process reward models, one file each: text, head or verdict, form on vLLM, models known to have it."""

from __future__ import annotations

from collections.abc import Mapping

from ttstudy.errors import StudyError
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


def distinct(formats: Mapping[str, PRMFormat]) -> dict[str, PRMFormat]:
    """The formats; StudyError where two of them say that one architecture, or one model of the hub, is theirs."""
    whose: dict[str, str] = {}
    for name, form in formats.items():
        for known in (*form.architectures, *form.published):
            if (other := whose.setdefault(known, name)) != name:
                raise StudyError(
                    f"kinds/formats/{name}.py: {known} is told by the format {other} already; leave it out of one, and "
                    "say `format` in the study"
                )
    return dict(formats)


FORMATS = distinct(collected(__name__, __path__, PRMFormat))
"""By name, as a study's `format` gives it."""

"""Programs whose outputs are taken in as recorded responses, one file each: how a file is known, and how it is read."""

from __future__ import annotations

from ttstudy.kinds.registry import collected
from ttstudy.kinds.sources._source import SCORES, Place, Row, Source, by_text

__all__ = ["SCORES", "SOURCES", "Place", "Row", "Source", "by_text", "recognised"]

SOURCES = collected(__name__, __path__, Source)
"""By name, in alphabetical order."""


def recognised(row: Row) -> str | None:
    """The source whose program writes such rows; None where no source knows them."""
    return next((name for name, source in SOURCES.items() if source.recognises(row)), None)

"""Forms of solutions whose first wrong step is known, one file each: how a file is known, and how it is read."""

from __future__ import annotations

from ttstudy.kinds.labelled._labelled import NO_ERROR, Labelling, Solution
from ttstudy.kinds.registry import collected

__all__ = ["LABELLINGS", "NO_ERROR", "Labelling", "Solution"]

LABELLINGS = collected(__name__, __path__, Labelling)
"""By name, in alphabetical order."""

"""Flaws of process reward models, one file each: how it is measured, mended, and told.

Each has one definition, one number and one interval, over problems: these are what is resampled, whatever the number
of solutions of each.
"""

from __future__ import annotations

from ttstudy.kinds.flaws._flaw import HALF, Fit, Flaw, Look, Round, Scored, Share, Steps
from ttstudy.kinds.registry import collected

__all__ = [
    "CAUSES",
    "FLAWS",
    "HALF",
    "MENDED",
    "NOT_DRAWN",
    "PRUNED",
    "Fit",
    "Flaw",
    "Look",
    "Round",
    "Scored",
    "Share",
    "Steps",
]

FLAWS: dict[str, Flaw] = dict(
    sorted(collected(__name__, __path__, Flaw).items(), key=lambda item: (item[1].rank, item[0]))
)
"""By name, as tables say it; in the order in which they are shown."""
MENDED = tuple(name for name, flaw in FLAWS.items() if flaw.repair is not None)
"""Those that may explain why a search failed."""
NOT_DRAWN, PRUNED = "not_drawn", "pruned"
CAUSES = (NOT_DRAWN, PRUNED, *MENDED)
"""Why a search failed: the policy drew no right step, the PRM dropped what was right, and by which flaws."""

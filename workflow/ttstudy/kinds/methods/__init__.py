"""Methods, one file each: how N candidate solutions are spent on a problem. Everything else about them derives."""

from __future__ import annotations

from collections.abc import Iterable

from ttstudy.errors import StudyError
from ttstudy.kinds.methods._method import Candidate, Growth, Method, Option, Room, Some
from ttstudy.kinds.registry import collected

__all__ = [
    "BUDGETED",
    "CEILINGS",
    "CHOSEN",
    "GREEDY",
    "GUIDED",
    "METHODS",
    "PAPER_SEARCHES",
    "POOLED",
    "SEARCHES",
    "VOTED",
    "Candidate",
    "Growth",
    "Method",
    "Option",
    "Room",
    "Some",
    "growth_of",
]

METHODS: dict[str, Method] = dict(
    sorted(collected(__name__, __path__, Method).items(), key=lambda item: (item[1].rank, item[0]))
)
"""By name, as configuration, tables and paths say it; in the order in which they are shown."""
if "samples" in METHODS:
    raise StudyError("kinds/methods/samples.py: tables say `samples` of the pool that methods share; rename the file")


def _first(found: Iterable[str], what: str) -> str:
    """The first of the methods that are `what`, without which there is no study."""
    name = next(iter(found), None)
    if name is None:
        raise StudyError(f"{__path__[0]}: no file is a method that {what}, and every study is told by one; put it back")
    return name


GREEDY = _first(
    (name for name, method in METHODS.items() if method.draws == "greedy"), "draws one greedy answer (cot.py)"
)
"""The one answer that the others are measured from."""
CEILINGS = tuple(name for name, method in METHODS.items() if method.ceiling)
"""Bounds on what choosing can reach, which need the answer key."""
BUDGETED = tuple(name for name, method in METHODS.items() if method.budgeted)
"""Keys of `budgets`."""
POOLED = tuple(name for name, method in METHODS.items() if method.budgeted and method.draws == "pool")
"""Those that share a pool of responses."""
VOTED = _first(
    (name for name in POOLED if METHODS[name].judged == "none"), "votes over a pool without scores (majority.py)"
)
"""The vote that no one judges: what a pool gives by itself."""
GUIDED = _first((name for name in POOLED if METHODS[name].judged == "prm"), "votes over a pool by a PRM (best_of_n.py)")
"""The vote that a PRM judges: what searches are measured from."""
SEARCHES = tuple(name for name, method in METHODS.items() if method.growth is not None)
"""Those that search step by step."""
CHOSEN = tuple(
    sorted(
        (name for name, method in METHODS.items() if method.simplicity is not None),
        key=lambda name: (METHODS[name].simplicity, name),
    )
)
"""Those that a strategy may take, the simplest first."""
PAPER_SEARCHES = tuple(name for name in SEARCHES if METHODS[name].paper)
"""The searches that the paper compares: its claims are about these."""


def growth_of(name: str) -> Growth:
    """How a search's trees grow; StudyError for a method that is no search."""
    found = METHODS[name].growth if name in METHODS else None
    if found is None:
        raise StudyError(f"{name} is no search; the searches are {', '.join(SEARCHES)}")
    return found

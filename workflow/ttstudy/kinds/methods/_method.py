"""What a method is: how it draws, how it is judged, how its trees grow, how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, Protocol, TypeVar, get_args

from ttstudy.kinds.registry import Look


class Candidate(Protocol):
    """A step that was drawn, as a search that chooses sees it.

    `value` is the path's value by the PRM, 0 to 1. `rank` is 0 for a path that goes on or is complete, 1 for one that
    was cut (length, context, depth), 2 for one with a blank end. `number` counts the steps of a tree as they were
    drawn. `open`: it can be continued.
    """

    @property
    def value(self) -> float: ...
    @property
    def rank(self) -> int: ...
    @property
    def number(self) -> int: ...
    @property
    def open(self) -> bool: ...


Some = TypeVar("Some", bound=Candidate)


@dataclass(frozen=True, slots=True)
class Room:
    """What there is room for in a tree, and what decides who gets it."""

    width: int
    """First steps of the tree, and the most candidates of any later depth."""
    places: int
    """Paths kept at a time; for a method without beams as many as first steps."""
    refill: bool
    """Whether an ended path competes for its place at every depth."""
    own: Mapping[str, Any]
    """The method's own options."""
    random: Callable[[], Random]
    """Draws of this tree at this depth, seeded by its problem and depth."""


Select = Callable[[Sequence[Some], Sequence[Some], Room], list[Some]]
"""(ended paths so far, candidates of this depth, room) to the paths that stay.

One that stays several times is continued as many times; order is the order of answers.
"""


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a method's own: its section in the configuration is `search.<method>`."""

    default: float | int | str
    about: str
    above: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How the trees of a search grow, step by step."""

    select: Select[Any]
    beams: bool = False
    """M candidates are drawn per kept path, so that N is a multiple of M and N / M paths are kept; else one per place.

    `search.semantics`, `answers`, `refill` and `beam_width` are about such searches alone.
    """
    independent: bool = False
    """N / M trees of M candidates that know nothing of each other: one run at the largest N serves the smaller."""
    replayable: bool = True
    """Whether the choice follows from the scores alone, so that it can be made again with other scores."""
    options: Mapping[str, Option] = field(default_factory=dict)


Draws = Literal["greedy", "pool", "search"]
Judged = Literal["none", "prm", "confidence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way to spend N candidate solutions on a problem."""

    look: Look
    rank: int
    """Place in tables and figures; no two have the same."""
    about: str
    """What it does, in a sentence for the report's reader."""
    source: str
    draws: Draws
    """One greedy response, N of the pool that methods share, or a search of its own."""
    budgeted: bool = True
    """A key of `budgets`; one that is not has the budgets of the pool."""
    judged: Judged = "none"
    """Who gives the scores: no one, each PRM, or the policy itself by its confidence."""
    ceiling: bool = False
    """It asks whether any response is right, so it needs the answer key: no one can use it."""
    simplicity: int | None = None
    """A strategy takes the method with the lowest of equally good ones; None: it takes it never."""
    paper: bool = False
    """Among what arXiv 2502.06703 compares: the paper's claims are judged by these alone."""
    version: int = 1
    """Raise it when results change on purpose: the searches of this method are then made again."""
    growth: Growth | None = None
    """Of a search."""

    def __post_init__(self) -> None:
        """Refuse a method that no one would run, or that would be taken for another."""
        for name, allowed in (("draws", get_args(Draws)), ("judged", get_args(Judged))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{self.look.label}: `{name}` is {getattr(self, name)!r}, not {' or '.join(allowed)}")
        if (self.draws == "search") != (self.growth is not None):
            raise ValueError(f"{self.look.label}: a method has `growth` where it draws a search, and nowhere else")
        if self.draws == "search" and self.judged != "prm":
            raise ValueError(f'{self.look.label}: a search is steered by a PRM, so it is `judged` by "prm"')

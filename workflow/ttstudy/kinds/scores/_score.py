"""What a score is: how the scores of a response's steps become one score of the response."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ttstudy.kinds.registry import Look

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One way to make a response's score from those of its steps."""

    look: Look
    about: str
    """What a response's score is, in the middle of a sentence for the report's reader."""
    source: str
    rank: int
    """Its place where scores are listed; of scores that are equally good, a strategy takes the first."""
    of: Callable[[Sequence[float]], float]
    """Score of one response, or of one path in a search, from those of its steps, of which there is at least one."""
    of_all: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None = None
    """The same of many responses at once, where that is faster.

    Given are the step scores of all, one response behind the other [S], and for each response where its own start and
    how many they are [R], at least one; it returns [R].
    """

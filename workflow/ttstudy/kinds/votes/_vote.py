"""What a vote is: how scored responses with their answers give one answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ttstudy.kinds.registry import Look

if TYPE_CHECKING:
    import numpy as np

    from ttstudy.kinds.estimators import Answers, Responses


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One way to make one answer out of many. Ties are broken uniformly at random, in expectation."""

    look: Look
    """`label` is its name; `short` heads columns behind the name of a score."""
    about: str
    """Which answer it takes, in the middle of a sentence for the report's reader."""
    source: str
    rank: int
    """Its place where votes are listed; of votes that are equally good, a strategy takes the first."""
    judged: Literal["none", "prm", "confidence"]
    """Who gives the scores that it goes by: no one, each PRM, or the policy itself by its confidence.

    A method has the votes that are judged as it is. A confidence comes as the logarithm of what it weighs.
    """
    weights: Callable[[Answers, np.ndarray], np.ndarray] | None = None
    """The rule, by which its value is estimated where it is not exact: a weight for every class in every draw.

    Given are the answers to one problem and draws of their units, rows of 0 and 1 [D, units]; it returns [D, classes].
    The class with the largest weight wins; what it says of a class that has no response in a draw is not looked at.
    """
    exact: Callable[[Responses, Sequence[int]], np.ndarray | None] | None = None
    """Expected correctness of the vote among N units of M, [P, budgets]; None where that has no closed form."""

    def __post_init__(self) -> None:
        """Refuse a vote that says nothing."""
        if self.weights is None and self.exact is None:
            raise ValueError(f"{self.look.label}: a vote needs `weights`, or `exact` where it always has a closed form")

"""What a confidence is: how sure a policy was of a whole response, from what it said of each of its tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ttstudy.kinds.registry import Look

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an engine says of each token of a response, the end-of-text token included, at temperature 1."""

    certainties: Sequence[float] | None
    """Divergence of the token's distribution from the uniform one: the mean of -log(V p) over all V tokens [T].

    None where the engine does not give the whole distribution.
    """
    peaks: Sequence[float] | None
    """DeepConf's token confidence: minus the mean log-probability of the k likeliest tokens [T]; None: not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """How sure a policy was of a response: the surer, the larger.

    It follows from columns that every table of responses has (`of_columns`), or from what the engine says of each token
    while it draws (`of_tokens`): then the table keeps it in a column of its own name, where the study asks for that.
    """

    look: Look
    about: str
    """What it is, in the middle of a sentence for the report's reader."""
    source: str
    rank: int
    """Its place where confidences are listed."""
    log_weight: Callable[[np.ndarray], np.ndarray]
    """Logarithm of what a response weighs in a vote, of confidences of any shape."""
    columns: tuple[str, ...] = ()
    of_columns: Callable[[Mapping[str, np.ndarray]], np.ndarray] | None = None
    """Of those `columns`, one number per response [R] each; NaN where one is missing."""
    of_tokens: Callable[[Tokens, int], float | None] | None = None
    """Of a response's tokens, and how many tokens a group has; None where the engine does not say what it needs."""
    version: int = 1
    """Raise it when it changes on purpose: pools that keep it are then drawn again."""

    def __post_init__(self) -> None:
        """Refuse one that comes from nowhere, or from two places."""
        if (self.of_columns is None) == (self.of_tokens is None):
            raise ValueError(f"{self.look.label}: a confidence needs `of_columns` or `of_tokens`")


def logarithm(confidences: np.ndarray) -> np.ndarray:
    """Log-weight of a confidence that is a positive number and weighs as much as it is."""
    import numpy as np

    return np.log(np.maximum(confidences, 1e-300))


def groups(peaks: Sequence[float], size: int) -> np.ndarray:
    """DeepConf's group confidences: the mean over each `size` tokens in a row, or over all where there are fewer."""
    import numpy as np

    sums = np.concatenate([[0.0], np.cumsum(np.asarray(peaks, dtype=float))])
    size = min(size, len(peaks))
    return (sums[size:] - sums[:-size]) / size if size else np.zeros(1)

"""What a process reward model (PRM) offers: one score in [0, 1] per step of a solution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ttstudy.errors import StudyError


def check_scores(name: str, scores: Sequence[float], steps: Sequence[str], where: str) -> None:
    """StudyError when a PRM gave not one score in [0, 1] per step; `where` names the response."""
    if len(scores) != len(steps):
        raise StudyError(f"PRM {name} gave {len(scores)} scores for the {len(steps)} steps of {where}")
    for number, score in enumerate(scores, 1):
        if not 0 <= score <= 1:
            raise StudyError(f"PRM {name} gave step {number} of {where} the score {score}, which is not in [0, 1]")


class RewardModel(Protocol):
    """A loaded PRM."""

    name: str

    @property
    def parameters(self) -> int:
        """Weights of backbone and head."""

    @property
    def tokens(self) -> int:
        """Tokens that have been run through the model so far (for FLOPs)."""

    def counts(self, problem: str, steps: Sequence[str]) -> Mapping[str, float]:
        """Columns of a row of scores, of a solution that the last `score_batch` scored: `prm_tokens`, `overlong` ..."""

    def overlong(self, problem: str, steps: Sequence[str]) -> int:
        """Steps of a solution that were past the model's context when it was last scored, whole or as a candidate."""

    def score(self, problem: str, steps: Sequence[str]) -> list[float]:
        """One score in [0, 1] per step."""

    def score_batch(self, items: Sequence[tuple[str, Sequence[str]]]) -> list[list[float]]:
        """`score` of many (problem, steps), batched; the same numbers whatever the batch."""

    def score_last(self, problem: str, prefix: Sequence[str], candidates: Sequence[str]) -> list[float]:
        """Score of each candidate as the next step after `prefix`: tree search for one parent."""

    def score_last_batch(
        self, items: Sequence[tuple[str, Sequence[str], Sequence[str]]]
    ) -> list[list[float]]:
        """`score_last` of many (problem, prefix, candidates) in one batched call, prefixes shared by siblings."""

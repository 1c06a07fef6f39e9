"""Spread: how far the accuracy of one run of a method lies from that of another, and how much of it is the problems'.

What N candidates are worth is drawn several times where there are enough: a pool of M responses holds M // N draws of
N that share none, a search of independent trees as many as its trees allow, and every run of a search is one more. The
values of a problem in D draws vary by chance alone, so over n problems

    run_sd^2     = sum of the problems' variances over draws / n^2
    problem_sd^2 = variance of the problems' means / n - run_sd^2 / D

are unbiased estimates of the variance of a run's accuracy on the same problems, and of what other problems would change
(a one-way analysis of variance with random effects; Searle, Casella & McCulloch 1992, chapter 3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ttstudy.data import tables
from ttstudy.kinds.methods import growth_of
from ttstudy.methods import voting
from ttstudy.methods.pool import Pool
from ttstudy.methods.voting import Values

MOST = 8
"""Draws of one pool, or run, that are looked at: with n problems, run_sd is then known to about 1 in sqrt(14 n)."""
Cell = tuple[str, str, int, str, str]
"""method, prm, budget, score, vote."""


@dataclass(frozen=True)
class Spread:
    """Collects draws of the cells of one (benchmark, policy)."""

    _draws: dict[Cell, list[np.ndarray]] = field(default_factory=dict)
    """Values on each problem."""
    _held: dict[tuple[str, str, int], int] = field(default_factory=dict)
    """Draws that there are, looked at or not, by (method, prm, budget)."""

    def add_pool(self, method: str, prm: str, pool: Pool, budgets: Sequence[int], by: str) -> None:
        """Draws of a pool that share no response; `by` as in `voting.values`. None of an uneven pool."""
        if pool.valid is not None:
            return
        for budget in budgets:
            for draw in self._looked_at(method, prm, budget, pool.correct.shape[1] // budget):
                part = pool.columns(draw * budget, (draw + 1) * budget)
                self._add(method, prm, voting.worth(part, [budget], by))

    def add_search(
        self, method: str, prm: str, budget: int, pool: Pool, budgets: Sequence[int], beam_width: int
    ) -> None:
        """One run of a search: a draw at its budget, or of independent trees those that they hold at each budget."""
        if not growth_of(method).independent:
            self._looked_at(method, prm, budget, 1)
            self._add(method, prm, voting.worth_of_answers(pool, budget))
            return
        for smaller in budgets:
            taken = smaller // beam_width
            for draw in self._looked_at(method, prm, smaller, budget // smaller):
                part = pool.of_trees(draw * taken, (draw + 1) * taken)
                self._add(method, prm, voting.worth_of_answers(part, smaller))

    def _looked_at(self, method: str, prm: str, budget: int, held: int) -> range:
        """Numbers of the draws to look at, of so many that are there."""
        key = (method, prm, budget)
        self._held[key] = self._held.get(key, 0) + held
        return range(min(MOST, held))

    def _add(self, method: str, prm: str, found: Values) -> None:
        for (budget, score, vote), values in found.items():
            self._draws.setdefault((method, prm, budget, score, vote), []).append(values)

    def table(self, names: Mapping[str, str]) -> pd.DataFrame:
        """Table `spread`: a row per cell, `draws` those that it holds; deviations are missing where it is only one."""
        rows = []
        for (method, prm, budget, score, vote), draws in self._draws.items():
            key = {"prm": prm, "method": method, "budget": budget, "score": score, "vote": vote}
            rows.append({**names, **key, "problems": len(draws[0]),
                         "draws": self._held[method, prm, budget], **parts(np.array(draws))})  # fmt: skip
        return pd.DataFrame(rows) if rows else tables.empty("spread")


def parts(values: np.ndarray) -> dict[str, float]:
    """Deviations of an accuracy by runs and by problems from values [draws, problems]; NaN where none can be told."""
    draws, problems = values.shape
    if draws < 2 or problems < 2:
        return {"run_sd": float("nan"), "problem_sd": float("nan")}
    of_run = values.var(axis=0, ddof=1).sum() / problems**2
    of_problems = values.mean(axis=0).var(ddof=1) / problems - of_run / draws
    return {"run_sd": round(float(np.sqrt(of_run)), 12), "problem_sd": round(float(np.sqrt(max(0.0, of_problems))), 12)}

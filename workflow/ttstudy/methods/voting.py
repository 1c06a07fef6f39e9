"""Votes: what a method is worth on each problem when it may draw N candidates out of M responses.

Each value is the expected correctness over the random choice of N responses out of the pool, without
replacement: exact where the vote has a closed form (`ttstudy.kinds.votes`; coverage, too), otherwise the mean
over prefixes of permutations that all votes, scores and budgets share, or over all subsets where those are fewer.
Of permutations there are as many as it takes to know the mean over the problems to a standard error of 0.1 points
(`estimators.settled`). No closed form is known for votes weighted by scores: the sums of a class have as many values
as it has subsets.

Rules, the same everywhere:
- An answer class is a set of equivalent answers. A response without an answer is in no class: it never
  votes and never beats a response that has an answer; where nothing else was drawn, the problem counts as
  wrong.
- Ties are broken uniformly at random, in expectation: between classes for a vote, between responses for
  PRM-Max.
- The worth of a class is the share of its responses that are correct (0 or 1 when grader and classes agree).
- A pool smaller than N is refused: a smaller denominator would invent failures, a larger one invent samples. Where a
  study says that recorded pools are uneven, N is all responses of a problem that has fewer.

Sources: Pass@N, Chen et al. 2021 (arXiv 2107.03374); best-of-N from a pool with ties, Nakano et al. 2021
(arXiv 2112.09332), appendix I; aggregation and votes, arXiv 2502.06703, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from ttstudy.kinds.estimators import Responses, coverage, settled
from ttstudy.kinds.votes import VOTES
from ttstudy.methods.pool import NO_STEPS, Pool, aggregate, aggregate_all, rectangles

__all__ = [
    "NO_STEPS",
    "Pool",
    "aggregate",
    "aggregate_all",
    "values",
    "values_of_answers",
    "values_of_trees",
    "worth",
    "worth_of_answers",
]

Values = dict[tuple[int, str, str], np.ndarray]
"""Value on each problem [P] by (budget, score, vote)."""


def judged(*by: str) -> list[str]:
    """Votes that go by no scores ("none"), by those of a PRM ("prm"), or by the policy's confidence."""
    return [name for name, vote in VOTES.items() if vote.judged in by]


OF_SEARCH = judged("none", "prm")


def values(
    pool: Pool, budgets: Sequence[int], by: str, permutations: int = 128, seed: int = 0, uneven: bool = False
) -> pd.DataFrame:
    """Value at each budget on each problem of every vote that goes `by` no scores ("none"), "prm" or "confidence".

    "coverage" is whether any response is right, at N = 1 the response's own worth. Columns: budget,
    score, vote, problem_id, value; a vote by scores has a row per score. ValueError when a budget exceeds the
    responses of some problem (`uneven`: of every problem; one with fewer gives all that it has), or when a vote by
    scores has none.
    """
    most = pool.sizes.max(initial=0) if uneven else pool.sizes.min(initial=np.iinfo(np.int64).max)
    budgets = _checked(budgets, int(most), "responses")
    if by != "coverage" and not judged(by):
        raise ValueError(f"no vote goes by {by!r}; coverage, none, prm and confidence can be asked for")
    if by in ("prm", "confidence") and not pool.scores:
        raise ValueError(f"votes by {by} need scores of responses; build the pool with them")
    table: Values = {}
    for rows, part in rectangles(pool):
        there = part.correct.shape[1]
        found = worth(part, sorted({min(n, there) for n in budgets}), by, permutations, seed)
        for (drawn, how, vote), column in found.items():
            for budget in (n for n in budgets if min(n, there) == drawn):
                table.setdefault((budget, how, vote), np.zeros(len(pool.problem_ids)))[rows] = column
    return _long(table, pool.problem_ids)


def worth(pool: Pool, budgets: list[int], by: str, permutations: int = 128, seed: int = 0) -> Values:
    """As `values`, by (budget, score, vote), of a pool in which every problem has equally many responses."""
    if by == "coverage":
        return {(n, "none", "none"): coverage(pool.correct, n) for n in budgets}
    found = _voted(pool, judged(by), budgets, permutations, seed)
    return {(budgets[k], how, vote): column for (k, how, vote), column in found.items()}


def _voted(
    pool: Pool,
    votes: Sequence[str],
    drawn: list[int],
    permutations: int,
    seed: int,
    trees: int | None = None,
) -> dict[tuple[int, str, str], np.ndarray]:
    """Value of each vote on each problem when `drawn[k]` responses, or trees, are drawn, by (k, score, vote)."""
    units, unit = (pool.correct.shape[1], None) if trees is None else (trees, pool.tree)
    table: dict[tuple[int, str, str], np.ndarray] = {}
    for name in votes:
        vote = VOTES[name]
        for how, scores in {"none": None}.items() if vote.judged == "none" else pool.scores.items():
            responses = Responses(pool.correct, pool.answer_class, scores, unit, units)
            found = vote.exact(responses, drawn) if vote.exact is not None else None
            if found is None:
                if vote.weights is None:
                    raise ValueError(f"the vote {name} has no closed form here and gives no weights")
                found = settled(responses, vote.weights, drawn, permutations, seed)
            table |= {(k, how, name): found[:, k] for k in range(len(drawn))}
    return table


def _checked(budgets: Sequence[int], most: int, what: str) -> list[int]:
    budgets = [int(n) for n in budgets]
    for n in budgets:
        if n < 1:
            raise ValueError(f"a budget must be at least 1, not {n}")
        if n > most:
            raise ValueError(f"budget {n} needs {n} {what} of every problem, but one has only {most}")
    return budgets


def _long(table: Values, problem_ids: list[str]) -> pd.DataFrame:
    keys = sorted(table)
    n = len(problem_ids)
    return pd.DataFrame(
        {
            "budget": np.repeat(np.array([key[0] for key in keys], dtype=np.int64), n),
            "score": np.repeat(np.array([key[1] for key in keys], dtype=object), n),
            "vote": np.repeat(np.array([key[2] for key in keys], dtype=object), n),
            "problem_id": np.tile(np.array(problem_ids, dtype=object), len(keys)),
            # rounded far below any meaning, so that bytes do not hang on the order in which BLAS adds
            "value": np.clip(np.round(np.concatenate([table[k] for k in keys] or [[]]), 12), 0.0, 1.0),
        }
    ).astype({"score": "str", "vote": "str", "problem_id": "str"})


# -- values of what a search returned ------------------------------------------------------------------------


def values_of_answers(pool: Pool, budget: int) -> pd.DataFrame:
    """Value on each problem when all the answers that a search with `budget` returned are used.

    Columns as in `values`: of every vote, those by scores per score. A problem without answers has value 0.
    """
    return _long(worth_of_answers(pool, budget), pool.problem_ids)


def worth_of_answers(pool: Pool, budget: int) -> Values:
    """As `values_of_answers`, by (budget, score, vote)."""
    size = pool.correct.shape[1]
    if size:
        found = _voted(pool, OF_SEARCH, [size], 1, 0)
    else:
        names = [*product(["none"], judged("none")), *product(pool.scores, judged("prm"))]
        found = {(0, *name): np.zeros(len(pool.problem_ids)) for name in names}
    return {(budget, how, vote): column for (_, how, vote), column in found.items()}


def values_of_trees(
    pool: Pool,
    budgets: Sequence[int],
    beam_width: int,
    trees: int | None = None,
    permutations: int = 128,
    seed: int = 0,
) -> pd.DataFrame:
    """Value of DVTS at each budget N out of one run with more trees, N / `beam_width` of them drawn.

    Trees are independent, so a subset of them, without replacement, is a run at the smaller budget. `trees`
    is the number that was run (default: the largest tree number + 1); a tree that returned nothing still
    takes its place. PRM-Max is exact: ties are broken within a tree, then between trees. Majority is exact
    when no tree returned more than one answer; otherwise it, and PRM-Vote, are means over subsets of
    trees. Columns as in `values`.
    """
    if pool.tree is None:
        raise ValueError("the pool has no trees; build it from the responses of a DVTS run")
    present = pool.tree[pool.valid] if pool.valid is not None else pool.tree
    count = int(present.max(initial=-1)) + 1 if trees is None else trees
    if present.size and present.max() >= count:
        raise ValueError(f"tree {present.max()} was returned, but only {count} trees were run")
    for n in budgets:
        if n % beam_width:
            raise ValueError(f"budget {n} is not a multiple of the beam width {beam_width}")
    budgets = [int(n) for n in budgets]
    taken = _checked([n // beam_width for n in budgets], count, "trees")
    found = _voted(pool, OF_SEARCH, taken, permutations, seed, count)
    return _long({(budgets[k], how, vote): column for (k, how, vote), column in found.items()}, pool.problem_ids)

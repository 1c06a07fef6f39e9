"""Outcomes: the value of every method, PRM, budget, score and vote on every problem, for one (benchmark, policy)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ttstudy.data import tables
from ttstudy.data.tables import TableError
from ttstudy.kinds.methods import METHODS, POOLED, growth_of
from ttstudy.methods import confidence, voting
from ttstudy.methods.spread import Spread
from ttstudy.methods.voting import Pool

if TYPE_CHECKING:
    from ttstudy.dag.specs.analysis import Sources
    from ttstudy.dag.specs.records import File
    from ttstudy.study.methods import Budgets

ANSWERS = ["problem_id", "sample", "tree", "step_scores"]
Values = Iterable[tuple[str, str, pd.DataFrame]]
"""(method, prm or "none", values as `ttstudy.methods.voting` returns them)."""


def of_pool(
    grades: pd.DataFrame,
    scores: Mapping[str, pd.DataFrame],
    budgets: Mapping[str, Sequence[int]],
    problem_ids: Sequence[str],
    seed: int,
    confidences: pd.DataFrame | None = None,
    uneven: bool = False,
    spread: Spread | None = None,
) -> Values:
    """Every method that shares a pool of responses; those that a PRM judges once with each PRM's scores.

    `confidences` is what `confidence.of` made of the pool's responses, where a method goes by it. `uneven`: see
    `voting.values`. `spread` collects single draws.
    """

    def worth(method: str, prm: str, pool: Pool, budgets: Sequence[int], by: str) -> tuple[str, str, pd.DataFrame]:
        if spread is not None:
            spread.add_pool(method, prm, pool, budgets, by)
        return method, prm, voting.values(pool, budgets, by, seed=seed, uneven=uneven)

    sizes = grades.groupby("problem_id").size().reindex(problem_ids, fill_value=0)
    every = sorted({budget for method in POOLED for budget in budgets.get(method, ())})
    largest = max(every, default=0)
    if sizes.min() < (min(1, largest) if uneven else largest):
        raise TableError(f"problem {sizes.idxmin()} has {sizes.min()} responses in its pool, but N is up to {largest}")
    pool = Pool.build(grades, None, problem_ids)
    if every:
        yield worth("coverage", "none", pool, every, "coverage")
    run = [method for method in POOLED if budgets.get(method)]
    for method in run:
        if METHODS[method].judged == "none":
            yield worth(method, "none", pool, budgets[method], "none")
    if confidences is not None and len(confidences.columns) > len(confidence.KEYS):
        sure = Pool.build(grades, None, problem_ids, confidences)
        for method in run:
            if METHODS[method].judged == "confidence":
                yield worth(method, "none", sure, budgets[method], "confidence")
    for prm, table in scores.items():
        scored = Pool.build(grades, table, problem_ids)
        for method in run:
            if METHODS[method].judged == "prm":
                yield worth(method, prm, scored, budgets[method], "prm")


def of_cot(grades: pd.DataFrame, problem_ids: Sequence[str]) -> Values:
    """The single greedy response."""
    yield "cot", "none", voting.values(Pool.build(grades, None, problem_ids), [1], "coverage")


def of_search(
    method: str,
    budget: int,
    runs: Iterable[Pool],
    budgets: Sequence[int],
    beam_width: int,
    seed: int,
) -> pd.DataFrame:
    """Mean over a search's runs, by what each answered, at its budget, or of independent trees at each they serve."""
    found = []
    for pool in runs:
        if growth_of(method).independent:
            trees = budget // beam_width
            found.append(voting.values_of_trees(pool, budgets, beam_width, trees, seed=seed))
        else:
            found.append(voting.values_of_answers(pool, budget))
    if len(found) == 1:
        return found[0]
    # The tables of all runs have the same rows in the same order.
    return found[0].assign(value=np.mean([frame["value"] for frame in found], axis=0).round(12))


def of_sources(
    sources: Sources,
    problem_ids: Sequence[str],
    budgets: Budgets,
    beam_width: int,
    seed: int,
    spread: Spread | None = None,
) -> Values:
    """Every method of one (benchmark, policy), from the files that a spec names; `spread` collects single draws."""
    given = budgets.model_dump(exclude_none=True)

    def grades(*files: File) -> pd.DataFrame:
        return tables.joined("grades", files, ["problem_id", "sample", "canonical", "correct"])

    if sources.cot is not None:
        yield from of_cot(grades(sources.cot.grades), problem_ids)
    if blocks := sources.samples:
        pool = grades(*(block.grades for block in blocks))
        scores = {prm: tables.joined("scores", [block.scores[prm] for block in blocks]) for prm in blocks[0].scores}
        sure = None
        if any(METHODS[method].judged == "confidence" for method in budgets.methods):
            sure = confidence.of(tables.joined("responses", [block.responses for block in blocks], confidence.COLUMNS))
        yield from of_pool(pool, scores, given, problem_ids, seed, sure, sources.uneven, spread)
    for (method, prm, budget), searches in sources.runs.items():
        runs = [
            Pool.build(
                grades(search.grades), tables.of("search_responses", search.answers, ANSWERS), problem_ids
            )
            for search in searches
        ]
        if spread is not None:
            for pool in runs:
                spread.add_search(method, prm, budget, pool, given[method], beam_width)
        yield method, prm, of_search(method, budget, runs, given[method], beam_width, seed)


def table(benchmark: str, policy: str, values: Values, difficulty: pd.DataFrame) -> pd.DataFrame:
    """The `outcomes` table, each problem with its difficulty level."""
    frames = [frame.assign(method=method, prm=prm) for method, prm, frame in values]
    levels = difficulty.set_index("problem_id")["level"]
    result = pd.concat(frames, ignore_index=True).assign(benchmark=benchmark, policy=policy)
    result["level"] = result["problem_id"].map(levels)
    # Sums of probabilities may leave [0, 1] by a rounding error.
    result["value"] = result["value"].clip(0, 1)
    return result

"""Outcomes: the value of every method, PRM, budget, score and vote on every problem, for one (benchmark, policy)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ttstudy.data import tables
from ttstudy.data.tables import TableError
from ttstudy.kinds.methods import METHODS, POOLED, growth_of
from ttstudy.methods import confidence, voting
from ttstudy.methods.voting import Pool

if TYPE_CHECKING:
    from ttstudy.dag.specs.analysis import Sources
    from ttstudy.dag.specs.records import File
    from ttstudy.study.methods import Budgets

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
) -> Values:
    """Every method that shares a pool of responses; those that a PRM judges once with each PRM's scores.

    `confidences` is what `confidence.of` made of the pool's responses, where a method goes by it. `uneven`: see
    `voting.values`.
    """
    sizes = grades.groupby("problem_id").size().reindex(problem_ids, fill_value=0)
    every = sorted({budget for method in POOLED for budget in budgets.get(method, ())})
    largest = max(every, default=0)
    if sizes.min() < (min(1, largest) if uneven else largest):
        raise TableError(f"problem {sizes.idxmin()} has {sizes.min()} responses in its pool, but N is up to {largest}")
    pool = Pool.build(grades, None, problem_ids)
    if every:
        yield "coverage", "none", voting.values(pool, every, "coverage", seed=seed, uneven=uneven)
    run = [method for method in POOLED if budgets.get(method)]
    for method in run:
        if METHODS[method].judged == "none":
            yield method, "none", voting.values(pool, budgets[method], "none", seed=seed, uneven=uneven)
    if confidences is not None and len(confidences.columns) > len(confidence.KEYS):
        sure = Pool.build(grades, None, problem_ids, confidences)
        for method in run:
            if METHODS[method].judged == "confidence":
                yield method, "none", voting.values(sure, budgets[method], "confidence", seed=seed, uneven=uneven)
    for prm, table in scores.items():
        scored = Pool.build(grades, table, problem_ids)
        for method in run:
            if METHODS[method].judged == "prm":
                yield method, prm, voting.values(scored, budgets[method], "prm", seed=seed, uneven=uneven)


def of_cot(grades: pd.DataFrame, problem_ids: Sequence[str]) -> Values:
    """The single greedy response."""
    yield "cot", "none", voting.values(Pool.build(grades, None, problem_ids), [1], "coverage")


def of_search(
    method: str,
    prm: str,
    budget: int,
    grades: pd.DataFrame,
    answers: pd.DataFrame,
    problem_ids: Sequence[str],
    budgets: Sequence[int],
    beam_width: int,
    seed: int,
) -> Values:
    """A search at its budget, or independent trees at every budget that they serve."""
    pool = Pool.build(grades, answers, problem_ids)
    if growth_of(method).independent:
        trees = budget // beam_width
        yield method, prm, voting.values_of_trees(pool, budgets, beam_width, trees, seed=seed)
    else:
        yield method, prm, voting.values_of_answers(pool, budget)


def of_sources(
    sources: Sources, problem_ids: Sequence[str], budgets: Budgets, beam_width: int, seed: int
) -> Values:
    """Every method of one (benchmark, policy), from the files that a spec names."""
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
        yield from of_pool(pool, scores, given, problem_ids, seed, sure, sources.uneven)
    for search in sources.searches:
        yield from of_search(
            search.method,
            search.prm,
            search.budget,
            grades(search.grades),
            tables.of("search_responses", search.answers, ["problem_id", "sample", "tree", "step_scores"]),
            problem_ids,
            given[search.method],
            beam_width,
            seed,
        )


def table(benchmark: str, policy: str, values: Values, difficulty: pd.DataFrame) -> pd.DataFrame:
    """The `outcomes` table, each problem with its difficulty level."""
    frames = [frame.assign(method=method, prm=prm) for method, prm, frame in values]
    levels = difficulty.set_index("problem_id")["level"]
    result = pd.concat(frames, ignore_index=True).assign(benchmark=benchmark, policy=policy)
    result["level"] = result["problem_id"].map(levels)
    # Sums of probabilities may leave [0, 1] by a rounding error.
    result["value"] = result["value"].clip(0, 1)
    return result

"""What two finished studies say of the same: headline accuracies, TTS, and answers, paired problem by problem.

`ttstudy.analysis.comparison` compares cells, which are the same numbers on both sides. What is compared here is what a
reader quotes: a headline accuracy is made by a study's own score and vote, so that it moves with them if no cell does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from ttstudy.analysis import comparison, statistics
from ttstudy.analysis.choice import Grid, compute_optimal, grids
from ttstudy.analysis.comparison import EQUAL, Finished
from ttstudy.analysis.definitions import CELL, StudyTables

PLACE = ["benchmark", "policy", "prm"]
RULES = ["rule_before", "rule_after"]
HEADLINE = [
    *("candidate", *CELL, *RULES, "problems", "before", "after", "difference", "low", "high", "p", "p_holm", "verdict"),
]
TTS = ["candidate", *PLACE, "budget", *HEADLINE[HEADLINE.index("problems") :]]
ANSWERS = ["candidate", *CELL, "problems", "gained", "lost", "same", "examples"]
EXAMPLES = 5
"""Problems that are named of each cell whose answers changed."""


def tables(baseline: Finished, candidates: Sequence[Finished], seed: int = 0) -> dict[str, pd.DataFrame]:
    """Every table of a comparison by name: headline, tts and answers, and those of `comparison.tables`."""
    return {
        "headline": headline(baseline, candidates, seed),
        "tts": tts(baseline, candidates),
        "answers": answers(baseline, candidates),
    } | comparison.tables(baseline, candidates, seed)


def headline(baseline: Finished, candidates: Sequence[Finished], seed: int = 0) -> pd.DataFrame:
    """Accuracy of every method, each side's by its own score and vote, over the problems that both have.

    Columns (`HEADLINE`): rule_before, rule_after (score and vote, "" where none is asked); the rest as in
    `comparison.cells`. All rows in which a problem's value differs are one family (Holm).
    """
    parts = []
    for candidate in candidates:
        for benchmark, after, before in _sides(baseline, candidate):
            for part in comparison.paired(after, before, seed):
                parts.append(part.assign(benchmark=benchmark, candidate=candidate.name, **_rules(baseline, candidate)))
    frame = _judged(parts, HEADLINE)
    plain = frame["prm"].eq("none")
    return frame.assign(**{name: frame[name].mask(plain, "") for name in RULES})


def _rules(baseline: Finished, candidate: Finished) -> dict[str, str]:
    sides = zip(RULES, (baseline, candidate), strict=True)
    return {name: " / ".join(study.headline) for name, study in sides}


def _sides(baseline: Finished, candidate: Finished) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """(benchmark, after, before): headline values of the problems that both sides have, a column per cell of both."""
    tables = [_ruled(study) for study in (candidate, baseline)]
    for benchmark in [name for name in tables[1] if name in tables[0]]:
        after, before = tables[0][benchmark], tables[1][benchmark]
        ids = comparison.shared_problems(baseline, candidate, benchmark, list(before.index), list(after.index))
        columns = before.columns.intersection(after.columns, sort=False)
        if len(ids) and len(columns):
            yield benchmark, after.reindex(index=ids, columns=columns), before.reindex(index=ids, columns=columns)


def _ruled(study: Finished) -> dict[str, pd.DataFrame]:
    """By benchmark: a row per problem, a column per (policy, prm, method, budget), by the study's own rule."""
    rule = study.headline
    chosen = StudyTables(study.tables, *rule).headline(study.tables["outcomes"])
    return {
        str(name): part.set_index(["problem_id", *CELL[1:]])["value"].unstack(CELL[1:]).sort_index()
        for name, part in chosen.groupby("benchmark", observed=True, sort=False)
    }


def _judged(parts: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """Rows with p_holm over those that moved, and a verdict; by candidate, then the clearest first."""
    if not parts:
        return pd.DataFrame(columns=list(columns))
    frame = comparison.judged(pd.concat(parts, ignore_index=True))
    size = frame.assign(size=-frame["difference"].abs())
    return size.sort_values(["candidate", "p_holm", "size"], kind="stable").reset_index(drop=True)[list(columns)]


def tts(baseline: Finished, candidates: Sequence[Finished]) -> pd.DataFrame:
    """TTS (`definitions.TTS`) of every policy and PRM at the largest N that both sides have.

    Columns (`TTS`): as in `headline`. Each side chooses from its own methods, scores and votes, with its own seed.
    """
    parts = []
    mine = {_cell(grid): grid for grid in grids(baseline.tables["outcomes"])}
    for candidate in candidates:
        theirs = {_cell(grid): grid for grid in grids(candidate.tables["outcomes"])}
        largest: dict[tuple[str, str, str], int] = {}
        for benchmark, policy, prm, budget in set(mine) & set(theirs):
            largest[benchmark, policy, prm] = max(budget, largest.get((benchmark, policy, prm), 0))
        for place, budget in sorted(largest.items()):
            sides = [(baseline, mine[*place, budget]), (candidate, theirs[*place, budget])]
            ids = comparison.shared_problems(baseline, candidate, place[0], *(grid.problem_ids for _, grid in sides))
            if ids:
                row = _fitted(sides, ids)
                parts.append(pd.DataFrame([dict(zip(PLACE, place, strict=True)) | row]).assign(
                    candidate=candidate.name, budget=budget))  # fmt: skip
    return _judged(parts, TTS)


def _cell(grid: Grid) -> tuple[str, str, str, int]:
    cell = grid.cell
    return str(cell["benchmark"]), str(cell["policy"]), str(cell["prm"]), int(str(cell["budget"]))


def _fitted(sides: Sequence[tuple[Finished, Grid]], ids: Sequence[str]) -> dict[str, object]:
    """Both sides' TTS over the same problems, paired."""
    values, extra = [], 0.0
    for study, grid in sides:
        found = compute_optimal(grid.values, grid.levels, int(study.provenance.get("seeds", {}).get("study", 0)))
        values.append(pd.Series(found.values, index=grid.problem_ids).reindex(ids).to_numpy(dtype=float))
        extra += found.extra
    before, after = values
    moved = bool((np.abs(after - before) > EQUAL).any())
    gap = statistics.paired_difference(after, before, extra=extra) if moved else statistics.Paired(0.0, 0.0, 0.0, 1.0)
    means: dict[str, object] = {"problems": len(ids), "before": float(before.mean()), "after": float(after.mean())}
    return means | gap._asdict() | {"moved": moved}


def answers(baseline: Finished, candidates: Sequence[Finished]) -> pd.DataFrame:
    """On how many problems the answer turned right or wrong, at each method's largest N that both sides have.

    An answer is right where its value, the chance of a right one, is a half or more. Columns (`ANSWERS`): gained, lost,
    same (problems), examples (ids of some that changed, lost ones first). Bounds that need the key are left out.
    """
    parts = []
    for candidate in candidates:
        for benchmark, after, before in _sides(baseline, candidate):
            for key in _largest(after.columns):
                both = pd.concat([before[key], after[key]], axis=1, keys=["before", "after"]).dropna() >= 0.5
                gained, lost = both["after"] & ~both["before"], both["before"] & ~both["after"]
                named = [*both.index[lost], *both.index[gained]][:EXAMPLES]
                counts = (len(both), int(gained.sum()), int(lost.sum()), int((~gained & ~lost).sum()))
                parts.append((candidate.name, benchmark, *key, *counts, ", ".join(map(str, named))))
    frame = pd.DataFrame(parts, columns=ANSWERS)
    frame = frame[frame["gained"] + frame["lost"] > 0]
    size = -(frame["gained"] + frame["lost"])
    return frame.assign(size=size).sort_values(["candidate", "size"], kind="stable").drop(columns="size").reset_index(
        drop=True
    )


def _largest(columns: pd.MultiIndex) -> list[tuple[str, str, str, int]]:
    """Of each (policy, prm, method) the column of the largest N."""
    found: dict[tuple[str, str, str], int] = {}
    for policy, prm, method, budget in columns:
        found[policy, prm, method] = max(int(budget), found.get((policy, prm, method), 0))
    return [(*key, budget) for key, budget in found.items()]

"""The accuracy of every cell, over all problems and over each level, with its interval."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ttstudy import vocabulary as names
from ttstudy.analysis.statistics import CONFIDENCE, RESAMPLES, interval

LEVELS = ("all", *names.LEVELS)
CELL = ["benchmark", "policy", "prm", "method", "budget", "score", "vote"]


def wide(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Outcomes of one benchmark: a row per problem (sorted), a column per cell; missing values are NaN."""
    keys = [key for key in CELL if key != "benchmark"]
    return outcomes.set_index(["problem_id", *keys])["value"].unstack(keys).sort_index()


def accuracy_table(
    outcomes: pd.DataFrame,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
    clusters: dict[str, object] | None = None,
) -> pd.DataFrame:
    """Accuracy, with its interval, of every cell of `outcomes`: over all problems and over each level.

    Columns: benchmark, policy, prm, method, budget, score, vote, level, problems, accuracy, low, high;
    levels without problems are left out. `clusters` maps problem_id to its source. ValueError when a
    problem occurs twice.
    """
    if outcomes.duplicated([*CELL, "problem_id"]).any():
        row = outcomes[outcomes.duplicated([*CELL, "problem_id"])].iloc[0]
        raise ValueError(f"problem {row['problem_id']} occurs twice in one cell of {row['policy']}")
    tables = []
    for (benchmark, _), part in outcomes.groupby(["benchmark", "policy"], sort=True, observed=True):
        grid = wide(part)
        levels = part.drop_duplicates("problem_id").set_index("problem_id")["level"].reindex(grid.index)
        for level in LEVELS:
            chosen = grid if level == "all" else grid[(levels == level).to_numpy()]
            tables += _rows(chosen, confidence, resamples, seed, clusters, benchmark, level)
    columns = [*CELL, "level", "problems", "accuracy", "low", "high"]
    if not tables:
        return pd.DataFrame(columns=columns)
    table = pd.concat(tables, ignore_index=True)[columns]
    rank = table["level"].map({level: place for place, level in enumerate(LEVELS)})
    order = table.assign(_rank=rank).sort_values([*CELL, "_rank"], kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _rows(
    grid: pd.DataFrame,
    confidence: float,
    resamples: int,
    seed: int,
    clusters: dict[str, object] | None,
    benchmark: str,
    level: str,
) -> list[pd.DataFrame]:
    """Accuracy rows of a grid, cells over the same problems together."""
    there = grid.notna().to_numpy()
    rows = []
    for mask in np.unique(there, axis=1).T if grid.size else []:
        if not mask.any():
            continue
        columns = np.flatnonzero((there == mask[:, None]).all(axis=0))
        part = grid.iloc[np.flatnonzero(mask), columns]
        sources = None if clusters is None else [clusters[problem] for problem in part.index]
        low, high = interval(part.to_numpy(), confidence, resamples, seed, sources)
        table = part.columns.to_frame(index=False)
        table = table.assign(benchmark=benchmark, level=level, problems=len(part))
        rows.append(table.assign(accuracy=np.clip(part.to_numpy().mean(axis=0), 0, 1), low=low, high=high))
    return rows

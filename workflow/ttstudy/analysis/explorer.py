"""The few problems, responses and search trees that the report lets a reader look into."""

from __future__ import annotations

import numpy as np
import pandas as pd

PROBLEMS = 6
"""Problems shown per benchmark, evenly spaced in its order."""
RESPONSES = 6
"""Responses shown per problem, method and PRM: the first ones drawn, or those that the search ranks first."""
TREE_BUDGET = 16
"""Largest budget whose search tree is shown: a larger one cannot be read."""


def chosen(benchmark: pd.DataFrame, count: int = PROBLEMS) -> list[str]:
    """Ids of `count` problems, evenly spaced, never chosen by outcome."""
    places = np.unique(np.linspace(0, len(benchmark) - 1, count).round().astype(int))
    return list(benchmark["problem_id"].iloc[places])


def rows(
    responses: pd.DataFrame,
    grades: pd.DataFrame,
    scores: pd.DataFrame | None,
    benchmark: pd.DataFrame,
    problem_ids: list[str],
) -> pd.DataFrame:
    """Responses to the chosen problems with answer, verdict and step scores (none without a PRM)."""
    frame = responses[responses["problem_id"].isin(problem_ids)]
    frame = frame.sort_values(["problem_id", "sample"]).groupby("problem_id", sort=False).head(RESPONSES)
    keys = ["problem_id", "sample"]
    frame = frame.merge(grades[[*keys, "answer", "found", "place", "correct"]], on=keys, how="left")
    if scores is not None:
        frame = frame.merge(scores[[*keys, "step_scores"]], on=keys, how="left")
    elif "step_scores" not in frame:
        frame["step_scores"] = [[] for _ in range(len(frame))]
    texts = benchmark.set_index("problem_id")
    frame["problem"] = frame["problem_id"].map(texts["problem"])
    frame["gold"] = frame["problem_id"].map(texts["answer"])
    columns = ["problem", "gold", "response", "steps", "step_scores", "answer", "found", "place", "correct", "finish"]
    return frame[[*keys, *columns]].reset_index(drop=True)

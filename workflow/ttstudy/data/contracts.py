"""Numbers that cannot be: what no row of a table may say, whatever computed it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd


def _shares(column: pd.Series) -> np.ndarray:
    """Whether each row's numbers all lie in [0, 1]; none of them is NaN."""
    rows = column.to_list()
    sizes = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    values = np.fromiter(chain.from_iterable(rows), dtype=float, count=int(sizes.sum()))
    wrong = np.repeat(np.arange(len(rows)), sizes)[~((values >= 0) & (values <= 1))]
    return np.bincount(wrong, minlength=len(rows)) == 0


def _one_each(table: pd.DataFrame) -> np.ndarray:
    """Whether each row has a score per step, or (where no PRM was used) none."""
    pairs = zip(table["steps"].to_list(), table["step_scores"].to_list(), strict=True)
    return np.array([len(scores) in (0, len(steps)) for steps, scores in pairs], dtype=bool)


Rule = tuple[str, Callable[[pd.DataFrame], Any]]
_SCORES: Rule = ("a step score is not a number in [0, 1]", lambda t: _shares(t["step_scores"]))
_LENGTH: Rule = ("there are not as many step scores as steps", _one_each)


def _covered(estimate: str) -> Rule:
    """The interval from `low` to `high` covers the column `estimate`."""
    text = "the interval does not cover its estimate"
    return text, lambda t: ~((t["low"] > t[estimate] + 1e-9) | (t[estimate] > t["high"] + 1e-9))


_DISCARDED: Rule = (
    "more tokens are discarded than drawn",
    lambda t: ~(t["discarded_tokens"] > t["response_tokens"] + 1e-6),
)
_NODE: tuple[Rule, ...] = (
    ("its score is not a number in [0, 1]", lambda t: t["score"].isna() | t["score"].between(0, 1)),
    ("a node comes before its parent", lambda t: t["parent"] < t["node"]),
)
RULES: dict[str, tuple[Rule, ...]] = {
    "scores": (_SCORES,),
    "search_responses": (_SCORES, _LENGTH),
    "explorer": (_SCORES, _LENGTH),
    "nodes": _NODE,
    "trees": _NODE,
    "grades": (
        ("an answer is right but was not graded", lambda t: ~t["correct"] | (t["status"] == "graded")),
    ),
    "search_cost": (_DISCARDED,),
    "difficulty": (
        ("more samples are right than were drawn", lambda t: t["correct"] <= t["samples"]),
        (
            "pass_at_1 is not its right samples' share",
            lambda t: (t["pass_at_1"] * t["samples"] - t["correct"]).abs() < 1e-6 * (1 + t["samples"]),
        ),
    ),
    "accuracy": (_covered("accuracy"),),
    "strategy": (_covered("accuracy"),),
    "headline": (
        _covered("difference"),
        ("a pair is won though its interval does not lie above zero", lambda t: ~t["won"] | (t["low"] > 0)),
    ),
    "frontier": (_covered("accuracy"),),
    "fronts": (_covered("best"),),
    "contamination": (_covered("difference"),),
    "best_methods": (_covered("difference"),),
    "prm_effect": (_covered("accuracy"),),
    "diagnostics": (_covered("value"),),
    "prm_skill": (_covered("f1"),),
    "calibration": (_covered("right"),),
    "failures": (_covered("share"),),
    "cases": (_SCORES, _LENGTH),
    "ledger": (
        (
            "flops_total is smaller than the sum of its parts",
            lambda t: ~(t["flops_total"] * (1 + 1e-9) + 1 < t["flops_policy"] + t["flops_prompt"] + t["flops_prm"]),
        ),
        (
            "attention takes more than flops_total",
            lambda t: ~(t["flops_attention"] > t["flops_total"] * (1 + 1e-9) + 1),
        ),
        _DISCARDED,
    ),
    "overlong": (("more solutions are over-long than were scored", lambda t: ~(t["overlong"] > t["scored"])),),
    "examination": (("more was found than was examined", lambda t: t["count"] <= t["examined"]),),
    "counts": (
        ("more responses ended than were drawn", lambda t: ~(t["finished"] + t["cut"] > t["responses"])),
        ("more responses went ungraded than were drawn", lambda t: ~(t["no_answer"] + t["timed_out"] > t["responses"])),
    ),
}
"""By table: what is wrong with a row, and whether each row is free of it. What is missing breaks no rule here."""

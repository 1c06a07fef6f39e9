"""Methods beside best-of-N: pairs and budgets worked out by hand, and what is left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.test_headline import outcomes
from ttstudy.analysis.accuracy import accuracy_table
from ttstudy.analysis.definitions import StudyTables
from ttstudy.analysis.matched import matched
from ttstudy.data import tables

RIGHT = {  # of ten problems, how many are right
    ("p", "judge", "best_of_n", 4, "last", "prm_vote"): 5,
    ("p", "judge", "best_of_n", 16, "last", "prm_vote"): 6,
    ("p", "judge", "beam_search", 4, "last", "prm_vote"): 7,
    ("p", "judge", "beam_search", 16, "last", "prm_vote"): 9,
    ("p", "none", "majority", 4, "none", "majority"): 3,
    ("p", "none", "majority", 16, "none", "majority"): 4,
    ("p", "none", "cot", 1, "none", "none"): 2,
    ("p", "judge", "best_of_n", 4, "min", "prm_max"): 10,  # not the headline's rule
}
FLOPS = {  # of one problem
    ("judge", "best_of_n", 4): 100.0,
    ("judge", "best_of_n", 16): 400.0,
    ("judge", "beam_search", 4): 150.0,
    ("judge", "beam_search", 16): 400.0,
    ("none", "majority", 4): 10.0,
    ("none", "majority", 16): 40.0,
}


def study(prices: dict = FLOPS) -> StudyTables:
    values = outcomes({cell: (np.arange(10) < right).astype(float) for cell, right in RIGHT.items()})
    rows = [
        {"benchmark": "toy", "policy": "p", "prm": prm, "method": method, "budget": budget, "problems": 10,
         "flops_total": 10 * price, "flops_paper": price, "policy_parameters": 1e6, "prm_parameters": 1e6}
        for (prm, method, budget), price in prices.items()
    ]  # fmt: skip
    known = {"outcomes": values, "accuracy": accuracy_table(values), "ledger": pd.DataFrame(rows)}
    return StudyTables(known)


def found(prices: dict = FLOPS) -> dict[tuple, tuple]:
    frame = tables.check("matched", matched(study(prices)))
    rows = frame[["match", "budget", "method", "spent", "accuracy", "base", "difference"]]
    return {tuple(row[:3]): tuple(np.round(row[3:], 9)) for row in rows.itertuples(index=False, name=None)}


def test_methods_are_held_against_best_of_n_at_equal_n_and_at_as_many_flops():
    assert found() == {
        ("budget", 4, "majority"): (4, 0.3, 0.5, -0.2),
        ("budget", 4, "beam_search"): (4, 0.7, 0.5, 0.2),
        ("budget", 16, "majority"): (16, 0.4, 0.6, -0.2),
        ("budget", 16, "beam_search"): (16, 0.9, 0.6, 0.3),
        ("flops", 4, "majority"): (16, 0.4, 0.5, -0.1),  # 40 of 100; beam search's 150 are too many: no row
        ("flops", 16, "majority"): (16, 0.4, 0.6, -0.2),
        ("flops", 16, "beam_search"): (16, 0.9, 0.6, 0.3),  # as many exactly
    }


def test_where_flops_are_not_known_only_equal_n_is_there():
    unknown = {key: float("nan") for key in FLOPS}
    assert {match for match, *_ in found(unknown)} == {"budget"}


@pytest.mark.parametrize("missing", ["best_of_n", "judge"])
def test_a_study_without_best_of_n_has_no_rows(missing, monkeypatch):
    for cell in list(RIGHT):
        if missing in cell:
            monkeypatch.delitem(RIGHT, cell)
    assert not found()

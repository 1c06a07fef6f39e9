"""Methods beside best-of-N: pairs and budgets worked out by hand, and what is left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.test_headline import outcomes
from ttstudy.analysis.accuracy import accuracy_table
from ttstudy.analysis.definitions import StudyTables
from ttstudy.analysis.matched import COSTS, fronts, matched
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
         "flops_total": 10 * price, "flops_paper": price, "policy_parameters": 1e6, "prm_parameters": 1e6,
         "response_tokens": 10.0 * budget, "flops_reencoded": np.nan,
         "flops_shared": 10 * price / (2 if method == "best_of_n" else 1)}
        for (prm, method, budget), price in prices.items()
    ]  # fmt: skip
    known = {"outcomes": values, "accuracy": accuracy_table(values), "ledger": pd.DataFrame(rows)}
    return StudyTables(known)


def found(prices: dict = FLOPS) -> dict[tuple, tuple]:
    frame = tables.check("matched", matched(study(prices)))
    frame = frame[frame["match"].isin(["budget", "flops"])]
    rows = frame[["match", "budget", "method", "spent", "accuracy", "base", "difference"]]
    return {tuple(row[:3]): tuple(np.round(row[3:], 9)) for row in rows.itertuples(index=False, name=None)}


def test_methods_are_held_against_best_of_n_at_equal_n_and_at_as_many_flops():
    assert found() == {
        ("budget", 4, "majority"): (4, 0.3, 0.5, -0.2),
        ("budget", 4, "beam_search"): (4, 0.7, 0.5, 0.2),
        ("budget", 16, "majority"): (16, 0.4, 0.6, -0.2),
        ("budget", 16, "beam_search"): (16, 0.9, 0.6, 0.3),
        ("flops", 4, "majority"): (16, 0.4, 0.5, -0.1),  # 40 of 100, all it has; beam search's 150 are too many: no row
        ("flops", 16, "majority"): (16, 0.4, 0.6, -0.2),
        ("flops", 16, "beam_search"): (16, 0.9, 0.6, 0.3),  # as many exactly
    }


def test_where_flops_are_not_known_only_equal_n_is_there():
    unknown = {key: float("nan") for key in FLOPS}
    assert {match for match, *_ in found(unknown)} == {"budget"}


def test_between_two_n_a_method_stands_on_the_line_in_log_cost_and_conventions_may_differ():
    frame = tables.check("matched", matched(study()))
    rows = frame.set_index(["match", "budget", "method"])
    # best-of-N at 4 costs 50 shared, at 16 200: beam search's 150 and 400 are around the latter
    assert ("shared", 4, "beam_search") not in rows.index
    part = np.log(200 / 150) / np.log(400 / 150)
    row = rows.loc["shared", 16, "beam_search"]
    assert row["accuracy"] == pytest.approx(0.7 + 0.2 * part) and row["difference"] == pytest.approx(0.1 + 0.2 * part)
    assert row["spent"] == pytest.approx(4 * 4**part) and row["cost"] == pytest.approx(200)
    assert row["low"] < row["difference"] < row["high"]
    assert rows.loc["flops", 16, "beam_search"]["difference"] == pytest.approx(0.3)
    assert rows.loc["tokens"]["difference"].tolist() == rows.loc["budget"]["difference"].tolist()
    assert "reencoded" not in set(frame["match"])  # not counted: nothing is said


def test_a_front_is_what_no_cheaper_point_reaches_and_its_band_is_that_of_resampled_problems():
    frame = tables.check("fronts", fronts(study()))
    assert set(frame["match"]) == {"tokens", "flops", "shared"} < set(COSTS)
    rows = frame[frame["match"] == "flops"].set_index(["method", "budget"])
    assert ("cot", 1) not in rows.index  # its cost is not known
    on = {key for key, row in rows.iterrows() if row["front"]}
    # 10: .3, 40: .4, 100: .5, 150: .7, 400: .9; best-of-N at 16 costs 400 too
    assert on == {("majority", 4), ("majority", 16), ("best_of_n", 4), ("beam_search", 4), ("beam_search", 16)}
    assert rows["best"].to_dict()["best_of_n", 16] == 0.9
    rng = np.random.default_rng(5)
    right = {key[2:4]: np.arange(10) < value for key, value in RIGHT.items() if key[4] != "min"}
    names = [key for key in rows.index if rows.loc[key, "cost"] <= 150]
    drawn = np.array([max(right[key][pick].mean() for key in names) for pick in rng.integers(10, size=(4000, 10))])
    low, high = rows.loc[("beam_search", 4), ["low", "high"]]
    inside = (drawn > low - 1e-9) & (drawn < high + 1e-9)
    assert inside.mean() > 0.94 > ((drawn > low + 1e-9) & (drawn < high - 1e-9)).mean()
    assert rows.loc[("majority", 4), "share"] == 1.0  # the cheapest point is always on it


@pytest.mark.parametrize("missing", ["best_of_n", "judge"])
def test_a_study_without_best_of_n_has_no_rows(missing, monkeypatch):
    for cell in list(RIGHT):
        if missing in cell:
            monkeypatch.delitem(RIGHT, cell)
    assert not found()

"""Tokens per method: sums by hand, expected numbers at N, shares of trees."""

from __future__ import annotations

import pandas as pd
import pytest

from ttstudy import usage

POOL = pd.DataFrame(
    {
        "problem_id": ["a", "a", "b", "b"],
        "sample": [0, 1, 0, 1],
        "prompt_tokens": [5, 5, 7, 7],
        "response_tokens": [10, 20, 30, 50],
        "finish": ["eos", "length", "eos", "context"],
    }
)
SCORES = {"p": POOL[["problem_id", "sample"]].assign(prm_tokens=[16, 26, 38, 58])}


def test_a_pool_at_n_uses_n_times_the_mean_and_its_prompt_once():
    rows = usage.of_pool(POOL, SCORES, {"majority": [2], "best_of_n": [1]})
    by_method = {(row["method"], row["budget"]): row for row in rows}
    assert by_method["majority", 2]["response_tokens"] == 10 + 20 + 30 + 50
    assert by_method["majority", 2]["prm_tokens"] == 0
    assert by_method["best_of_n", 1]["response_tokens"] == 15 + 40
    assert by_method["best_of_n", 1]["prm_tokens"] == 21 + 48
    assert all(row["prompt_tokens"] == 12 and row["discarded_tokens"] == 0 for row in rows)


def test_dvts_at_a_smaller_n_uses_its_share_of_the_trees_and_beam_search_its_own_run():
    cost = pd.DataFrame(
        {
            "problems": [2],
            "response_tokens": [800],
            "discarded_tokens": [600],
            "prm_tokens": [900],
            "prm_tokens_reencoded": [4000],
        }
    )
    rows = usage.of_search("dvts", "p", 16, cost, POOL, [4, 16])
    assert [row["response_tokens"] for row in rows] == [200, 800]
    assert [row["prm_tokens_reencoded"] for row in rows] == [1000, 4000]
    (beam,) = usage.of_search("beam_search", "p", 16, cost, POOL, [4, 16])
    assert (beam["budget"], beam["discarded_tokens"], beam["prompt_tokens"]) == (16, 600, 12)


def test_endings_are_counted_by_what_they_were():
    grades = POOL[["problem_id", "sample"]].assign(status=["graded", "no_answer", "timed_out", "no_answer"])
    row = usage.endings("majority", "none", 2, POOL, grades)
    assert (row["responses"], row["finished"], row["cut"], row["no_answer"], row["timed_out"]) == (4, 2, 2, 2, 1)


def test_the_single_greedy_response_has_no_prm():
    row = usage.of_cot(POOL[POOL["sample"] == 0])
    assert (row["problems"], row["prompt_tokens"], row["response_tokens"]) == (2, 12, 40)
    assert row["prm_tokens"] == pytest.approx(0)

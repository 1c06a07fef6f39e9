"""Runs: what chance decides is drawn several times, the mean counts, and how far runs lie apart is told."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest

from tests.studies import smoke
from ttstudy.analysis.retrained import with_training
from ttstudy.dag import cells
from ttstudy.dag.cells import Cell
from ttstudy.methods.pool import Pool
from ttstudy.methods.spread import MOST, Spread, parts
from ttstudy.study import from_mapping

SUMS = Cell("sums", "smoke-8k")


def test_the_first_run_is_the_only_one_there_was_and_others_draw_with_their_own_seeds():
    one, three = (from_mapping(smoke(runs={"searches": runs})) for runs in (1, 3))
    first = [search for search in cells.searches(three, SUMS) if search.run == 0]
    assert first == list(cells.searches(one, SUMS)) and len(list(cells.searches(three, SUMS))) == 3 * len(first)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_the_pool_is_so_many_times_the_largest_budget(times):
    study = from_mapping(smoke(runs={"samples": times}))
    last = [block.last for block in cells.pool_blocks(study, SUMS) if block.pool == "samples"][-1]
    assert last + 1 >= times * study.budgets.pool == study.pool_of("smoke-8k")


def test_runs_at_temperature_0_which_are_all_the_same_are_refused():
    config = smoke(runs={"searches": 2}, sampling={"search": {"temperature": 0.0, "max_tokens": 40}})
    with pytest.raises(ValueError, match=r"runs.searches: smoke-8k is searched with at temperature 0"):
        from_mapping(config)


def _pool(rng: np.random.Generator, right: np.ndarray, size: int) -> Pool:
    correct = rng.random((len(right), size)) < right[:, None]
    return Pool([f"p{i}" for i in range(len(right))], correct, np.where(correct, 0, 1))


def test_both_deviations_are_those_of_new_runs_and_of_new_problems():
    """60 problems of known difficulty, coverage at N = 2: against 4,000 runs, and as many sets of problems."""
    rng = np.random.default_rng(1)
    problems, size, budget = 60, 16, 2
    told = []
    for _ in range(400):
        spread = Spread()
        spread.add_pool("coverage", "none", _pool(rng, rng.beta(1, 2, problems), size), [budget], "coverage")
        (row,) = spread.table({}).itertuples()
        assert row.draws == MOST and row.problems == problems
        told.append((row.run_sd**2, row.problem_sd**2))
    found = np.sqrt(np.mean(told, axis=0))
    right = rng.beta(1, 2, (4000, problems))
    worth = 1 - (1 - right) ** budget
    of_run = np.sqrt((worth * (1 - worth)).mean() / problems)
    assert found[0] == pytest.approx(of_run, rel=0.03)
    assert found[1] == pytest.approx(worth.mean(axis=1).std(), rel=0.05)


def test_twice_the_deviation_of_a_run_holds_nineteen_of_twenty_new_runs():
    rng = np.random.default_rng(2)
    inside = []
    for _ in range(300):
        right = rng.beta(0.6, 0.6, 50)
        three = (rng.random((3, 50)) < right).astype(float)  # e.g. three searches
        new = (rng.random(50) < right).mean()
        found = parts(three)["run_sd"] * np.sqrt(1 + 1 / 3)
        inside.append(abs(new - three.mean()) <= 1.96 * found + 1e-9)
    assert 0.92 <= np.mean(inside) <= 0.98


def test_trees_that_share_nothing_are_draws_of_a_smaller_budget():
    rows = [
        {"problem_id": f"p{i}", "sample": t, "tree": t, "canonical": "1", "correct": (i + t) % 2 == 0,
         "step_scores": [0.5]}
        for i in range(3) for t in range(4)
    ]  # fmt: skip
    table, ids = pd.DataFrame(rows), ["p0", "p1", "p2"]
    spread = Spread()
    spread.add_search("dvts", "good", 16, Pool.build(table, table, ids), [4, 8, 16], 4)
    found = spread.table({}).query("vote == 'majority'").set_index("budget")
    assert found["draws"].to_dict() == {4: 4, 8: 2, 16: 1}
    assert found["run_sd"].isna().to_dict() == {4: False, 8: False, 16: True}
    # One tree a draw: each problem is right in two of four, variance 1/3; over three problems.
    assert found.loc[4, "run_sd"] == pytest.approx(np.sqrt(3 * (1 / 3)) / 3)


def test_what_was_drawn_once_or_unevenly_tells_no_deviation():
    assert np.isnan(parts(np.ones((1, 5)))["run_sd"]) and np.isnan(parts(np.ones((4, 1)))["problem_sd"])
    assert parts(np.ones((4, 5))) == {"run_sd": 0.0, "problem_sd": 0.0}
    there = np.array([[True, True], [True, False]])
    uneven = Pool(["a", "b"], there, np.zeros((2, 2), int), valid=there)
    spread = Spread()
    spread.add_pool("coverage", "none", uneven, [1], "coverage")
    assert spread.table({}).empty


def test_the_deviation_of_training_seeds_is_told_of_a_pool_that_holds_many_draws():
    """A pool of 256: its accuracy at N = 1 is known far better than from the eight draws that are looked at."""
    rng = np.random.default_rng(3)
    told = []
    for _ in range(60):
        rows, accuracies = [], []
        names = [f"p{n}" for n in range(6)]
        for name in names:
            right = np.clip(rng.uniform(0.3, 0.7, 50) + rng.normal(0, 0.02), 0, 1)
            pool, spread = _pool(rng, right, 256), Spread()
            spread.add_pool("coverage", "none", pool, [1], "coverage")
            row = spread.table({"benchmark": "b", "policy": name})
            assert row["draws"].item() == 256
            rows.append(row)
            accuracies.append(row[["benchmark", "prm", "method", "budget", "score", "vote", "policy"]].assign(
                level="all", accuracy=pool.correct.mean()))  # fmt: skip
        found = with_training(pd.concat(rows, ignore_index=True), pd.concat(accuracies), [names])["training_sd"]
        told.append(found.iloc[0] ** 2)
    # What is left beside the training's 2 points are the problems' own worths, drawn anew for each policy here.
    assert np.mean(told) == pytest.approx(0.02**2 + 0.4**2 / 12 / 50, rel=0.25)


def test_policies_that_differ_by_their_training_seed_alone_tell_what_another_one_would_change():
    config = smoke()
    again = copy.deepcopy(config["policies"]["smoke-8k"])
    again["definition"]["seed"] += 1
    config["policies"] |= {"again": again, "other": copy.deepcopy(again) | {"prompt": "llama"}}
    assert from_mapping(config).retrained == [["smoke-8k", "again"]] and from_mapping(smoke()).retrained == []


def test_the_deviation_of_training_seeds_is_without_that_of_draws():
    key = {"benchmark": "b", "prm": "none", "method": "majority", "budget": 4, "score": "none", "vote": "majority"}
    policies = {"a-1": 0.50, "a-2": 0.60, "a-3": 0.70, "alone": 0.9}
    spread = pd.DataFrame([key | {"policy": p, "draws": 4, "run_sd": 0.1, "problem_sd": 0.1} for p in policies])
    accuracy = pd.DataFrame([key | {"policy": p, "level": "all", "accuracy": a} for p, a in policies.items()])
    found = with_training(spread, accuracy, [["a-1", "a-2", "a-3"]]).set_index("policy")["training_sd"]
    assert found["a-1"] == found["a-3"] == pytest.approx(np.sqrt(0.1**2 - 0.1**2 / 4)) and np.isnan(found["alone"])
    assert with_training(spread.iloc[1:], accuracy, [["a-1", "a-2", "a-3"]])["training_sd"].isna().all()
    assert with_training(spread, accuracy, []) is spread

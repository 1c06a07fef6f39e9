"""Levels by stated rules, shrinkage that helps, and a label-free estimate that reads no label."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ttstudy.analysis import difficulty
from ttstudy.data import tables


def pilot(shares, samples=16, seed=0):
    """Grades of a pilot pool, one problem per share; right answers are "1", wrong ones spread."""
    rng = np.random.default_rng(seed)
    correct = rng.random((len(shares), samples)) < np.asarray(shares)[:, None]
    return pd.DataFrame(
        {
            "problem_id": np.repeat([f"p{i:04d}" for i in range(len(shares))], samples),
            "sample": np.tile(range(samples), len(shares)),
            "canonical": np.where(correct.ravel(), "1", (2 + rng.integers(0, 9, correct.size)).astype(str)),
            "correct": correct.ravel(),
        }
    )


def test_a_bound_belongs_to_the_easier_level():
    shares = [1.0, 0.5, 0.4999, 0.1, 0.0999, 0.0]
    assert difficulty.level_of(shares).tolist() == ["easy", "easy", "medium", "medium", "hard", "hard"]
    grades = pd.DataFrame(
        [(f"p{k}", i, i < k) for k in (0, 1, 2, 5, 10) for i in range(10)],
        columns=["problem_id", "sample", "correct"],
    )
    table = difficulty.levels(grades)
    assert dict(zip(table["problem_id"], table["level"], strict=True)) == {
        "p0": "hard", "p1": "medium", "p2": "medium", "p5": "easy", "p10": "easy"
    }  # fmt: skip
    assert table["pass_at_1"].tolist() == [0.0, 0.1, 1.0, 0.2, 0.5]
    with pytest.raises(ValueError, match="fall"):
        difficulty.levels(grades, thresholds=(10, 50))


def test_the_table_meets_its_contract():
    table = difficulty.levels(pilot([0.9, 0.3, 0.0]))
    table.insert(0, "benchmark", "toy")
    table.insert(1, "policy", "tiny")
    tables.check("difficulty", table)


def test_the_prior_is_found_and_shrinkage_brings_estimates_nearer_the_truth():
    rng = np.random.default_rng(3)
    shares = rng.beta(0.6, 1.2, 3000)
    counts = rng.binomial(8, shares)
    a, b = difficulty.beta_prior(counts, np.full(3000, 8))
    assert (a, b) == pytest.approx((0.6, 1.2), rel=0.15)
    table = difficulty.levels(pilot(shares[:600], samples=8))
    raw = ((table["pass_at_1"] - shares[:600]) ** 2).mean()
    assert ((table["shrunk"] - shares[:600]) ** 2).mean() < 0.85 * raw


def test_the_probability_of_a_wrong_level_is_calibrated():
    shares = np.random.default_rng(4).beta(0.6, 0.6, 1500)
    table = difficulty.levels(pilot(shares, samples=8, seed=5))
    wrong = table["level"].to_numpy() != difficulty.level_of(shares)
    assert table["misbinned"].mean() == pytest.approx(wrong.mean(), abs=0.03)
    sure = table["misbinned"] < 0.05
    assert wrong[sure].mean() < 0.06 < wrong[~sure].mean()


def test_quantile_levels_are_thirds_and_equal_shares_stay_together():
    table = difficulty.levels(pilot(np.linspace(0, 1, 90), samples=64), scheme="quantile")
    assert table["level"].value_counts().between(27, 33).all()
    assert table.groupby("pass_at_1")["level"].nunique().max() == 1
    spread = table.groupby("level")["pass_at_1"].agg(["min", "max"])
    assert spread.loc["easy", "min"] > spread.loc["medium", "max"] >= spread.loc["medium", "min"]


def test_the_label_free_estimate_reads_no_label_and_still_ranks_problems():
    shares = np.linspace(0.02, 0.98, 120)
    grades = pilot(shares, samples=32, seed=1)
    rng = np.random.default_rng(2)
    mean = np.where(grades["correct"], 0.8, 0.3)
    scores = grades[["problem_id", "sample"]].assign(
        step_scores=[np.clip(rng.normal(m, 0.15, 3), 0, 1).tolist() for m in mean]
    )
    estimate = difficulty.label_free(grades, scores)
    hidden = difficulty.label_free(grades.assign(correct=False), scores)
    assert estimate.equals(hidden)
    assert np.corrcoef(estimate["predicted"], shares)[0, 1] > 0.85
    assert (estimate["level"] == difficulty.levels(grades)["level"]).sum() > 70
    assert difficulty.label_free(grades)["predicted"].between(0, 1).all()
    nothing = grades.assign(canonical=None)
    assert set(difficulty.label_free(nothing)["level"]) == {"hard"}


def test_predicted_levels_stand_beside_the_true_ones_for_agreement_and_each_prm():
    grades = pilot(np.linspace(0.02, 0.98, 60), samples=16, seed=3)
    told = [[0.9 if right else 0.1] for right in grades["correct"]]
    scores = grades[["problem_id", "sample"]].assign(step_scores=told)
    known = difficulty.levels(grades, scheme="quantile")
    names = {"benchmark": "toy", "policy": "tiny"}
    table = difficulty.predicted(grades, {"sharp": scores}, known, scheme="quantile").assign(**names)
    table = tables.check("predicted", table)
    assert table["prm"].value_counts().to_dict() == {"none": 60, "sharp": 60}
    agree = (table["level"] == table["true_level"]).groupby(table["prm"]).mean()
    assert agree["sharp"] > 0.9 > 0.5 < agree["none"]  # a PRM that knows the answers finds nearly every level
    assert table.groupby("prm")["level"].value_counts().min() > 10  # thirds

"""Intervals cover, hold their estimate and never collapse; tests and tables against scipy and by hand."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from reports.benchmarks import intervals
from ttstudy.analysis import accuracy, statistics
from ttstudy.data import tables


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(float, st.integers(1, 80), elements=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])),
    st.booleans(),
)
def test_an_interval_holds_its_estimate_and_has_a_width(values, clustered):
    sources = [i // 3 for i in range(len(values))] if clustered else None
    low, high = statistics.interval(values, resamples=300, clusters=sources)
    assert 0 <= low <= values.mean() + 1e-12 and values.mean() - 1e-12 <= high <= 1
    assert high - low > 1e-3


def test_all_right_or_all_wrong_is_wilson_and_not_a_point():
    from scipy.stats import binomtest

    for wins in (0, 30, 17):
        values = np.repeat([1.0, 0.0], [wins, 30 - wins])
        wanted = binomtest(wins, 30).proportion_ci(method="wilson")
        assert statistics.interval(values) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_bca_equals_scipy_within_the_resampling_noise():
    from scipy.stats import bootstrap

    values = np.random.default_rng(0).beta(0.4, 1.2, 300)
    ours = statistics.interval(values)
    theirs = bootstrap(
        (values,), np.mean, n_resamples=10_000, rng=np.random.default_rng(1)
    ).confidence_interval
    assert ours == pytest.approx(tuple(theirs), abs=0.1 * (theirs.high - theirs.low))


STUDIES = {"cross-fitted": 300, "optimism": 300, "adaptive": 300, "efficiency": 150, "rank": 0, "Pass@1": 50}


@pytest.mark.parametrize("name", [name for name in intervals.WORLDS if STUDIES.get(name.split(" ")[0].rstrip(","), 1)])
def test_every_kind_of_interval_covers_as_often_as_it_says(name):
    """The worlds of reports/benchmarks/intervals.md at n = 500; bounds leave three standard errors of simulation."""
    kind = name.split(" ")[0].rstrip(",")
    found = intervals.cover(name, 500, STUDIES.get(kind, 2000))
    noise = 3 * (0.95 * 0.05 / STUDIES.get(kind, 2000)) ** 0.5
    assert found.held.mean() > 0.94 - noise
    one_sided = "flat" in name or "bound" in name  # what may jump, or is only bounded: the interval may hold more often
    assert found.held.mean() < 0.96 + noise or one_sided


def test_extra_variance_widens_an_interval_and_weakens_the_evidence():
    rng = np.random.default_rng(4)
    a, b = rng.random(200), rng.random(200) * 0.9
    plain, wide = statistics.paired_difference(a, b), statistics.paired_difference(a, b, extra=3 * (a - b).var() / 199)
    assert wide.difference == plain.difference and plain.p < wide.p < 1
    assert (wide.high - wide.low) == pytest.approx(2 * (plain.high - plain.low), rel=1e-2)
    low, high = statistics.interval(np.stack([a, b], 1), extra=np.array([0.0, 1e-4]))
    assert (low[0], high[0]) == statistics.interval(a) and high[1] - low[1] > np.subtract(*statistics.interval(b)[::-1])


def test_many_columns_are_one_resample_and_the_seed_fixes_the_bytes():
    values = np.random.default_rng(1).random((120, 5))
    low, high = statistics.interval(values, seed=3)
    alone = [statistics.interval(values[:, k], seed=3) for k in range(5)]
    assert [(float(x), float(y)) for x, y in zip(low, high, strict=True)] == alone
    assert statistics.interval(values[:, 0], seed=4) != alone[0]


def test_problems_of_one_source_widen_the_interval():
    values = np.repeat(np.random.default_rng(2).random(80), 4)
    apart = np.subtract(*statistics.interval(values)[::-1])
    together = np.subtract(*statistics.interval(values, clusters=np.repeat(range(80), 4))[::-1])
    assert together == pytest.approx(2 * apart, rel=0.1)  # four copies carry the information of one


def test_bad_values_are_refused():
    for values, words in (
        ([0.5, float("nan")], "not a number"),
        ([0.5, 1.2], "outside"),
        ([], "at least one"),
    ):
        with pytest.raises(ValueError, match=words):
            statistics.interval(np.array(values))
    with pytest.raises(ValueError, match="name one for each"):
        statistics.interval(np.ones(4), clusters=[1, 2])


def test_sign_flips_are_exact_on_few_problems():
    a, b = np.array([1, 1, 1, 1, 1.0]), np.array([0, 0, 0, 0, 0.0])
    assert statistics.paired_difference(a, b).p == 2 / 2**5
    rng = np.random.default_rng(0)
    gaps = rng.normal(0.05, 0.2, 9)
    signs = np.array(np.meshgrid(*[[1, -1]] * 9)).reshape(9, -1)
    wanted = (np.abs(gaps @ signs) >= abs(gaps.sum()) - 1e-12).mean()
    assert statistics.paired_difference(gaps, gaps * 0).p == pytest.approx(wanted)


def test_paired_differences_agree_with_the_t_test_on_many_problems():
    from scipy.stats import ttest_rel

    rng = np.random.default_rng(5)
    b = rng.beta(0.6, 0.6, 400)
    a = np.clip(b + rng.normal(0.02, 0.2, 400), 0, 1)
    ours, theirs = statistics.paired_difference(a, b), ttest_rel(a, b)
    interval = theirs.confidence_interval()
    assert ours.p == pytest.approx(theirs.pvalue, abs=0.02)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), abs=0.004)
    both = statistics.paired_difference(np.stack([a, b], 1), np.stack([b, b], 1))
    assert both.difference[0] == pytest.approx(ours.difference)
    assert both.low[1] < 0 < both.high[1] and both.p[1] == 1.0  # equal methods: a width, and no evidence


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_fishers_p_value_is_the_share_of_tables_that_are_no_likelier(n_a, n_b, data):
    right_a, right_b = data.draw(st.integers(0, n_a)), data.draw(st.integers(0, n_b))
    ways = {k: comb(n_a, k) * comb(n_b, right_a + right_b - k) for k in range(n_a + 1) if k <= right_a + right_b}
    wanted = sum(way for way in ways.values() if way <= ways[right_a]) / comb(n_a + n_b, right_a + right_b)
    assert statistics.fisher(right_a, n_a, right_b, n_b) == pytest.approx(wanted, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.02, 0.04, 0.3, 1.0]), max_size=7))
def test_holm_is_the_closed_test_by_bonferroni(pvalues):
    """A hypothesis falls when every family that holds it does: n times the least p value of n is small enough."""
    families = [chosen for n in range(1, len(pvalues) + 1) for chosen in combinations(range(len(pvalues)), n)]
    worst = [
        max(min(1.0, len(family) * min(pvalues[k] for k in family)) for family in families if own in family)
        for own in range(len(pvalues))
    ]
    assert statistics.holm(pvalues).tolist() == worst


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=30))
def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(steps):
    right, wrong = ([score / 4 for truth, score in steps if truth is kind] for kind in (True, False))
    area = statistics.area_under_curve([truth for truth, _ in steps], [score / 4 for _, score in steps])
    pairs = [(a > b) + 0.5 * (a == b) for a in right for b in wrong]
    assert area == (sum(pairs) / len(pairs) if pairs else None)


def test_spread_over_seeds():
    mean, deviation, low, high = statistics.seed_spread([0.3, 0.4, 0.5])
    assert (mean, deviation) == pytest.approx((0.4, 0.1))
    assert (low, high) == pytest.approx((0.4 - 4.302653 * 0.1 / 3**0.5, 0.4 + 4.302653 * 0.1 / 3**0.5))
    with pytest.raises(ValueError, match="two runs"):
        statistics.seed_spread([0.3])


def outcomes():
    rng = np.random.default_rng(0)
    rows = []
    for method, budget, problems in (("cot", 1, 40), ("majority", 4, 40), ("beam_search", 4, 30)):
        prm = "good" if method == "beam_search" else "none"
        for i in range(problems):
            level = "easy" if i < 25 else "hard"
            rows.append(
                ("toy", "tiny", prm, method, budget, "none", "none", f"p{i:02d}", level, rng.random())
            )
    return pd.DataFrame(rows, columns=[*accuracy.CELL, "problem_id", "level", "value"])


def test_accuracy_table_has_every_level_that_has_problems():
    table = tables.check("accuracy", accuracy.accuracy_table(outcomes(), resamples=500))
    assert table["level"].drop_duplicates().tolist() == ["all", "easy", "hard"]
    wanted = outcomes().groupby("method")["value"].mean()
    for row in table[table["level"] == "all"].itertuples():
        assert row.accuracy == pytest.approx(wanted[row.method])
        assert row.problems == (30 if row.method == "beam_search" else 40)
    hard = table[(table["level"] == "hard") & (table["method"] == "beam_search")]
    assert hard["problems"].item() == 5
    shuffled = outcomes().sample(frac=1, random_state=1)
    assert accuracy.accuracy_table(shuffled, resamples=500).equals(
        accuracy.accuracy_table(outcomes(), resamples=500)
    )
    with pytest.raises(ValueError, match="p00 occurs twice"):
        accuracy.accuracy_table(pd.concat([outcomes(), outcomes().head(1)]))


@pytest.mark.parametrize("problems", [12, 200])
def test_problems_that_all_differ_by_the_same_leave_room_for_one_that_does_not(problems):
    """No spread is seen, but a share of the problems that was not drawn may differ by anything."""
    found = statistics.paired_difference(np.ones(problems), np.zeros(problems))
    unseen = 1 - statistics.wilson(1.0, problems)[0]
    assert (found.low, found.high) == pytest.approx((1 - 2 * unseen, 1)) and found.low < 0.99
    both = statistics.paired_difference(np.full((problems, 2), 0.5), np.zeros((problems, 2)))
    assert (both.low < 0.5).all() and (both.high > 0.5).all()

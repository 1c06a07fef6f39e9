"""Intervals cover, hold their estimate and never collapse; tests and tables against scipy and by hand."""

from __future__ import annotations

import json
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
    assert (wide.high - wide.low) == pytest.approx(2 * (plain.high - plain.low), rel=2e-2)
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
    assert 1 - 2.01 * unseen < found.low < 1 - unseen and found.high == 1
    both = statistics.paired_difference(np.full((problems, 2), 0.5), np.zeros((problems, 2)))
    assert (both.low < 0.5).all() and (both.high > 0.5).all()


# -- score intervals of pairs --------------------------------------------------------------------------------


def score_of(b: int, c: int, n: int, delta: float) -> float:
    """Tango's score by its definition: where the likelihood is largest is searched for, not solved for."""
    from scipy.optimize import minimize_scalar

    def unlikely(worse: float) -> float:
        shares = np.array([worse + delta, worse, 1 - 2 * worse - delta])
        counts = np.array([b, c, n - b - c])
        seen = counts > 0
        return -float(counts[seen] @ np.log(np.maximum(shares[seen], 1e-300)))

    least, most = max(0.0, -delta), (1 - delta) / 2
    worse = float(minimize_scalar(unlikely, bounds=(least, most), method="bounded", options={"xatol": 1e-10}).x)
    return (b - c - n * delta) / (n * (2 * worse + delta - delta**2)) ** 0.5


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 60), st.sampled_from([0.9, 0.95]))
def test_tangos_interval_ends_where_his_score_is_the_quantile(b, c, same, confidence):
    from scipy.stats import norm

    n = b + c + same
    low, high = (float(end) for end in statistics.tango(b, c, n, confidence))
    z = float(norm.ppf(0.5 + confidence / 2))
    assert -1 <= low < (b - c) / n < high <= 1
    assert score_of(b, c, n, low) == pytest.approx(z, abs=5e-3)
    assert score_of(b, c, n, high) == pytest.approx(-z, abs=5e-3)


def test_few_problems_that_differ_have_tangos_interval_and_none_around_zero(shared):
    wanted = pd.read_csv(shared / "cases/statistics/interval_zero_centre.csv", comment="#")
    assert len(wanted) == 3
    for row in wanted.itertuples():
        a = np.repeat([1.0, 0.0, 0.0], [row.b, row.c, row.n - row.b - row.c])
        b = np.repeat([0.0, 1.0, 0.0], [row.b, row.c, row.n - row.b - row.c])
        found = statistics.paired_difference(a, b)
        assert found.difference == pytest.approx(row.difference)
        assert (found.low, found.high) == pytest.approx((row.wanted_low, row.wanted_high), abs=1e-4)


def test_the_spread_of_a_choice_widens_the_interval_of_few_differences_in_quadrature(shared):
    case = json.loads((shared / "cases/statistics/paired_rare_extra.json").read_text())
    extra = case["input"]["extra"]
    a, none = np.zeros(50), np.zeros(50)
    a[:3] = 0.1
    plain, found = statistics.paired_difference(a, none), statistics.paired_difference(a, none, extra=extra)
    for side in ("low", "high"):
        half, wide = (abs(getattr(paired, side) - 0.006) for paired in (plain, found))
        assert wide == pytest.approx((half**2 + 1.959964**2 * extra) ** 0.5) and wide < 0.176
    assert found.low < 0.0 < found.high and found.p > plain.p
    values = np.ones(50)
    values[0] = 0.9
    assert statistics.interval(values, extra=case["second"]["extra"]) == pytest.approx((0.917, 1.0), abs=1e-3)


@pytest.mark.parametrize("moved", range(5))
def test_up_to_four_differing_problems_leave_an_interval_that_leans_to_the_better_side(moved):
    a = np.repeat([1.0, 0.0], [moved, 50 - moved])
    found = statistics.paired_difference(a, np.zeros(50))
    assert found.high - moved / 50 > moved / 50 - found.low - 1e-9 or not moved
    assert found.high - found.low < 0.19
    some = statistics.paired_difference(a * 0.5, np.zeros(50))
    assert -0.0715 < some.low <= 0 < some.high < found.high + 1e-9  # a half is no more than a whole one


def test_means_over_samples_are_no_coarser_than_their_own_spread():
    """Small differences on every problem: the effective number of problems gives them nearly Student's interval."""
    from scipy.stats import ttest_1samp

    gaps = np.random.default_rng(8).normal(0.01, 0.03, 200)
    found, wanted = statistics.paired_difference(gaps, gaps * 0), ttest_1samp(gaps, 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=2e-4)


def test_a_difference_of_differences_may_reach_two():
    gaps = np.random.default_rng(9).choice([-2.0, -1.0, 0.0, 1.0, 2.0], 400)
    found = statistics.paired_difference(gaps, gaps * 0)
    half = 1.96 * gaps.std() / 20
    assert (found.low, found.high) == pytest.approx((gaps.mean() - half, gaps.mean() + half), abs=5e-3)
    rare = np.repeat([2.0, 0.0], [1, 49])
    found = statistics.paired_difference(rare, rare * 0)
    assert -0.11 < found.low < 0 < found.high < 0.22

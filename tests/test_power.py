"""Power before the run: detectable differences by simulation, what they take, and what no order can show."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from tests.studies import ROOT
from ttstudy.analysis import power
from ttstudy.analysis.claims import CLAIMS
from ttstudy.data.revisions import load


@pytest.mark.parametrize(("problems", "differ", "level"), [(500, 0.1, 0.05), (500, 0.3, 0.05 / 9), (120, 0.3, 0.05)])
def test_a_detectable_difference_is_found_four_times_of_five(problems, differ, level):
    found = power.detectable(problems, differ, level)
    rng = np.random.default_rng(problems)
    chances = [(differ + found) / 2, (differ - found) / 2, 1 - differ]
    better, worse, _ = rng.multinomial(problems, chances, size=20_000).T
    z = (better - worse) / np.sqrt(np.maximum(better + worse, 1))
    assert (np.abs(z) > power.NormalDist().inv_cdf(1 - level / 2)).mean() == pytest.approx(power.POWER, abs=0.025)
    assert power.needed(found, differ, level) == pytest.approx(problems, abs=1)


def test_what_cannot_be_seen_is_said():
    assert isnan(power.detectable(30, 0.1, 0.05 / 9))  # even if all that differ favour one side
    assert power.fewest(0.05) == 5 and power.fewest(0.05 / 9) == 6  # 2 / 5! is 0.017, 2 / 6! 0.003


def test_the_papers_primary_claims_are_told_on_their_own_benchmarks():
    study = load(ROOT / "workflow/studies/paper.yaml")
    found = {one.claim: one for one in power.primary(study.primary_claims, {"MATH-500": 500, "AIME24": 30}, 12, 7)}
    assert set(found) == set(study.primary_claims)
    assert (found[1].benchmark, found[10].benchmark, found[2].benchmark) == ("MATH-500", "AIME24", "AIME24")
    assert found[3].benchmark == "MATH-500"  # the largest, where a claim names none
    on, detects, takes = power.words(found[1])
    assert on == "500 problems of MATH-500" and detects.endswith("points") and "," in takes
    assert power.words(found[10])[1] == "nothing: too few problems"
    assert power.words(power.primary([3], {"b": 50}, 4, 2)[0])[1].endswith("points, if the sides differ much")
    assert power.words(found[12]) == ("12 policies", "a perfect order", "6 policies at least")
    few = power.primary([12], {"b": 50}, 4, 2)[0]
    assert power.words(few)[1] == "nothing: no order of so few is beyond chance"
    assert power.primary([], {"b": 50}, 4, 2) == []


def test_a_claim_says_on_which_benchmarks_and_units_it_is_tested():
    assert {number for number, claim in CLAIMS.items() if claim.unit == "PRMs"} == {18, 19, 20, 21, 31}
    assert {number for number, claim in CLAIMS.items() if claim.unit == "policies"} == {12, 28, 29}
    assert all(claim.study is not None for claim in CLAIMS.values() if claim.on)

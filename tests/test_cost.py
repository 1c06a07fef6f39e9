"""The page on costs: its numbers are the plan's, and what it says of others' hours is cited."""

from __future__ import annotations

import sys

import pytest

from tests.studies import ROOT

sys.path.insert(0, str(ROOT / "reports/benchmarks"))
import cost  # noqa: E402


def test_the_page_on_costs_has_the_numbers_of_the_plan_as_it_is_now():
    page = cost.PAGE.read_text()
    assert cost.filled(page, cost.tables()) == page, "run PYTHONPATH=workflow python reports/benchmarks/cost.py"


def test_the_planned_hours_are_those_of_the_plans_own_jobs():
    layout = cost.study()
    drawing, reading = cost.planned(layout, "dvts")
    frame = cost.plan.plan(layout, cost.Places(layout, cost.Gpu.sold_with(80)), {})
    key = ["benchmark", "policy", "prm", "method", "budget"]
    # Of trees that are independent only the largest N is run, 512 of this policy; both methods cost the same.
    beam = frame.set_index(key).sort_index().loc[[(*cost.CELL, cost.PRM, "beam_search", cost.N)]]
    loading = sum(cost.hours.loading(cost.hours.weights(layout, name), 1) for name in (cost.CELL.policy, cost.PRM))
    assert beam["hours"].sum() == pytest.approx(drawing + reading + loading * len(beam))

"""FLOPs: the published table recomputed, the ledger's parts, the front, the efficiency gain by its rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ttstudy.analysis import flops
from ttstudy.analysis.claims.compute import R1_ACTIVE, TRAINED
from ttstudy.analysis.claims.published import Published
from ttstudy.data import tables

PUBLISHED = Published()


@pytest.mark.parametrize("model", TRAINED)
def test_6nd_gives_the_published_training_flops_to_their_last_digit(model):
    size, tokens = TRAINED[model]
    printed = PUBLISHED.value("training_flops", where="Table 4", policy=model)
    assert float(f"{flops.training(size, tokens):.3g}") == pytest.approx(printed, rel=6e-3)
    assert f"{flops.training(size, tokens):.1e}" == f"{printed:.1e}"


def cell(**change):
    row = {
        "benchmark": "b", "policy": "small", "prm": "good", "method": "beam_search", "budget": 16,
        "problems": 10, "prompt_tokens": 100.0, "response_tokens": 4000.0, "discarded_tokens": 1500.0,
        "prm_tokens": 5000.0, "prm_tokens_reencoded": 20000.0, "policy_parameters": 1000,
        "prm_parameters": 7000,
    }  # fmt: skip
    return row | change


def test_the_ledger_counts_what_the_published_table_leaves_out():
    cells = [
        cell(),
        cell(prm="none", method="majority", prm_tokens=0.0, discarded_tokens=0.0, prm_parameters=0),
    ]
    table = tables.check("ledger", flops.ledger(pd.DataFrame(cells)))
    first, second = table.to_dict("records")
    assert first["flops_paper"] == first["flops_policy"] == 2 * 1000 * 4000
    assert first["flops_prompt"] == 2 * 1000 * 100
    assert first["flops_prm"] == 2 * 7000 * 5000
    assert first["flops_total"] == 2 * (1000 * 4100 + 7000 * 5000)
    assert first["flops_prm_reencoded"] == 2 * 7000 * 20000 and second["flops_prm_reencoded"] == 0
    assert second["flops_total"] == 2 * 1000 * 4100
    sparse = flops.ledger(pd.DataFrame(cells), active={"small": 250}).iloc[0]
    assert (sparse["flops_policy"], sparse["flops_paper"]) == (2 * 250 * 4000, 2 * 1000 * 4000)
    met = {"prompt_positions": 10.0, "policy_positions": 200.0, "prm_positions": 300.0}
    met |= {"prm_positions_reencoded": 1200.0, "prm_tokens_shared": 4000.0, "prm_positions_shared": 100.0}
    met |= {"prompt_tokens_reencoded": 700.0, "prompt_positions_reencoded": 40.0}
    long = flops.ledger(pd.DataFrame([cell(**met)]), shapes={"small": (3, 8), "good": (5, 16)}).iloc[0]
    assert long["flops_prompt"] == 2 * 1000 * 100 + 4 * 3 * 8 * 10
    assert long["flops_policy"] == 2 * 1000 * 4000 + 4 * 3 * 8 * 200
    assert long["flops_prm"] == 2 * 7000 * 5000 + 4 * 5 * 16 * 300
    assert long["flops_prm_reencoded"] == 4 * long["flops_prm"] and long["flops_paper"] == 2 * 1000 * 4000
    assert long["flops_total"] - first["flops_total"] == long["flops_attention"] == 96 * 210 + 320 * 300
    assert long["flops_prm_shared"] == 2 * 7000 * 4000 + 320 * 100
    assert long["flops_shared"] == long["flops_total"] - long["flops_prm"] + long["flops_prm_shared"]
    prompts = 2 * 1000 * 700 + 96 * 40
    assert long["flops_reencoded"] == long["flops_policy"] + prompts + long["flops_prm_reencoded"]
    assert np.isnan(first["flops_shared"]) and np.isnan(first["flops_reencoded"])  # not counted, never zero
    remote = flops.ledger(pd.DataFrame([cell(**met)]), shapes={"small": None, "good": (5, 16)}).iloc[0]
    assert np.isnan(remote["flops_attention"]) and np.isnan(first["flops_attention"])  # not known, never zero
    assert remote["flops_total"] == first["flops_total"] + 320 * 300
    with pytest.raises(ValueError, match="prm_tokens is negative"):
        flops.ledger(pd.DataFrame([cell(prm_tokens=-1.0)]))


def test_attention_is_the_sum_over_positions():
    summed = sum(4 * 3 * 64 * position for position in range(100, 300))
    assert flops.attention(3, 64, flops.positions(100, 300)) == pytest.approx(summed, rel=5e-3)


def test_ratios_of_the_published_pairs_and_their_sensitivity():
    def model(name, **change):
        size, tokens = TRAINED[name]
        inferred = PUBLISHED.value("inference_flops", where="Table 4", policy=name) / (2 * size)
        return flops.Model(name, size, tokens, inferred)._replace(**change)

    small, large = model("Llama-3.2-3B-Instruct"), model("Llama-3.1-405B-Instruct")
    distilled, r1 = model("DeepSeek-R1-Distill-Qwen-7B"), model("DeepSeek-R1")
    assert large.total / small.total == pytest.approx(225.0, abs=0.05)
    assert r1.total / distilled.total == pytest.approx(78.8, abs=0.05)
    assert large.inference / small.inference == pytest.approx(1.38, abs=0.01)
    assert r1.inference / distilled.inference == pytest.approx(4.94, abs=0.01)
    guided = small._replace(prm_parameters=72e9, prm_tokens=small.inference_tokens)
    assert large.inference / guided.inference < 0.06
    assert r1._replace(active=R1_ACTIVE).total / distilled.total < 5


def test_the_pareto_front_is_what_nothing_beats():
    rng = np.random.default_rng(0)
    points = pd.DataFrame({"flops_total": rng.integers(1, 20, 60), "accuracy": rng.integers(0, 10, 60) / 10})
    front = flops.pareto(points)
    assert front.equals(points.loc[front.index])
    pairs = list(points.itertuples(index=False))
    wanted = {
        tuple(p) for p in pairs
        if not any(q[0] <= p[0] and q[1] >= p[1] and tuple(q) != tuple(p) for q in pairs)
    }  # fmt: skip
    assert set(front.itertuples(index=False, name=None)) == wanted
    assert front["flops_total"].is_monotonic_increasing and len(front) == len(wanted)


def test_efficiency_gain_by_the_authors_rule():
    budgets = [4, 16, 64, 256]
    majority = [0.30, 0.36, 0.39, 0.38]
    between = flops.efficiency_gain(budgets, majority, budgets, [0.33, 0.45, 0.5, 0.6])
    assert (between.kind, between.peak, between.reached) == ("equal", 64, 4 + 12 * 0.5)
    assert between.value == pytest.approx(64 / 10)
    assert flops.efficiency_gain(budgets, majority, budgets, [0.40, 0.5, 0.5, 0.6])[:2] == (16.0, "at least")
    never = flops.efficiency_gain(budgets, majority, budgets, [0.1, 0.2, 0.3, 0.38])
    assert never[:2] == (0.0, "never reached") and never.reached == float("inf")
    # the paper's grid: no gain above 64 can come from it
    assert flops.efficiency_gain(budgets, [0.1, 0.2, 0.3, 0.4], budgets, [0.9] * 4).value == 64


def test_the_gains_interval_holds_it_and_tells_bounds_apart():
    rng = np.random.default_rng(1)
    shares = rng.beta(1, 1, 200)[:, None]
    majority = (rng.random((200, 3)) < shares + [0, 0.05, 0.08]).astype(float)
    tts = (rng.random((200, 3)) < shares + [0.03, 0.12, 0.2]).astype(float)
    result = flops.efficiency_interval([4, 16, 64], majority, [4, 16, 64], tts, resamples=300)
    assert result.low <= result.gain.value <= result.high
    assert 0 < result.at_least < 1
    assert result == flops.efficiency_interval([4, 16, 64], majority, [4, 16, 64], tts, resamples=300)


def test_a_strategy_that_is_the_majority_vote_is_exactly_as_efficient():
    """Its curve is the majority's, but for the order in which the same numbers were added."""
    rng = np.random.default_rng(5)
    budgets = [4, 16, 64, 256]
    for seed in range(5):
        majority = np.sort(rng.integers(0, 129, (60, 4)) / 128 * 0.3, axis=1)
        tts = np.stack([np.broadcast_to(majority[:, k], (20, 60)).mean(axis=0) for k in range(4)], axis=1)
        found = flops.efficiency_interval(budgets, majority, budgets, tts, resamples=300, seed=seed)
        assert (found.gain.kind, found.never_reached, found.at_least) == ("equal", 0.0, 0.0)
        assert (found.low, found.gain.value, found.high) == pytest.approx((1, 1, 1), abs=1e-6)

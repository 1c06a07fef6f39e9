"""Choosing without peeking: no optimism under the null, the rule as published, budgets where they pay."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reports.benchmarks import intervals
from ttstudy.analysis import strategy
from ttstudy.data import tables
from ttstudy.methods import voting

LEVELS = np.array(["easy", "medium", "hard"], dtype=object)


@pytest.mark.parametrize("problems", [60, 500])
@pytest.mark.parametrize("effect", [0.0, 0.2])
def test_cross_fitting_has_no_bias_where_the_naive_choice_has_three_points(problems, effect):
    """Simulated studies of 21 strategies that are all worth the same, or not; errors in points."""
    found = intervals.bias(problems, 21, 1500 if problems == 60 else 400, effect)
    assert found.naive > 3
    assert found.error < 0.21  # the simulation is sharp enough to tell half a point from none
    assert abs(found.cross_fitted) < 0.5


def test_a_clearly_better_strategy_is_found_by_every_fold():
    rng = np.random.default_rng(1)
    values = rng.random((60, 4)) * 0.3
    levels = LEVELS[np.arange(60) % 3]
    values[levels == "hard", 2] += 0.5
    values[levels != "hard", 1] += 0.5
    fitted, chosen, error = strategy.cross_fit(values, levels)
    assert error == 0
    assert chosen[levels == "hard"][:, 2] == pytest.approx(1)
    assert chosen[levels != "hard"][:, 1] == pytest.approx(1)
    assert fitted == pytest.approx(np.where(levels == "hard", values[:, 2], values[:, 1]))


def test_a_problem_is_never_valued_by_a_choice_it_took_part_in():
    """Each problem likes a strategy of its own: whoever peeks scores 1, an honest choice about 0."""
    values = np.eye(12)
    assert strategy.cross_fit(values, np.full(12, "easy", dtype=object), folds=12).values.sum() == 0
    alone = strategy.cross_fit(np.eye(3), LEVELS, folds=3).values  # one problem per level
    assert alone[1:].sum() == 0  # without any other problem to learn from the first, simplest strategy is taken


def outcomes(problems=45, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for policy, skill in (("small", 0.2), ("large", 0.6)):
        for i in range(problems):
            level = LEVELS[i % 3]
            base = skill * (1.3 - 0.4 * (i % 3))
            for budget, more in ((4, 0.05), (16, 0.15)):
                cells = [("none", "majority", "none", "majority", 0.0)]
                for prm, worth in (("good", 0.2), ("bad", -0.1)):
                    for method, lead in (("best_of_n", 0.0), ("beam_search", 0.05), ("dvts", 0.02)):
                        cells += [
                            (prm, method, "min", vote, worth + lead) for vote in ("prm_max", "prm_vote")
                        ]
                for prm, method, score, vote, gain in cells:
                    value = float(np.clip(base + more * (1 + gain) + gain + rng.normal(0, 0.1), 0, 1))
                    rows.append(("toy", policy, prm, method, budget, score, vote, f"p{i:02d}", level, value))
    columns = [
        "benchmark",
        "policy",
        "prm",
        "method",
        "budget",
        "score",
        "vote",
        "problem_id",
        "level",
        "value",
    ]
    return pd.DataFrame(rows, columns=columns)


def test_rows_meet_their_contract_and_the_naive_choice_is_never_below_the_cross_fitted():
    sizes = {"small": 1e9, "large": 72e9, "good": 7e9}
    table = tables.check("strategy", strategy.select(outcomes(), parameters=sizes, resamples=500))
    assert set(table["selection"]) == {"naive", "cross_fitted", "author_rule"}
    assert len(table) == 2 * 2 * 2 * 4 * 3
    keys = ["policy", "prm", "budget", "level"]
    wide = table.pivot(index=keys, columns="selection", values="accuracy")
    assert (wide["naive"] >= wide["cross_fitted"] - 1e-12).all()
    assert (wide["naive"] >= wide["author_rule"] - 1e-12).all()
    rule = table[(table["selection"] == "author_rule") & (table["level"] == "all")]
    assert dict(zip(rule["policy"], rule["method"], strict=False)) == {
        "small": "beam_search",
        "large": "best_of_n",
    }
    # every level's naive choice is its best mean, found here by pandas
    cell = outcomes().query(
        "policy == 'small' and budget == 16 and level == 'hard' and prm in ['good', 'none']"
    )
    best = cell.groupby(["method", "score", "vote"])["value"].mean()
    row = table.query(
        "policy == 'small' and budget == 16 and level == 'hard' and prm == 'good' and selection == 'naive'"
    )
    assert row["accuracy"].item() == pytest.approx(best.max())
    assert (row["method"].item(), row["score"].item(), row["vote"].item()) == best.idxmax()


def test_no_size_no_rule_and_no_method_no_rule():
    assert "author_rule" not in set(strategy.select(outcomes(), resamples=200)["selection"])
    sampled = outcomes().query("method in ['majority', 'best_of_n']")
    table = strategy.select(sampled, parameters={"small": 1e9, "large": 72e9}, resamples=200)
    assert set(table.query("selection == 'author_rule'")["policy"]) == {"large"}


@pytest.mark.parametrize(
    "benchmark, policy, size, level, method",
    [
        ("MATH-500", "Qwen2.5-3B-Instruct", 3e9, "easy", "beam_search"),
        ("MATH-500", "Qwen2.5-7B-Instruct", 7e9, "medium", "dvts"),
        ("MATH-500", "Qwen2.5-32B-Instruct", 32.5e9, "hard", "beam_search"),
        ("MATH-500", "Qwen2.5-72B-Instruct", 72e9, "easy", "best_of_n"),
        ("AIME24", "Qwen2.5-7B-Instruct", 7e9, "hard", "dvts"),
        ("AIME24", "Qwen2.5-14B-Instruct", 14e9, "hard", "best_of_n"),
        ("AIME24", "DeepSeek-R1-Distill-Qwen-7B", 7e9, "hard", "majority"),
    ],
)
def test_the_authors_rule(benchmark, policy, size, level, method):
    assert strategy.author_method(benchmark, policy, size, level) == method


def test_a_ladder_of_other_sizes_is_moved_onto_the_papers_scale():
    moved = strategy.on_paper_scale({"a": 2e4, "b": 2e5, "c": 2e6, "prm": 9e4}, {"a", "b", "c"})
    assert moved == pytest.approx({"a": 0.5e9, "b": 6e9, "c": 72e9})
    assert strategy.on_paper_scale({"x": 7e9}, {"x"}) == {"x": 7e9}


def test_strategy_and_optimism_print_one_number_known_to_three_tenths_of_a_point():
    """They had 20 and 10 repeats, and rules for ties of their own: 41 of 44 cells differed, by up to 2.6 points."""
    chosen = strategy.select(outcomes(), seed=3, resamples=100)
    cell = ["benchmark", "policy", "prm", "budget"]
    fitted = chosen[(chosen["selection"] == "cross_fitted") & (chosen["level"] == "all")].set_index(cell)
    naive = chosen[(chosen["selection"] == "naive") & (chosen["level"] == "all")].set_index(cell)
    told = strategy.optimism(outcomes(), seed=3, resamples=100).set_index(cell)
    assert (fitted["accuracy"] == told["cross_fitted"]).all() and (fitted["error"] == told["error"]).all()
    assert (naive["accuracy"] - told["naive"]).abs().max() < 1e-12 and (naive["error"] == 0).all()
    assert 0 < told["error"].max() <= 0.003


def test_the_error_of_cross_fitting_is_what_other_folds_move_it_by():
    grid, _ = intervals.strategies(50, 21, 0.0, np.random.default_rng(4))
    found = [strategy.cross_fit(grid.values, grid.levels, seed=seed) for seed in range(12)]
    means, errors = [one.values.mean() for one in found], [one.error for one in found]
    assert max(errors) <= 0.003 and 0.4 < 1.96 * np.std(means, ddof=1) / np.mean(errors) < 1.8
    few = [strategy.cross_fit(grid.values, grid.levels, repeats=10, seed=seed).values.mean() for seed in range(12)]
    assert np.std(few) > 2 * np.std(means)


def test_learning_loss_is_told_apart_from_a_false_promise():
    """Where all are alike nothing is lost by choosing, and all optimism is a promise; where one is best, less is."""
    alike, better = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        alike.append(strategy.optimism_of(intervals.strategies(60, 7, 0.0, rng)[0], seed, resamples=2))
        better.append(strategy.optimism_of(intervals.strategies(60, 7, 0.4, rng)[0], seed, resamples=2))
    gap, loss = (
        np.array([[one.optimism, one.learning_loss] for one in found]).mean(axis=0) for found in (alike, better)
    )
    assert gap[0] > 0.05 and abs(gap[1]) < 0.02
    assert loss[1] > 0.015 and loss[1] > gap[1]


def test_a_rule_chooses_among_its_own_methods_alone():
    values = np.tile([0.9, 0.1, 0.2], (12, 1))
    allowed = np.tile([False, True, True], (12, 1))
    found = strategy.cross_fit(values, np.full(12, "easy", dtype=object), allowed=allowed)
    assert found.values == pytest.approx(0.2) and found.chosen[:, 2] == pytest.approx(1)


def test_optimism_is_naive_less_cross_fitted_with_an_interval():
    table = tables.check("optimism", strategy.optimism(outcomes(), resamples=100))
    assert (table["optimism"] - (table["naive"] - table["cross_fitted"])).abs().max() < 1e-9
    assert (
        (table["optimism"] > 0).sum() >= 7
        and (table["optimism"] >= 0).all()
        and (table["low"] <= table["optimism"]).all()
    )
    assert (table["high"] > table["low"]).all() and set(table["thetas"]) == {7}


def test_levels_predicted_without_labels_take_the_place_of_the_true_ones():
    known = outcomes()[["problem_id", "level"]].drop_duplicates()
    table = tables.check("strategy", strategy.predicted(outcomes(), known, resamples=200))
    fitted = strategy.select(outcomes(), resamples=200).query("selection == 'cross_fitted'")
    assert table["accuracy"].to_numpy() == pytest.approx(fitted["accuracy"].to_numpy())
    with pytest.raises(ValueError, match="p00 has no predicted level"):
        strategy.predicted(outcomes(), known.iloc[1:])


def test_a_prm_with_levels_of_its_own_uses_them():
    known = outcomes()[["problem_id", "level"]].drop_duplicates()
    turned = known.assign(level=known["level"].map({"easy": "hard", "medium": "easy", "hard": "medium"}))
    one = known.assign(level="easy", prm="good")
    both = pd.concat([turned.assign(prm="none"), one])
    table = strategy.predicted(outcomes(), both, resamples=100)
    for prm, own in (("good", one), ("bad", turned)):
        alone = strategy.predicted(outcomes(), own[["problem_id", "level"]], resamples=100)
        assert table[table["prm"] == prm].equals(alone[alone["prm"] == prm])


def test_the_gain_of_a_study_is_that_of_its_curves():
    table = tables.check("efficiency", strategy.efficiency(outcomes(), resamples=100))
    assert len(table) == 4 and (table["low"] <= table["value"]).all() and (table["value"] <= table["high"]).all()
    good = table[(table["policy"] == "small") & (table["prm"] == "good")].iloc[0]
    assert (good["kind"], good["value"], good["peak"]) == ("at least", 4.0, 16.0)  # better at 4 than the vote at 16
    assert len(strategy.efficiency(outcomes().query("budget == 4"))) == 0


def test_budget_moves_to_the_problems_where_it_pays():
    """Samples help medium problems only, so they get them, at the same mean budget."""
    gain = {"easy": (0.9, 0.9, 0.9), "medium": (0.2, 0.5, 0.9), "hard": (0.0, 0.0, 0.0)}
    rows = [
        ("toy", "tiny", "none", "majority", "none", "majority", budget, f"p{i:02d}", gain[LEVELS[i % 3]][k])
        for i in range(60)
        for k, budget in enumerate((4, 16, 64))
    ]
    columns = ["benchmark", "policy", "prm", "method", "score", "vote", "budget", "problem_id", "value"]
    levels = pd.DataFrame(
        {"problem_id": [f"p{i:02d}" for i in range(60)], "level": LEVELS[np.arange(60) % 3]}
    )
    table = strategy.allocate(pd.DataFrame(rows, columns=columns), levels, resamples=300).set_index("budget")
    assert table.loc[16, "spent"] == pytest.approx(
        (4 + 4 + 16) / 3
    )  # 64 for the medium would cost 24 on average
    assert table.loc[4, "difference"] == pytest.approx(0)
    wider = table.loc[16]
    assert wider["accuracy"] == pytest.approx(wider["fixed"]) and wider["spent"] < 16


def test_stopping_when_decided_gives_the_same_answers_for_fewer_samples():
    rng = np.random.default_rng(0)
    correct = rng.random((30, 40)) < rng.beta(0.8, 0.8, 30)[:, None]
    classes = np.where(correct, 0, 1 + rng.integers(0, 6, correct.shape))
    classes[rng.random(correct.shape) < 0.1] = -1
    pool = voting.Pool([f"p{i}" for i in range(30)], correct & (classes >= 0), classes)
    full = voting.values(pool, [40], "none")["value"].to_numpy()
    early = strategy.early_stopping(pool, [40])
    assert early["value"].to_numpy() == pytest.approx(full)
    assert early["used"].mean() < 34 and early["used"].max() <= 40
    bold = strategy.early_stopping(pool, [40], confidence=0.95)
    assert bold["used"].mean() < 0.7 * early["used"].mean()
    assert abs(bold["value"].mean() - full.mean()) < 0.05
    with pytest.raises(ValueError, match="budget 64 needs 64 responses"):
        strategy.early_stopping(pool, [64])


def test_stopping_is_compared_with_a_fixed_budget_that_draws_as_many():
    """Half of the problems are unanimous after a few draws, half are split: early stopping wins at equal compute."""
    rng = np.random.default_rng(3)
    share = np.where(np.arange(60) % 2, 0.98, 0.6)
    correct = rng.random((60, 64)) < share[:, None]
    pool = voting.Pool([f"p{i:02d}" for i in range(60)], correct, np.where(correct, 0, 1))
    table = strategy.stopping(pool, [16, 64], seed=1)
    for name in ("benchmark", "policy"):
        table[name] = "toy"
    table = tables.check("adaptive", table).set_index(["scheme", "budget"])
    assert (table["spent"] < [16, 64, 16, 64]).all() and table.loc[("likely", 64), "spent"] < 30
    assert (table["difference"] - (table["accuracy"] - table["fixed"])).abs().max() < 1e-9
    assert table.loc[("likely", 16), "low"] > 0
    for n in (16, 64):  # the fixed side lies between the exact votes at the whole N around what was spent
        used = table.loc[("decided", n), "spent"]
        ends = [voting.values(pool, [m], "none")["value"].mean() for m in (int(used), int(used) + 1)]
        assert min(ends) - 1e-9 <= table.loc[("decided", n), "fixed"] <= max(ends) + 1e-9


def test_a_size_that_is_not_known_follows_no_rule():
    known = strategy.on_paper_scale({"small": 1e9, "large": float("nan")}, {"small", "large"})
    assert known == {"small": 1e9}
    table = strategy.select(outcomes(), parameters={"large": float("nan")}, resamples=200)
    assert "author_rule" not in set(table["selection"])


def test_what_the_rule_forbids_adds_nothing_to_its_spread():
    """One problem alone in its level leaves its choice no other problem: the first theta that is allowed is taken."""
    rng = np.random.default_rng(0)
    values, levels = rng.random((40, 6)), np.array(["easy"] * 39 + ["hard"], dtype=object)
    kept = np.array([2, 3])
    allowed = np.isin(np.arange(6), kept) & np.ones((40, 1), dtype=bool)
    fitted = strategy.cross_fit(values[:, kept], levels).values
    alone = strategy.choice_variance(values[:, kept], levels, fitted, seed=1)
    assert strategy.choice_variance(values, levels, fitted, seed=1, allowed=allowed) == pytest.approx(alone)
    cell = {"benchmark": "toy", "policy": "p", "prm": "good", "budget": 4}
    methods = ["majority", "best_of_n", "beam_search", "beam_search", "dvts", "dvts"]
    thetas = [(method, "min", str(k)) for k, method in enumerate(methods)]
    grid = strategy.Grid(cell, [f"p{i}" for i in range(40)], levels, thetas, values)
    ruled = strategy.author_rule(grid, 1e9, seed=1).values
    assert strategy.author_variance(grid, 1e9, ruled, seed=1) == pytest.approx(
        strategy.choice_variance(values[:, kept], levels, ruled, seed=1)
    )


def test_a_benchmark_of_one_problem_has_no_other_to_learn_from():
    shares = strategy.spread(np.array([[0.2, 0.9]]), LEVELS[:1], np.array([4.0, 16.0]), 4.0, folds=5, repeats=2, seed=0)
    assert shares.tolist() == [[1.0, 0.0]]
    one = outcomes(problems=1)
    table = tables.check("strategy", strategy.select(one, parameters={"small": 1e9}, resamples=100))
    assert (table["problems"] == 1).all()


def test_the_rule_that_is_the_choice_differs_from_it_by_nothing():
    """Only beam search was run, which is the rule's method: both choices are one, and so is what they add."""
    rng = np.random.default_rng(1)
    cell = {"benchmark": "toy", "policy": "p", "prm": "good", "budget": 4}
    thetas = [("beam_search", "min", vote) for vote in ("prm_vote", "prm_max")]
    grid = strategy.Grid(cell, [f"p{i}" for i in range(60)], LEVELS[np.arange(60) % 3], thetas, rng.random((60, 2)))
    gap, extra = strategy.author_gap(grid, 1e9, seed=1)
    assert extra == 0 and abs(gap.mean()) < 0.03  # but for the folds, which each level draws anew

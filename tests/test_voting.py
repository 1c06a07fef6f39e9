"""Votes: closed forms and permutation prefixes against enumeration, recorded scores end to end."""

from __future__ import annotations

import os
from collections import Counter
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttstudy.kinds import estimators
from ttstudy.kinds.votes import VOTES
from ttstudy.methods import voting

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("TTSTUDY_SHARED", ROOT.parent / "shared"))
RECORDED = SHARED / "data" / "recorded" / "gsm8k-200.parquet"


@st.composite
def problems(draw):
    """(correct, class, score) of up to 7 responses, with blanks, several right classes, and many ties."""
    size = draw(st.integers(1, 7))
    classes = np.array(draw(st.lists(st.integers(-1, 3), min_size=size, max_size=size)))
    right_classes = draw(st.sets(st.integers(0, 3), max_size=2))
    scores = np.array(
        draw(st.lists(st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0]), min_size=size, max_size=size))
    )
    correct = np.isin(classes, list(right_classes)) & (classes >= 0)
    return correct, classes, scores


def vote(correct, classes, weights, chosen):
    """Expected correctness of a weighted vote among the chosen responses, ties uniform."""
    sums = {}
    for i in chosen:
        if classes[i] >= 0:
            sums[classes[i]] = sums.get(classes[i], 0.0) + weights[i]
    if not sums:
        return 0.0
    best = max(sums.values())
    winners = [c for c, total in sums.items() if total == best]
    return np.mean([correct[classes == c][0] for c in winners])


def best(correct, classes, scores, chosen):
    """Expected correctness of the best-scored chosen response that has an answer, ties uniform."""
    rows = [i for i in chosen if classes[i] >= 0]
    if not rows:
        return 0.0
    top = max(scores[i] for i in rows)
    return np.mean([correct[i] for i in rows if scores[i] == top])


def value(table, vote_name, score="none"):
    return table[(table["vote"] == vote_name) & (table["score"] == score)]["value"].item()


@settings(max_examples=100, deadline=None)
@given(problems(), st.data())
def test_every_rule_equals_enumeration_of_all_subsets(problem, data):
    correct, classes, scores = problem
    n = data.draw(st.integers(1, len(correct)))
    pool = voting.Pool(["p"], correct[None], classes[None], {"last": scores[None]})
    subsets = list(combinations(range(len(correct)), n))
    ones = np.ones(len(correct))
    expected = {
        ("coverage", "none", "none"): np.mean([correct[list(s)].any() for s in subsets]),
        ("none", "none", "majority"): np.mean([vote(correct, classes, ones, s) for s in subsets]),
        ("prm", "last", "prm_max"): np.mean([best(correct, classes, scores, s) for s in subsets]),
        ("prm", "last", "prm_vote"): np.mean([vote(correct, classes, scores, s) for s in subsets]),
    }
    for (method, score, rule), wanted in expected.items():
        assert value(voting.values(pool, [n], method), rule, score) == pytest.approx(wanted, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(problems(), st.data())
def test_tree_subsets_equal_enumeration(problem, data):
    correct, classes, scores = problem
    size = len(correct)
    tree = np.array(data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)))
    taken = data.draw(st.integers(1, 4))
    pool = voting.Pool(["p"], correct[None], classes[None], {"min": scores[None]}, tree=tree[None])
    table = voting.values_of_trees(pool, [4 * taken], beam_width=4, trees=4)
    groups = [[i for i in range(size) if tree[i] in chosen] for chosen in combinations(range(4), taken)]
    ones = np.ones(size)

    def tree_best(chosen):
        """Best answer of each tree, then the best of trees; ties uniform at both."""
        tops = []
        for t in sorted({tree[i] for i in chosen}):
            rows = [i for i in chosen if tree[i] == t and classes[i] >= 0]
            if rows:
                tops.append((max(scores[i] for i in rows), best(correct, classes, scores, rows)))
        top = max((score for score, _ in tops), default=None)
        return np.mean([worth for score, worth in tops if score == top]) if tops else 0.0

    assert value(table, "majority") == pytest.approx(
        np.mean([vote(correct, classes, ones, g) for g in groups])
    )
    assert value(table, "prm_vote", "min") == pytest.approx(
        np.mean([vote(correct, classes, scores, g) for g in groups])
    )
    assert value(table, "prm_max", "min") == pytest.approx(np.mean([tree_best(g) for g in groups]))


@settings(max_examples=50, deadline=None)
@given(problems())
def test_all_answers_of_a_search_are_used(problem):
    correct, classes, scores = problem
    pool = voting.Pool(["p"], correct[None], classes[None], {"avg": scores[None]})
    table = voting.values_of_answers(pool, budget=16)
    everything = range(len(correct))
    assert set(table["budget"]) == {16}
    assert value(table, "majority") == pytest.approx(
        vote(correct, classes, np.ones(len(correct)), everything)
    )
    assert value(table, "prm_vote", "avg") == pytest.approx(vote(correct, classes, scores, everything))
    assert value(table, "prm_max", "avg") == pytest.approx(best(correct, classes, scores, everything))


def random_pool(problems=40, size=64, seed=0):
    rng = np.random.default_rng(seed)
    share = rng.beta(0.6, 0.8, problems)[:, None]
    correct = rng.random((problems, size)) < share
    classes = np.where(correct, 0, 1 + rng.geometric(0.15, (problems, size)))
    blank = rng.random((problems, size)) < 0.1
    classes[blank] = -1
    correct &= ~blank
    scores = np.round(np.clip(0.5 + 0.3 * (correct - 0.5) + rng.normal(0, 0.3, correct.shape), 0, 1), 2)
    return voting.Pool([f"p{i}" for i in range(problems)], correct, classes, {"min": scores})


def test_permutation_prefixes_estimate_the_exact_values():
    pool = random_pool()
    exact = voting.values(pool, [4, 16], "none").set_index(["budget", "problem_id"])["value"]
    subsets = estimators.Subsets(64, [4, 16], 2000, seed=3)
    responses = estimators.Responses(pool.correct, pool.answer_class, None, None, 64)
    drawn = estimators.estimated(responses, VOTES["majority"].weights, subsets)
    for k, n in enumerate((4, 16)):
        error = drawn[:, k] - exact[n].loc[pool.problem_ids].to_numpy()
        assert np.abs(error).max() < 4 * 0.5 / 2000**0.5
        assert np.abs(error).max() > 0  # these are estimates, so the test compares two different computations


def test_subsets_are_drawn_until_the_accuracy_is_known_to_a_tenth_of_a_point():
    """With 128 permutations it was off by up to 0.84 points, and nobody said so."""
    pool = random_pool()
    weights = VOTES["prm_vote"].weights
    responses = estimators.Responses(pool.correct, pool.answer_class, pool.scores["min"], None, 64)
    exact = estimators.estimated(responses, weights, estimators.Subsets(64, [4, 16], 60_000, seed=1)).mean(axis=0)
    found = [estimators.settled(responses, weights, [4, 16], 128, seed).mean(axis=0) for seed in range(12)]
    few = [estimators.settled(responses, weights, [4, 16], 128, seed, error=1.0).mean(axis=0) for seed in range(12)]
    assert np.abs(np.array(found) - exact).max() < 4 * 0.001
    assert (np.std(few, axis=0) > 2 * np.std(found, axis=0)).all()


def test_all_subsets_are_taken_where_so_many_would_be_drawn():
    pool = random_pool()
    some = estimators.Responses(pool.correct[:, :12], pool.answer_class[:, :12], pool.scores["min"][:, :12], None, 12)
    every = estimators.estimated(some, VOTES["prm_vote"].weights, estimators.Subsets(12, [4], 495, seed=0))
    found = estimators.settled(some, VOTES["prm_vote"].weights, [4], 8, seed=0)
    open_ = (found > 0) & (found < 1)
    assert found[open_] == pytest.approx(every[open_])


def test_permutations_are_shared_by_scores_and_fixed_by_the_seed():
    pool = random_pool()
    twice = voting.Pool(pool.problem_ids, pool.correct, pool.answer_class, {"min": pool.scores["min"]} | {
        "last": pool.scores["min"]
    })  # fmt: skip
    table = voting.values(twice, [16], "prm", seed=5)
    votes = table[table["vote"] == "prm_vote"]
    assert (
        votes[votes["score"] == "min"]["value"].array == votes[votes["score"] == "last"]["value"].array
    ).all()
    assert table.equals(voting.values(twice, [16], "prm", seed=5))
    assert not table.equals(voting.values(twice, [16], "prm", seed=6))


def test_majority_of_a_large_pool_stays_exact():
    """Two classes of 300 of 512 and 212: the hypergeometric tail, ties halved."""
    from scipy.stats import hypergeom

    classes = np.repeat([0, 1], [300, 212])[None]
    pool = voting.Pool(["p"], classes == 0, classes)
    law = hypergeom(512, 300, 64)
    wanted = law.sf(32) + 0.5 * law.pmf(32)
    assert value(voting.values(pool, [64], "none"), "majority") == pytest.approx(wanted, abs=1e-12)


def test_one_draw_is_pass_at_1_under_every_rule():
    pool = random_pool()
    mean = pool.correct.mean(axis=1)
    for method in ("coverage", "none", "prm"):
        for _, rows in voting.values(pool, [1], method).groupby(["score", "vote"]):
            assert rows["value"].to_numpy() == pytest.approx(mean)


def test_more_than_the_pool_is_refused_in_one_sentence():
    pool = random_pool(size=8)
    with pytest.raises(ValueError, match="budget 16 needs 16 responses of every problem, but one has only 8"):
        voting.values(pool, [4, 16], "coverage")
    with pytest.raises(ValueError, match="no trees"):
        voting.values_of_trees(pool, [4], beam_width=4)
    with pytest.raises(ValueError, match="not a multiple of the beam width"):
        voting.values_of_trees(
            voting.Pool(["p"], np.ones((1, 2), bool), np.zeros((1, 2), int), tree=np.array([[0, 1]])), [6], 4
        )


def test_step_scores_are_aggregated_and_a_response_without_steps_is_below_all():
    assert [voting.aggregate([0.2, 0.9, 0.4], how) for how in ("min", "last", "avg")] == [0.2, 0.4, 0.5]
    assert [voting.aggregate([], how) for how in ("min", "last", "avg")] == [-1.0] * 3
    lists = [[0.5, 0.1], [], [0.3], [], []]
    assert voting.aggregate_all(lists, "last").tolist() == [0.1, -1.0, 0.3, -1.0, -1.0]
    with pytest.raises(ValueError, match="not a number"):
        voting.aggregate([0.1, float("nan")], "min")


def test_tables_become_a_pool_whatever_their_row_order_and_with_unequal_sizes():
    grades = pd.DataFrame(
        [
            ("b", 0, "2", True),
            ("a", 1, "x", False),
            ("a", 0, None, True),
            ("a", 2, "7", True),
            ("b", 1, "2", True),
        ],
        columns=["problem_id", "sample", "canonical", "correct"],
    )
    scores = grades[["problem_id", "sample"]].assign(step_scores=[[0.5], [0.1, 0.2], [], [0.9], [0.4]])
    pool = voting.Pool.build(grades, scores.sample(frac=1, random_state=0), problem_ids=["a", "b", "c"])
    assert pool.correct.tolist() == [[False, False, True], [True, True, False], [False] * 3]
    assert pool.answer_class.tolist() == [[-1, 1, 0], [0, 0, -1], [-1] * 3]
    assert pool.scores["min"].tolist() == [[-1.0, 0.1, 0.9], [0.5, 0.4, -1.0], [-1.0] * 3]
    assert pool.sizes.tolist() == [3, 2, 0]
    answers = voting.values_of_answers(pool, 4)
    assert answers[answers["vote"] == "majority"]["value"].tolist() == [0.5, 1.0, 0.0]
    some = voting.values(voting.Pool.build(grades), [2], "coverage")
    assert some["value"].tolist() == pytest.approx([2 / 3, 1.0])
    with pytest.raises(ValueError, match="problem a, sample 1: graded, but without a PRM score"):
        voting.Pool.build(grades, scores[scores["step_scores"].map(len) != 2])
    with pytest.raises(ValueError, match="sample 0 twice"):
        voting.Pool.build(pd.concat([grades, grades.iloc[:1]]))


@pytest.mark.skipif(
    not RECORDED.exists(), reason="shared recorded responses (gsm8k-200.parquet) are not here"
)
def test_recorded_scores_of_seven_reward_models_vote_as_computed_by_hand():
    """At N = 32 (all) by direct count; at N = 1, 4 and 16 by the same prefixes, walked one by one."""
    data = pd.read_parquet(RECORDED)
    final = data["response"].str.extract(r".*\\boxed\{([^{}]*)\}", expand=False)
    number = pd.to_numeric(final.str.replace(r"[^0-9.\-]", "", regex=True), errors="coerce")
    grades = data[["problem_id", "sample"]].assign(
        canonical=[None if pd.isna(x) else repr(float(x)) for x in number],
        correct=number == pd.to_numeric(data["answer"].str.replace(",", "")),
    )
    voted = by_key(voting.values(voting.Pool.build(grades), [1, 4, 16, 32], "none"))
    for problem, rows in grades.groupby("problem_id"):
        canonical = [None if pd.isna(text) else text for text in rows["canonical"]]
        for n in (1, 4, 16, 32):
            wanted = majority_by_counting(canonical, rows["correct"].tolist(), n)
            assert voted[n, "none", "majority", problem] == pytest.approx(wanted, abs=1e-9)
    few = sorted(set(grades["problem_id"]))[:30]
    names = [column for column in data.columns if column.startswith("scores.")]
    assert len(names) == 7
    for k, name in enumerate(names):
        # all problems at N = 32 for every reward model, 30 problems where prefixes are walked by hand
        table = grades.assign(step_scores=data[name])
        scored = voting.Pool.build(grades, table)
        ours = by_key(voting.values(scored, [1, 32], "prm"))
        part = table[table["problem_id"].isin(few)]
        small = voting.Pool.build(part, part)
        tops = by_key(voting.values(small, [4, 16], "prm"))
        subsets = estimators.Subsets(32, [4, 16], 40, seed=k)
        drawn = {
            how: estimators.estimated(
                estimators.Responses(small.correct, small.answer_class, scores, None, 32),
                VOTES["prm_vote"].weights,
                subsets,
            )
            for how, scores in small.scores.items()
        }
        order = np.random.default_rng(k).random((40, 32)).argsort(axis=1)
        for problem, rows in table.groupby("problem_id"):
            canonical = [None if pd.isna(text) else text for text in rows["canonical"]]
            correct = rows["correct"].tolist()
            steps = rows["step_scores"].tolist()
            reduced = {
                "min": [min(s, default=-1.0) for s in steps],
                "last": [s[-1] if len(s) else -1.0 for s in steps],
                "avg": [sum(s) / len(s) if len(s) else -1.0 for s in steps],
            }
            for how, scores in reduced.items():
                everything = by_hand(canonical, correct, scores, range(32))
                one = np.mean([by_hand(canonical, correct, scores, [i]) for i in range(32)], axis=0)
                for c, rule in enumerate(("prm_max", "prm_vote")):
                    assert ours[32, how, rule, problem] == pytest.approx(everything[c], abs=1e-9)
                    assert ours[1, how, rule, problem] == pytest.approx(one[c], abs=1e-9)
                if problem in few:
                    for place, n in enumerate((4, 16)):
                        walked = [by_hand(canonical, correct, scores, row[:n])[1] for row in order]
                        found = drawn[how][small.problem_ids.index(problem), place]
                        assert found == pytest.approx(np.mean(walked), abs=1e-9)
                        exact = best_by_counting(canonical, correct, scores, n)
                        assert tops[n, how, "prm_max", problem] == pytest.approx(exact, abs=1e-9)


def majority_by_counting(canonical, correct, n):
    """Expected correctness of the majority of n, over every way in which the classes can share n draws."""
    right = {text: ok for text, ok in zip(canonical, correct, strict=True) if text is not None}
    # ways[(votes of the right answer, most votes of another, how many others have them)] by number drawn so far
    ways = {(0, 0, 0, 0): 1}
    for text, size in [*Counter(text for text in canonical if text is not None).items(), (None, canonical.count(None))]:
        more = Counter()
        for (drawn, own, top, tied), count in ways.items():
            for k in range(min(size, n - drawn) + 1):
                state = (drawn + k, own, top, tied)
                if text is not None and right[text]:
                    state = (drawn + k, k, top, tied)
                elif text is not None and k and k >= top:
                    state = (drawn + k, own, k, tied + 1 if k == top else 1)
                more[state] += count * comb(size, k)
        ways = more
    won = sum(
        count * (1 if own > top else 1 / (tied + 1))
        for (drawn, own, top, tied), count in ways.items()
        if drawn == n and own and own >= top
    )
    return won / comb(len(canonical), n)


def best_by_counting(canonical, correct, scores, n):
    """Expected correctness of PRM-Max of n, from how many subsets have each score at the top."""
    keys = [score if text is not None else -2.0 for text, score in zip(canonical, scores, strict=True)]
    total = 0.0
    for top in set(keys) - {-2.0}:
        upto, below = sum(k <= top for k in keys), sum(k < top for k in keys)
        share = (comb(upto, n) - comb(below, n)) / comb(len(keys), n)
        total += share * np.mean([right for right, k in zip(correct, keys, strict=True) if k == top])
    return total


def by_key(table):
    """Value by (budget, score, vote, problem)."""
    return table.set_index(["budget", "score", "vote", "problem_id"])["value"].to_dict()


def by_hand(canonical, correct, scores, chosen):
    """PRM-Max and PRM-Vote of the chosen responses, with plain dictionaries."""
    rows = [i for i in chosen if canonical[i] is not None]
    if not rows:
        return 0.0, 0.0
    top = max(scores[i] for i in rows)
    tied = [correct[i] for i in rows if scores[i] == top]
    sums, right = {}, {}
    for i in rows:
        sums[canonical[i]] = sums.get(canonical[i], 0.0) + scores[i]
        right[canonical[i]] = correct[i]
    best_sum = max(sums.values())
    winners = [right[c] for c, total in sums.items() if abs(total - best_sum) <= 1e-9 * abs(best_sum)]
    return sum(tied) / len(tied), sum(winners) / len(winners)

"""REBASE and particle filtering: cases by hand from the papers, and against trees grown naively, node for node."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, exp, nan, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests import naive_growth, test_search_oracle
from tests.test_search import (
    PROBLEMS,
    ScriptedPolicy,
    ScriptedPRM,
    answered,
    kept,
    searched,
)
from tests.test_search_models import SEED, folders, opened  # noqa: F401 - folders is a fixture
from tests.test_search_oracle import assert_same
from ttstudy.kinds.methods import METHODS, Room
from ttstudy.methods.options import Options
from ttstudy.methods.run import run

GROWN = ("rebase", "particle_filtering")


# By hand, from the papers.


def rebase(script: dict[str, str], temperature: float = 1.0, **options):
    return searched(script, **{"method": "rebase", "own": {"temperature": temperature}} | options)


def particles(script: dict[str, str], **options):
    return searched(script, **{"method": "particle_filtering"} | options)


SHARED = {
    "A": "a=.9/ b=.5/ c=.5/ d=.1/",
    "Aa=.9/": "e=.3# f=.2#",
    "Ab=.5/": "g=.8/",
    "Ac=.5/": "h=.1#",
    "Ab=.5/g=.8/": "i=.4#",
}


def test_rebase_shares_a_depth_by_a_softmax_rounded_up_from_the_best_on():
    # exp(0), exp(-.4), exp(-.4), exp(-.8) = 1, .67, .67, .449: ceil(4 / 2.79) = 2, ceil(2 .67 / 1.79) = 1, then 1, 0.
    result = rebase(SHARED)
    parents = result.nodes.query("depth == 2")["parent"].tolist()
    assert parents == [0, 0, 1, 2]
    assert kept(result, "A") == ["a=.9", "b=.5", "c=.5", "e=.3", "f=.2", "g=.8", "h=.1", "i=.4"]
    assert answered(result, "A") == ["a=.9/e=.3", "a=.9/f=.2", "c=.5/h=.1", "b=.5/g=.8/i=.4"]  # as they ended


def test_rebase_at_the_papers_temperature_gives_all_to_a_much_better_step():
    # At 0.1: 4 / (1 + 2 exp(-4) + exp(-8)) = 3.86, rounded up.
    result = rebase(SHARED, 0.1)
    assert result.nodes.query("depth == 2")["parent"].tolist() == [0, 0, 0, 0]
    assert rebase(SHARED, 0.1).answers.equals(searched(SHARED, method="rebase").answers)  # it is the default


def test_every_path_that_ends_takes_one_off_what_rebase_draws_for_good():
    script = {
        "B": "a=.5# b=.5/ c=.4/ d=.3/",
        "Bb=.5/": "e=.9# f=.9/",
        "Bb=.5/f=.9/": "g=.1/",
        "Bb=.5/f=.9/g=.1/": "h=0#",
    }
    result = rebase(script, 0.001)
    assert result.nodes.groupby("depth").size().tolist() == [4, 3, 1, 1]
    assert answered(result, "B") == ["a=.5", "b=.5/e=.9", "b=.5/e=.9", "b=.5/f=.9/g=.1/h=0"]


def test_a_cut_path_takes_one_off_too_and_is_no_answer_beside_a_finished_one():
    script = {"C": "long=.95/ b=.2/ c=.1/ d=.1/", "Cb=.2/": "e=.3/ long=.96/ / e=.1/", "Cb=.2/e=.3/": "f=.2#"}
    result = rebase(script, 0.001)
    assert result.nodes.groupby("depth").size().tolist() == [4, 3, 1]  # a blank step ends a path as well
    assert result.nodes["finish"].tolist()[4:] == ["open", "length", "stop", "eos"]
    assert answered(result, "C") == ["b=.2/e=.3/f=.2"]
    assert kept(result, "C") == ["long=.95", "b=.2", "e=.3", "long=.96", "", "f=.2"]


def test_of_equal_scores_rebase_serves_the_step_drawn_first():
    script = {"D": "a=.5# b=.2/ c=.2/ d=.1/", "Db=.2/": "e=.1#", "Dc=.2/": "f=.1#"}
    # 3 to give at T = 0.02: ceil(3 / (2 + exp(-5))) = 2, ceil(1 / (1 + exp(-5))) = 1.
    assert rebase(script, 0.02).nodes.query("depth == 2")["parent"].tolist() == [1, 1, 2]


def test_where_all_scores_are_equal_rebase_continues_every_path_once():
    script = {"E": "a=.3/ b=.3/ c=.3/ d=.3/ e=.3/ f=.3/ g=.3/", "Eg=.3/": "h=.3#"} | {
        f"E{name}=.3/": "h=.3/" for name in "abcdef"
    }
    script |= {f"E{name}=.3/h=.3/": "i=.3#" for name in "abcdef"}
    for temperature in (1e-9, 0.1, 1000.0):
        result = rebase(script, temperature, budget=7)
        assert result.nodes.groupby("depth").size().tolist() == [7, 7, 6]
        assert result.nodes.query("depth == 2")["parent"].tolist() == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("method", GROWN)
def test_one_path_is_one_response_whatever_the_scores(method):
    problems = PROBLEMS
    options = Options(method=method, budget=1, max_step_tokens=8, max_depth=6)
    results = [run(problems, ScriptedPolicy(policy_of(3)), ScriptedPRM(judge), options) for judge in (half, zero, one)]
    assert results[0].nodes["kept"].all() and results[0].counters.discarded_tokens == 0
    assert results[0].answers.groupby("problem_id").size().tolist() == [1] * len(problems)
    for other in results[1:]:
        assert other.answers["response"].tolist() == results[0].answers["response"].tolist()


def half(problem: str, steps) -> float:
    return 0.5


def zero(problem: str, steps) -> float:
    return 0.0


def one(problem: str, steps) -> float:
    return 1.0


def policy_of(salt: int):
    """Steps of a letter or two, some of them the last, blank or too long: a function of (text, seed)."""

    def tell(text: str, request) -> str:
        dice = random.Random(f"{salt}|{text}|{request.seed}")
        word = "".join(dice.choices("abc", k=dice.choice([0, 1, 1, 1, 2, 2, 9])))
        return word if dice.random() < 0.2 else word + "\n\nmore"

    return tell


FIGURE = {"a": 2.1, "b": -1.2, "c": 1.3, "d": 0.1}
"""Figure 8a of arXiv 2502.01618 v4: four particles and their rewards, which are logits."""


def test_particles_are_drawn_by_the_softmax_of_the_papers_figure():
    problems = [(f"p{i}", f"problem {i}", (ord("Q"),)) for i in range(1000)]
    order: Counter[str] = Counter()

    def tell(text: str, request) -> str:
        order[text] += 1
        return "abcd"[order[text] % 4] + "\n\n" if text == "Q" else "z"

    prm = ScriptedPRM(lambda problem, steps: 1 / (1 + exp(-FIGURE[steps[0]])))
    options = Options(method="particle_filtering", budget=4, max_step_tokens=8)
    nodes = run(problems, ScriptedPolicy(tell), prm, options).nodes
    second = nodes[nodes["depth"] == 2].merge(nodes, left_on=["problem_id", "parent"], right_on=["problem_id", "node"])
    drawn = second["text_y"].value_counts()
    total = sum(exp(reward) for reward in FIGURE.values())
    assert drawn.sum() == 4000
    for name, reward in FIGURE.items():  # .617, .023, .277, .083
        chance = exp(reward) / total
        assert abs(drawn[name] / 4000 - chance) < 4 * sqrt(chance * (1 - chance) / 4000), name
    assert (nodes.groupby("problem_id").size() == 8).all()


def test_particles_that_ended_are_drawn_again_and_again_and_no_one_is_once_all_have_ended():
    # The ended one has odds of 10^15 against theirs, so it takes all that were still open.
    result = particles({"F": "a=1# b=.5/ c=.5/ d=.5/"})
    assert answered(result, "F") == ["a=1"] * 4
    assert result.answers["node"].tolist() == [0, 0, 0, 0] and result.answers["sample"].tolist() == [0, 1, 2, 3]
    assert result.counters.discarded_tokens == 3 * len("b=.5/ ")
    near = {"F": "a=1# b=.9999999/ c=.9999999/ d=.9999999/"}  # 10^7: a score of 1 counts as 1 - 2^-52, not less
    assert answered(particles(near, max_step_tokens=20), "F") == ["a=1"] * 4
    # All of them ended: the best does not take their places.
    assert answered(particles({"F": "a=1# b=.5# c=0# d=.5#"}), "F") == ["a=1", "b=.5", "c=0", "d=.5"]


def test_one_particle_can_take_all_and_then_has_as_many_children():
    script = {"G": "a=0/ b=1/ c=0/ d=0/", "Gb=1/": "e=0# f=0# g=0# h=1/", "Gb=1/h=1/": "i=.1#"}
    result = particles(script)
    assert result.nodes["parent"].tolist() == [-1] * 4 + [1] * 4 + [7] * 4
    assert answered(result, "G") == ["b=1/h=1/i=.1"] * 4
    assert result.answers["node"].tolist() == [8, 9, 10, 11]


def test_temperature_makes_the_choice_of_particles_sharp_or_blind():
    script = {"H": "a=.6/ b=.5/ c=.5/ d=.5/"} | {f"H{step}/": "z=.5#" for step in ("a=.6", "b=.5", "c=.5", "d=.5")}
    names = [f"H{i}" for i in range(200)]
    many = {name + place[1:]: told for name in names for place, told in script.items()}
    for temperature, low, high in ((0.001, 1, 1), (1.0, 0.28, 0.39), (1000.0, 0.2, 0.3)):  # 1.5 / 4.5, 1 / 4
        result = particles(many, own={"temperature": temperature})
        share = result.answers["response"].str.startswith("a").mean()
        assert low <= share <= high, temperature


def test_where_every_path_is_cut_at_once_all_are_answers():
    for search in (rebase, particles):
        result = search({"I": "long=.1/ long=.3/ long=.2/ long=.3/"})
        assert result.answers["step_scores"].tolist() == [[0.1], [0.3], [0.2], [0.3]]
        assert result.answers["finish"].tolist() == ["length"] * 4 and result.nodes["kept"].all()
        result = search({"I": "/ / / /"})
        assert result.answers["steps"].tolist() == [[]] * 4 and result.answers["finish"].tolist() == ["stop"] * 4
        result = search({"I": "a=.5/ b=.5/ c=.5/ d=.5/"}, max_depth=1)
        assert result.answers["finish"].tolist() == ["depth"] * 4
        assert answered(search({"I": "a=.5/ b=.6# c=.5/ d=.5/"}, max_depth=1), "I") == ["b=.6"]


@pytest.mark.parametrize("method", GROWN)
@pytest.mark.parametrize("score", [nan, -0.1, 1.1])
def test_a_score_that_is_none_is_refused_by_name(method, score):
    with pytest.raises(ValueError, match="scripted"):
        run(PROBLEMS, ScriptedPolicy(policy_of(0)), ScriptedPRM(lambda *_: score), Options(method=method, budget=4))


@pytest.mark.parametrize("option", [{"semantics": "reference"}, {"answers": "candidates"}, {"refill": False}])
@pytest.mark.parametrize("method", GROWN)
def test_options_of_beams_are_refused_where_there_are_none(method, option):
    with pytest.raises(ValueError, match=f"{method} keeps no beams"):
        Options(method=method, budget=4, **option)


# The rule by itself, against exact fractions.


@dataclass(eq=False)
class Path:
    value: float
    number: int
    open: bool = True
    rank: int = 0


def chosen(method: str, ended: list[Path], drawn: list[Path], width: int, temperature: float) -> list[Path]:
    room = Room(width, width, True, {"temperature": temperature}, lambda: random.Random(7))
    return METHODS[method].growth.select(ended, drawn, room)


SCORES = some.one_of(some.sampled_from([0.0, 0.25, 0.5, 1.0]), some.floats(0, 1))


@given(
    some.lists(SCORES, min_size=1, max_size=20), some.integers(0, 30), some.sampled_from([1e-6, 0.05, 0.1, 1.0, 100.0])
)
def test_rebase_gives_out_all_that_is_left_and_more_to_higher_scores(scores, more, temperature):
    drawn = [Path(score, number) for number, score in enumerate(scores)]
    ended = [Path(0.5, -1 - number, open=False) for number in range(2)]
    left = len(drawn) + more
    stay = chosen("rebase", ended, drawn, left + 2, temperature)
    assert stay[:2] == ended and len(stay) == left + 2
    shares = [stay.count(path) for path in drawn]
    for one_path, share in zip(drawn, shares, strict=True):
        for other, less in zip(drawn, shares, strict=True):
            assert share >= less or one_path.value < other.value or one_path.number > other.number
    ranked = sorted(drawn, key=lambda path: (-path.value, path.number))
    weights = [Fraction(exp((path.value - ranked[0].value) / temperature)) for path in ranked]
    for place, path in enumerate(ranked):
        if left:
            exact = left * weights[place] / sum(weights[place:])
            assert stay.count(path) in {ceil(exact), ceil(exact - Fraction(1, 10**5))}
            left -= stay.count(path)


def test_scores_equal_but_for_rounding_share_as_equal_ones():
    drawn = [Path(score, number) for number, score in enumerate([0.1 + 0.2, 0.3, 0.3])]
    assert drawn[0].value > drawn[1].value
    assert chosen("rebase", [], drawn, 3, 0.1) == drawn


@given(some.lists(SCORES, min_size=1, max_size=12), some.sampled_from([5e-324, 1e-3, 1.0, 1000.0]))
def test_resampling_draws_n_and_never_one_whose_odds_are_nothing(scores, temperature):
    drawn = [Path(score, number) for number, score in enumerate(scores)]
    stay = chosen("particle_filtering", [], drawn, len(drawn), temperature)
    assert len(stay) == len(drawn) and set(map(id, stay)) <= set(map(id, drawn))
    if temperature < 1e-300:
        assert {path.value for path in stay} <= {s for s in scores if s >= max(scores) - 1e-15}


# Against the naive trees.

TEMPERATURES = {"rebase": (1e-4, 0.1, 0.2, 1.0, 100.0), "particle_filtering": (0.01, 0.5, 1.0, 1.0, 100.0)}


def world(seed: int, method: str):
    """A random world of the search's oracle, for a method without beams."""
    options, problems, policy, prm = test_search_oracle.world(seed)
    dice = random.Random(f"{seed} {method}")
    heat = dice.choice(TEMPERATURES[method])
    own = {"temperature": heat}
    budget = dice.choice([1, 2, 3, 5, 8, 16])
    options = replace(options, method=method, budget=budget, semantics="default", answers="beams", refill=True, own=own)
    return options, problems, policy, prm, heat


@pytest.mark.parametrize("method", GROWN)
@pytest.mark.parametrize("seeds", [range(first, first + 25) for first in range(0, 100, 25)], ids=str)
def test_batched_and_naive_growth_draw_the_same_trees(method, seeds):
    for seed in seeds:
        options, problems, policy, prm, heat = world(seed, method)
        result = run(problems, policy(), prm(), options, seed=("oracle", seed))
        judge = prm()

        def trees(problem, engine, options=options, judge=judge, seed=seed, heat=heat):
            return [naive_growth.grown(problem, engine, judge, options, ("oracle", seed), heat)]

        assert_same(result, problems, trees, policy(), f"{seed}: {options}")
        assert judge.tokens == result.counters.prm_tokens


@pytest.mark.parametrize("method", GROWN)
def test_a_path_of_150_steps_among_others_that_end(method):
    def tell(text: str, request) -> str:
        return random.Random(request.seed).choice("abcd") + ("" if request.seed % 200 == 0 else "\n\n")

    options = Options(method=method, budget=3, max_step_tokens=4, max_depth=150)
    problems = [("deep", "", (ord("Q"),))]
    result = run(problems, ScriptedPolicy(tell, 10**4), ScriptedPRM(half), options)

    def trees(problem, engine):
        return [naive_growth.grown(problem, engine, ScriptedPRM(half), options, (), 1.0)]

    assert_same(result, problems, trees, ScriptedPolicy(tell, 10**4), method)
    assert result.nodes["depth"].max() == 150 and {"eos", "depth"} <= set(result.nodes["finish"])


@pytest.mark.parametrize("method", GROWN)
def test_growth_by_real_models_is_the_naive_one_node_for_node(folders, method):  # noqa: F811
    options = Options(method=method, budget=6, max_step_tokens=12, max_depth=3, temperature=1.0)
    engine, prm, problems = opened(folders)
    result = run(problems, engine, prm, options, seed=SEED)
    one_by_one, judge, _ = opened(folders)

    def trees(problem, engine):
        heat = {"rebase": 0.1, "particle_filtering": 1.0}[method]
        return [naive_growth.grown(problem, engine, judge, options, SEED, heat)]

    assert_same(result, problems, trees, one_by_one, method)
    assert {"open", "eos", "length", "depth"} <= set(result.nodes["finish"])

"""Trees at their own pace: whoever ends when, a search finds the same; who waits for whom, and who does not."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from threading import Event

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_engines_transformers_engine import SHAPES, make_checkpoint, mixed_requests
from tests.test_search import BEAM, DVTS, PROBLEMS, REFERENCE, VARIANTS, ScriptedPolicy, ScriptedPRM, drawn, hashed
from tests.test_search_oracle import world
from ttstudy.methods.pace import Watch
from ttstudy.methods.run import run, search
from ttstudy.policies.opening import open_engine
from ttstudy.policies.protocol import Request, Sampling
from ttstudy.prms.turns import Scored


class Whimsical(ScriptedPolicy):
    """A policy whose completions end in an order that dice decide."""

    def __init__(self, tell, context: int, dice: random.Random, places: int = 512) -> None:
        super().__init__(tell, context)
        self.dice, self.places, self.ahead, self.slack = dice, places, 2 * places, dice.random()
        self.flying: list = []
        self.most = 0

    def stream(self) -> Whimsical:
        return self

    def submit(self, jobs, lane: int = 0) -> None:
        self.flying += jobs
        self.most = max(self.most, len(self.flying))

    def poll(self) -> list:
        self.dice.shuffle(self.flying)
        ended = self.flying[: self.dice.randint(0, 3)]
        del self.flying[: len(ended)]
        return list(zip([number for number, _ in ended], self.generate([r for _, r in ended]), strict=True))


class Dawdling(ScriptedPRM):
    """A PRM whose calls end when dice say so; `apart`: the policy may draw meanwhile."""

    def __init__(self, judge, dice: random.Random, apart: bool) -> None:
        super().__init__(judge)
        self.dice, self.apart, self.busy = dice, apart, 0.0

    def scoring(self) -> Dawdling:
        return self

    def start(self, items) -> None:
        self.items = items

    def done(self) -> bool:
        return not self.apart or self.dice.random() < 0.3

    def result(self) -> Scored:
        before = self.tokens
        scores = self.score_last_batch(self.items)
        rest = [0] * (len(scores) - 1)
        return Scored(scores, [self.tokens - before, *rest], [0, *rest])


def assert_equal(one, other) -> None:
    """That two searches found the same, bit by bit, at the same cost."""
    pd.testing.assert_frame_equal(one.nodes, other.nodes, check_exact=True)
    pd.testing.assert_frame_equal(one.answers, other.answers, check_exact=True)
    assert one.counters == other.counters


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000), st.sampled_from([1, 4, 512]), st.booleans())
def test_no_order_of_endings_changes_a_node_an_answer_or_a_cost(case, order, places, apart):
    options, problems, policy, prm = world(case)
    straight = run(problems, policy(), prm(), options, seed=("oracle", case))
    dice = random.Random(order)
    whimsical = Whimsical(policy().tell, policy().context, dice, places)
    other = run(problems, whimsical, Dawdling(prm().judge, dice, apart), options, seed=("oracle", case))
    assert_equal(straight, other)
    assert whimsical.most <= options.max_live


@pytest.mark.parametrize("options", VARIANTS)
def test_every_method_finds_the_same_whatever_ends_first(options):
    straight = run(PROBLEMS, ScriptedPolicy(drawn), ScriptedPRM(hashed), options, seed=(7, "toy"))
    for order in range(4):
        dice = random.Random(order)
        policy, prm = Whimsical(drawn, 1000, dice), Dawdling(hashed, dice, bool(order % 2))
        assert_equal(straight, run(PROBLEMS, policy, prm, options, seed=(7, "toy")))
        assert prm.calls > 1


@pytest.mark.parametrize("options", [BEAM, DVTS, REFERENCE])
def test_siblings_are_scored_in_one_call(options):
    class Noting(Dawdling):
        def start(self, items) -> None:
            self.parents.update((problem, tuple(steps)) for problem, steps, _ in items)
            super().start(items)

    dice = random.Random(3)
    prm = Noting(hashed, dice, True)
    prm.parents = Counter()
    result = run(PROBLEMS, Whimsical(drawn, 1000, dice), prm, options, seed=(7, "toy"))
    depths = result.nodes.groupby(["problem_id", "tree"])["parent"].nunique().sum()
    assert sum(prm.parents.values()) <= depths


def test_a_tree_whose_step_runs_on_holds_up_no_other():
    class Straggling(Whimsical):
        """The first problem's completions end only once nothing else is in flight."""

        def poll(self) -> list:
            self.flying.sort(key=lambda job: self.decode(job[1].prompt).startswith("0: "))
            ended, self.flying = self.flying[:1], self.flying[1:]
            return list(zip([number for number, _ in ended], self.generate([r for _, r in ended]), strict=True))

    told = search(PROBLEMS, Straggling(drawn, 1000, random.Random(0)), ScriptedPRM(hashed), BEAM, seed=(7, "toy"))
    assert [number for number, _ in told][-1] == 0


def test_problems_enter_as_places_get_free():
    entered: list[int] = []

    def coming():
        for number, problem in enumerate(PROBLEMS):
            entered.append(number)
            yield problem

    options = replace(BEAM, budget=4, max_live=8)  # two problems at a time, and the one that waits at the door
    told = search(coming(), Whimsical(drawn, 1000, random.Random(1)), ScriptedPRM(hashed), options, seed=(7, "toy"))
    assert entered == []
    ended = 0
    for _ in told:
        ended += 1
        assert len(entered) <= ended + 3
    assert ended == len(PROBLEMS) == len(entered)


def test_the_policy_draws_on_while_a_prm_apart_scores():
    scoring, drawn_on = Event(), Event()

    class Apart(ScriptedPRM):
        apart = True

        def score_last_batch(self, items):
            scoring.set()
            assert len(self.seen) or drawn_on.wait(30), "the policy stood still"
            return super().score_last_batch(items)

    class Drawing(Whimsical):
        def poll(self) -> list:
            if scoring.is_set():
                drawn_on.set()
            elif self.calls and self.flying:
                scoring.wait(0.01)
            return super().poll()

    policy, options, watch = Drawing(drawn, 1000, random.Random(2)), replace(BEAM, budget=4), Watch()
    found = run(PROBLEMS, policy, Apart(hashed), options, seed=(7, "toy"), watch=watch)
    assert drawn_on.is_set() and watch.prm_calls > 1
    assert_equal(found, run(PROBLEMS, ScriptedPolicy(drawn), ScriptedPRM(hashed), options, seed=(7, "toy")))


def test_what_a_prm_apart_raises_ends_the_search():
    class Failing(ScriptedPRM):
        apart = True

        def score_last_batch(self, items):
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        run(PROBLEMS, ScriptedPolicy(drawn), Failing(hashed), BEAM)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("pace") / "deep", **SHAPES["deep"])


def test_requests_that_join_a_running_batch_get_the_same_bits(checkpoint):
    requests = mixed_requests(120)
    together = open_engine(checkpoint).generate(requests)
    for seed, options in enumerate([{}, {"slots": 16}, {"cache_bytes": 1 << 19}]):
        dice, waiting, done = random.Random(seed), list(enumerate(requests)), {}
        dice.shuffle(waiting)
        stream = open_engine(checkpoint, **options).stream()
        flying = 0
        while waiting or flying:
            count = dice.choice([0, 0, 0, 1, 7, 30])
            stream.submit(waiting[:count])
            flying += len(waiting[:count])
            del waiting[:count]
            ended = stream.poll()
            flying -= len(ended)
            done.update(ended)
        assert [done[number] for number in range(len(requests))] == together
        assert stream.tokens == sum(completion.tokens for completion in together)


def test_a_stream_keeps_the_bound_on_its_cache_as_longer_requests_join(checkpoint):
    per_token = 4 * 2 * 16 * 4  # layers, keys and values, head_dim, bytes
    bound = 48 * 128 * per_token  # 48 rows of the longest possible
    engine = open_engine(checkpoint, cache_bytes=bound, context=128)
    stream = engine.stream()
    sampling = [Sampling(1.3, max_tokens=10), Sampling(1.3, max_tokens=500)]
    for number in range(200):
        stream.submit([(number, Request((0, 30), sampling[number > 100], seed=number))])
    done, largest = {}, 0
    while len(done) < 200:
        done.update(stream.poll())
        cache = stream._batch.cache
        largest = max(largest, sum(tensor.nbytes for tensor in (*cache.keys, *cache.values)))
    assert max(completion.tokens for completion in done.values()) == 126
    assert bound / 2 < largest <= bound

"""Search on written-out trees: a scripted policy, a scripted PRM, every kept node and answer known by hand.

In the scripts a step is written `name=score`, `/` is the separator and `#` the end-of-text token. A character
is a token, and what the policy says next depends on how often it was asked to continue the same text.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from math import sqrt

import pandas as pd
import pytest

from ttstudy.data import tables
from ttstudy.kinds.methods import METHODS, SEARCHES
from ttstudy.methods.costs import costs
from ttstudy.methods.options import Options
from ttstudy.methods.run import run
from ttstudy.policies.protocol import Completion

EOS = 0


class ScriptedPolicy:
    """An engine whose next words are `tell(text so far, request)`; it stops as the protocol demands."""

    name, parameters = "scripted", 0

    def __init__(self, tell, context: int = 1000) -> None:
        self.tell, self.context = tell, context
        self.calls = self.prompt_tokens = self.tokens = self.largest = 0
        self.seeds: list[int] = []

    def encode_chat(self, messages) -> list[int]:
        return [ord(character) for character in messages[-1]["content"]]

    def decode(self, ids) -> str:
        return "".join(chr(token) for token in ids if token != EOS)

    def generate(self, requests, progress=None) -> list[Completion]:
        self.calls += 1
        self.largest = max(self.largest, len(requests))
        self.seeds += [request.seed for request in requests if request.sampling.temperature > 0]
        return [self._complete(request) for request in requests]

    def _complete(self, request) -> Completion:
        said, text, finish = self.tell(self.decode(request.prompt), request), "", "eos"
        room = min(request.sampling.max_tokens, self.context - len(request.prompt))
        for character in said + chr(EOS):
            if len(text) == room:
                finish = "length" if room == request.sampling.max_tokens else "context"
                break
            text += character
            if any(text.endswith(stop) for stop in request.sampling.stop):
                finish = "stop"
                break
            if character == chr(EOS):
                break
        ids = tuple(ord(character) for character in text)
        self.prompt_tokens += len(request.prompt)
        self.tokens += len(ids)
        return Completion(ids, self.decode(ids), (-0.5,) * len(ids), finish, len(request.prompt))


class ScriptedPRM:
    """A PRM that scores a step by `judge(problem, steps up to it)`, refuses blank steps and counts tokens."""

    name, parameters = "scripted", 0

    def __init__(self, judge=None, room: int = 99) -> None:
        self.room = room  # steps of the longest solution that fits
        self.judge = judge or (lambda problem, steps: float(steps[-1].partition("=")[2]))
        self.tokens = self.calls = self.largest = 0
        self.seen: list[tuple[str, tuple[str, ...]]] = []

    def score_last_batch(self, items) -> list[list[float]]:
        self.calls += 1
        self.largest = max(self.largest, sum(len(steps) for _, _, steps in items))
        return [[self._score(problem, [*prefix, step]) for step in steps] for problem, prefix, steps in items]

    def overlong(self, problem, steps) -> int:
        return int(len(steps) > self.room)

    def _score(self, problem, steps) -> float:
        if not all(step.strip() == step != "" for step in steps):
            raise ValueError(f"blank or unstripped step in {steps}")
        self.tokens += len(steps[-1])
        self.seen.append((problem, tuple(steps)))
        return self.judge(problem, steps)


def written(script: dict[str, str]):
    """Continuations from a script: text so far -> what follows it, in the order of asking."""
    asked: Counter[str] = Counter()

    def tell(text: str, request) -> str:
        place = text.replace("\n\n", "/")
        told = script[place].split()
        asked[place] += 1
        return told[(asked[place] - 1) % len(told)].replace("/", "\n\n").removesuffix("#")

    return tell


def searched(script: dict[str, str], prm: ScriptedPRM | None = None, context: int = 1000, **options):
    """Result of a search of all problems of a script (its keys without `/`)."""
    options = {"method": "beam_search", "budget": 4, "beam_width": 2, "max_step_tokens": 8} | options
    names = [place for place in script if "/" not in place]
    policy = ScriptedPolicy(written(script), context)
    problems = [(name, f"problem {name}", policy.encode_chat([{"content": name}])) for name in names]
    result = run(problems, policy, prm or ScriptedPRM(), Options(**options))
    tables.check("nodes", result.nodes)
    tables.check("search_responses", result.answers)
    assert result.nodes["tokens"].sum() == policy.tokens == result.counters.response_tokens
    assert policy.prompt_tokens == result.counters.prompt_tokens
    return result


def kept(result, problem: str) -> list[str]:
    """Texts of the kept nodes in the order of drawing."""
    nodes = result.nodes
    return nodes.loc[nodes["kept"] & (nodes["problem_id"] == problem), "text"].tolist()


def answered(result, problem: str) -> list[str]:
    """Responses in order, the separator written as `/`."""
    answers = result.answers
    return [text.replace("\n\n", "/") for text in answers.loc[answers["problem_id"] == problem, "response"]]


EARLY = {"P": "a=.6# b=.8/ c=.3/ d=.1/", "Pb=.8/": "e=.5/ f=.55/", "Pb=.8/f=.55/": "g=.9# h=.7#"}
TIES = {
    "Q": "a=.9/ a=.9/ b=.9/ c=.9#",
    "Qa=.9/": "x=.4# y=.8# x=.4# z=.6#",
    "Qb=.9/": "w=.2# v=.3#",
}
CUT = {
    "R": "a=.9/ b=.2/ c=.1/ d=.1/",
    "Ra=.9/": "long=.95/",
    "Rb=.2/": "e=.3# f=.1/",
    "Rb=.2/f=.1/": "g=.05/ h=.04/",
    "Rb=.2/f=.1/g=.05/": "i=.01/ j=.02/",
}
BLANK = {
    "S": "/ a=.5/ # b=.4/",
    "Sa=.5/": "# c=.45/",
    "Sb=.4/": "/ d=.3#",
    "Sa=.5/c=.45/": "e=.1# f=.2#",
}


def test_steps_past_the_context_of_the_prm_are_marked_and_counted():
    result = searched(EARLY, ScriptedPRM(room=2))
    nodes = result.nodes
    assert nodes["overlong"].tolist() == (nodes["depth"] > 2).tolist()
    counters = result.counters
    assert (counters.prm_scored, counters.prm_overlong) == (len(nodes), int((nodes["depth"] > 2).sum()))
    assert counters.prm_overlong > 0 and kept(result, "P") == kept(searched(EARLY), "P")


def test_finished_beam_competes_until_it_is_beaten():
    result = searched(EARLY)
    assert kept(result, "P") == ["a=.6", "b=.8", "f=.55", "g=.9", "h=.7"]
    assert answered(result, "P") == ["b=.8/f=.55/g=.9", "b=.8/f=.55/h=.7"]
    assert result.answers["step_scores"].tolist() == [[0.8, 0.55, 0.9], [0.8, 0.55, 0.7]]
    assert result.answers["finish"].tolist() == ["eos", "eos"]


def test_finished_beam_holds_its_slot_without_refill():
    result = searched(EARLY, refill=False)
    assert kept(result, "P") == ["a=.6", "b=.8", "f=.55", "g=.9"]
    assert answered(result, "P") == ["a=.6", "b=.8/f=.55/g=.9"]  # in the order of completion


def test_reference_does_not_take_back_the_place_of_a_beam_that_ended_behind_one_that_goes_on():
    script = EARLY | {"Pb=.8/e=.5/": "i=.95# j=.1#"}
    result = searched(script, semantics="reference")
    assert kept(result, "P") == ["a=.6", "b=.8", "e=.5", "f=.55", "i=.95"]  # `a` ended, and yet two go on
    assert answered(result, "P") == ["a=.6", "b=.8/e=.5/i=.95"]
    better = script | {"P": "a=.6/ b=.8# c=.3/ d=.1/", "Pa=.6/": "e=.5/ f=.55/", "Pa=.6/f=.55/": "g=.9# h=.7#"}
    result = searched(better, semantics="reference")
    assert kept(result, "P") == ["a=.6", "b=.8", "f=.55", "g=.9"]  # `b` ended before `a` was come to


def test_reference_ends_with_the_last_answer_whatever_still_goes_on():
    script = {"P": "a=.6# b=.8/ c=.3/ d=.1/", "Pb=.8/": "e=.5/ f=.55#", "Pb=.8/e=.5/": "i=.95# j=.1#"}
    assert answered(searched(script, semantics="reference"), "P") == ["a=.6", "b=.8/f=.55"]


def test_reference_takes_the_second_draw_of_a_root_whole_and_the_last_of_equal_steps():
    first, second = "long=.91/ long=.81/ long=.71/ long=.61/", "long=.95/ a=.4# b=.3/ a=.4/"
    script = {"W": f"{first} {second}", "Wa=.4/": "c=.1# d=.2#", "Wb=.3/": "e=.5#"}
    result = searched(script, semantics="reference")
    assert kept(result, "W") == ["long=.95", "a=.4", "d=.2"]
    assert answered(result, "W") == ["long=.95", "a=.4/d=.2"]
    assert result.nodes["score"].isna().tolist() == [True] * 4 + [False] * 6
    assert len(set(result.nodes["node"])) == 10


def test_ties_go_to_the_node_drawn_first_and_duplicates_stay_by_default():
    result = searched(TIES)
    assert result.nodes.loc[result.nodes["kept"], "node"].tolist() == [0, 1, 5, 7]
    assert answered(result, "Q") == ["a=.9/y=.8", "a=.9/z=.6"]
    assert answered(searched(TIES, answers="candidates"), "Q") == [
        *("a=.9/y=.8", "a=.9/z=.6", "a=.9/x=.4", "a=.9/x=.4")
    ]


def test_candidates_are_finished_siblings_of_the_answers_and_at_most_n():
    script = {"O": "a=.9# b=.8/ c=.1# d=.1#", "Ob=.8/": "e=.85# f=.2#"}
    assert answered(searched(script), "O") == ["a=.9", "b=.8/e=.85"]
    assert answered(searched(script, answers="candidates"), "O") == ["a=.9", "b=.8/e=.85", "b=.8/f=.2", "c=.1"]
    twins = {"O": "a=.9# a=.9# b=.2/ c=.1#", "Ob=.2/": "e=.1# f=.2/", "Ob=.2/f=.2/": "g=.1#"}
    assert answered(searched(twins, answers="candidates", dedup=True), "O") == ["a=.9", "c=.1", "b=.2/f=.2/g=.1"]


def test_dedup_and_reference_drop_equal_siblings():
    for options in ({"dedup": True}, {"semantics": "reference"}):
        prm = ScriptedPRM()
        result = searched(TIES, prm, **options)
        assert result.nodes.loc[result.nodes["kept"], "node"].tolist() == [0, 2, 4, 5]
        assert answered(result, "Q") == ["a=.9/y=.8", "a=.9/x=.4"]
        assert prm.seen.count(("problem Q", ("a=.9",))) == 1
        assert result.nodes["score"].tolist()[:2] == [0.9, 0.9]  # the duplicate has its twin's score


def test_cut_step_is_kept_only_if_nothing_better_and_is_no_answer_beside_a_finished_one():
    result = searched(CUT, max_depth=4)
    assert kept(result, "R") == ["a=.9", "b=.2", "e=.3", "f=.1", "g=.05", "j=.02"]
    assert answered(result, "R") == ["b=.2/e=.3"]
    finish = dict(zip(result.nodes["text"], result.nodes["finish"], strict=True))
    ends = {"long=.95": "length", "e=.3": "eos", "g=.05": "open", "j=.02": "depth"}
    assert {text: finish[text] for text in ends} == ends


def test_reference_tries_three_times_then_ends_the_beam_as_it_is():
    result = searched(CUT, semantics="reference")
    tries = result.nodes[result.nodes["text"] == "long=.95"]
    assert len(tries) == 6 and tries["score"].isna().all() and set(tries["finish"]) == {"length"}
    assert answered(result, "R") == ["a=.9/", "b=.2/e=.3"]
    assert result.answers["finish"].tolist() == ["length", "eos"]
    again = CUT | {"Ra=.9/": "long=.95/ long=.96/ long=.97/ long=.98/ k=.7# long=.99/"}
    assert answered(searched(again, semantics="reference"), "R") == ["a=.9/k=.7", "b=.2/e=.3"]


def test_a_tree_of_nothing_but_cut_steps_still_answers():
    script = {"T": "long=.1/ long=.3/ long=.2/ long=.3/"}
    for semantics, scores in {
        "default": [[0.3], [0.3]],
        "reference": [[0.3], [0.2]],
    }.items():  # the twin drops
        result = searched(script, semantics=semantics)
        assert result.answers["step_scores"].tolist() == scores
        assert result.answers["finish"].tolist() == ["length", "length"]


def test_blank_step_is_a_dead_end_and_a_blank_end_finishes_what_stands():
    result = searched(BLANK)
    assert kept(result, "S") == ["a=.5", "b=.4", "", "c=.45", "f=.2"]
    assert answered(result, "S") == ["a=.5/", "a=.5/c=.45/f=.2"]
    assert result.answers["steps"].tolist() == [["a=.5"], ["a=.5", "c=.45", "f=.2"]]
    assert result.answers["step_scores"].tolist() == [[0.5], [0.5, 0.45, 0.2]]
    empty = {"E": "# a=0/", "Ea=0/": "b=.1#"}  # an empty response is worse than a step of score 0
    assert answered(searched(empty, budget=2), "E") == ["a=0/b=.1"]
    everywhere = searched({"U": "/"})
    assert answered(everywhere, "U") == ["/", "/"] and set(everywhere.answers["finish"]) == {"stop"}


def test_blank_step_scores_nothing_in_reference_and_so_does_all_that_follows():
    assert answered(searched(BLANK, semantics="reference"), "S") == ["b=.4/d=.3", "a=.5/c=.45/f=.2"]
    prm = ScriptedPRM()
    result = searched({"U": "/", "U/": "x=.9# y=.8#"}, prm, semantics="reference")
    assert result.answers["steps"].tolist() == [["", "x=.9"], ["", "y=.8"]]
    assert result.answers["step_scores"].tolist() == [[0, 0], [0, 0]] and not prm.seen


def test_boxed_ends_a_path_only_where_asked():
    script = {"V": r"\boxed=.5/ a=.4/ b=.3/ c=.2/", r"V\boxed=.5/": "d=.9# e=.8#", "Va=.4/": "f=.7# g=.6#"}
    assert answered(searched(script, max_step_tokens=20), "V") == [r"\boxed=.5/d=.9", r"\boxed=.5/e=.8"]
    result = searched(script, max_step_tokens=20, stop_on_boxed=True)
    assert answered(result, "V") == ["a=.4/f=.7", "a=.4/g=.6"]  # the boxed beam was beaten
    assert result.nodes["finish"][0] == "stop"
    result = searched(script, max_step_tokens=20, semantics="reference")
    assert answered(result, "V") == [r"\boxed=.5/", "a=.4/f=.7"]
    assert result.answers["finish"].tolist() == ["stop", "eos"]


def test_problems_advance_together_and_finished_ones_leave():
    script = EARLY | TIES | CUT | BLANK
    prm = ScriptedPRM()
    result = searched(script, prm, max_depth=4)
    for alone in (EARLY, TIES, CUT, BLANK):
        (name,) = [place for place in alone if "/" not in place]
        single = searched(alone, max_depth=4)
        assert answered(result, name) == answered(single, name)
        assert kept(result, name) == kept(single, name)
    assert prm.calls == 4


def test_context_ends_a_path_that_has_no_room_for_another_token():
    script = {"W": "a=.9/ b=.8/ c=.2# d=.1/"}
    result = searched(script, context=7)
    assert result.nodes["finish"].tolist() == ["context", "context", "eos", "context"]
    assert answered(result, "W") == ["c=.2"]
    script = {"W": "a=.9/ bb=.8/ ccc=.2/ d=.1/"}
    assert set(searched(script, context=7).answers["finish"]) == {"context"}


def test_pruning_by_min_and_avg():
    script = {"X": "a=.2/ b=.3/ c=.1/ d=.1/", "Xa=.2/": "e=.9# f=.8#", "Xb=.3/": "g=.7# h=.5#"}
    answers = {score: answered(searched(script, score=score), "X") for score in ("last", "min", "avg")}
    assert answers["last"] == ["a=.2/e=.9", "a=.2/f=.8"]
    assert answers["min"] == ["b=.3/g=.7", "b=.3/h=.5"]
    assert answers["avg"] == ["a=.2/e=.9", "a=.2/f=.8"]
    blank = {"X": "a=.2/ b=0/", "Xa=.2/": "c=.8/", "Xa=.2/c=.8/": "# d=.6#"}  # averages .5 and .533
    assert answered(searched(blank, score="avg", budget=2), "X") == ["a=.2/c=.8/d=.6"]


def test_look_ahead_prunes_by_the_score_of_steps_that_are_not_kept():
    script = {
        **{"Y": "a=.9/ b=.1/", "Ya=.9/": "c=.2/", "Yb=.1/": "d=.8/"},
        **{"Ya=.9/c=.2/": "e=.3#", "Yb=.1/d=.8/": "f=.7#"},
    }
    options = {"budget": 2, "beam_width": 2}
    assert answered(searched(script, **options), "Y") == ["a=.9/c=.2/e=.3"]
    result = searched(script, lookahead=1, **options)
    assert answered(result, "Y") == ["b=.1/d=.8/f=.7"]
    assert result.nodes["text"].tolist()[:4] == ["a=.9", "b=.1", "c=.2", "d=.8"]
    assert result.nodes["kept"].tolist()[:4] == [False, True, False, False]
    assert result.answers["step_scores"].tolist() == [[0.1, 0.8, 0.7]]
    options = {"budget": 4, "beam_width": 2, "lookahead": 1, "answers": "candidates"}
    assert answered(searched(script, **options), "Y") == ["b=.1/d=.8/f=.7"] * 2


# A policy that draws, for what must hold whatever is drawn.


def drawn(text: str, request) -> str:
    """A step or two letters long, sometimes blank, too long, or the last: a function of (text, seed)."""
    dice = random.Random(f"{text}|{request.seed}")
    word = "".join(dice.choices("ab", k=dice.choice([1, 1, 2, 2, 9])))
    word = "" if dice.random() < 0.05 else word
    return word if dice.random() < 0.2 else word + "\n\nmore"


def hashed(problem: str, steps) -> float:
    """A score that depends on all it sees, with ties."""
    return random.Random(f"{problem}|{steps}").randrange(10) / 9


PROBLEMS = [(f"p{i}", f"problem {i}", tuple(map(ord, f"{i}: "))) for i in range(6)]
BEAM = Options(method="beam_search", budget=16, max_step_tokens=8, max_depth=6, temperature=1.0)
DVTS = replace(BEAM, method="dvts")
REFERENCE = replace(BEAM, semantics="reference", max_step_tokens=3)  # many steps are cut and drawn again
VARIANTS = [
    *(BEAM, DVTS, REFERENCE, replace(DVTS, answers="candidates", lookahead=2)),
    *(replace(BEAM, method=method) for method, kind in METHODS.items() if kind.growth and not kind.growth.beams),
]


def draw(options: Options, problems=PROBLEMS):
    """Result, policy and PRM of a search with the drawing policy."""
    policy, prm = ScriptedPolicy(drawn), ScriptedPRM(hashed)
    return run(problems, policy, prm, options, seed=(7, "toy")), policy, prm


@pytest.mark.parametrize("options", VARIANTS)
def test_batched_is_one_at_a_time_in_any_order_and_chunk(options):
    together, policy, _ = draw(options)
    alone = [draw(options, [problem])[0] for problem in PROBLEMS]
    backwards = draw(options, PROBLEMS[::-1])[0]
    chunked, many, prm = draw(replace(options, max_live=5))
    for table in ("nodes", "answers"):
        whole = getattr(together, table)
        assert len(whole) > 100 or table == "answers"
        pd.testing.assert_frame_equal(whole, pd.concat([getattr(r, table) for r in alone], ignore_index=True))
        pd.testing.assert_frame_equal(whole, getattr(chunked, table))
        other = getattr(backwards, table)
        parts = [other[other["problem_id"] == problem_id] for problem_id, _, _ in PROBLEMS]
        pd.testing.assert_frame_equal(whole, pd.concat(parts, ignore_index=True))
    assert policy.calls <= options.max_depth * 3 < many.calls
    assert many.largest == 5 >= prm.largest > 1
    assert len(set(policy.seeds)) == len(policy.seeds)


@pytest.mark.parametrize("options", VARIANTS)
def test_counters_and_discarded_tokens_are_those_of_engine_prm_and_tree(options):
    result, policy, prm = draw(options)
    counters, nodes, answers = result.counters, result.nodes, result.answers
    assert (counters.problems, counters.requests) == (len(PROBLEMS), len(nodes))
    assert (counters.response_tokens, counters.prompt_tokens) == (policy.tokens, policy.prompt_tokens)
    assert nodes["tokens"].sum() == policy.tokens and counters.prm_tokens == prm.tokens
    parent = nodes.set_index(["problem_id", "tree", "node"])["parent"].to_dict()
    tokens = nodes.set_index(["problem_id", "tree", "node"])["tokens"].to_dict()
    returned = set()
    for row in answers.itertuples():
        node, line = row.node, []
        while node != -1:
            line.append((row.problem_id, row.tree, node))
            node = parent[line[-1]]
        assert row.response_tokens == sum(tokens[key] for key in line)
        returned.update(line)
    assert counters.discarded_tokens == policy.tokens - sum(tokens[key] for key in returned)
    assert 0 < counters.discarded_tokens < counters.response_tokens
    per_tree = costs(nodes, answers)
    assert len(per_tree) == len(PROBLEMS) * options.trees
    for name in ("prompt_tokens", "response_tokens", "discarded_tokens"):
        assert per_tree[name].sum() == getattr(counters, name)

    def length(problem_id: str, tree: int, node: int) -> int:
        key = (problem_id, tree, node)
        return 3 if node == -1 else tokens[key] + length(problem_id, tree, parent[key])

    expanded = {(problem_id, tree, above) for (problem_id, tree, _), above in parent.items()}
    assert per_tree["prompt_tokens_shared"].sum() == sum(length(*key) for key in expanded)
    assert (answers["step_scores"].map(len) == answers["steps"].map(len)).all()
    per_problem = answers.groupby("problem_id")["sample"].agg(["min", "max", "size"])
    assert (per_problem["min"] == 0).all() and (per_problem["max"] == per_problem["size"] - 1).all()
    assert len(per_problem) == len(PROBLEMS)


@pytest.mark.parametrize("options", [BEAM, DVTS])
def test_kept_nodes_are_the_best_of_every_depth(options):
    """Replayed from the table alone: at each depth the best B of new candidates and beams that ended."""
    nodes = draw(options)[0].nodes
    for _, tree in nodes.groupby(["problem_id", "tree"]):
        ended: list[tuple] = []
        live = {-1}
        for depth, level in tree.groupby("depth"):
            assert set(level["parent"]) == live, depth
            drawn_each = options.width if depth == 1 else options.beam_width
            assert (level.groupby("parent").size() == drawn_each).all()
            blank = (level["text"] == "") & ((level["finish"] != "eos") | (depth == 1))
            rank = blank * 2 + (~blank & level["finish"].isin(["length", "context", "depth"])) * 1
            contest = ended + list(zip(rank, -level["score"], level["node"], level["finish"], strict=True))
            best = sorted(contest)[: options.slots]
            assert set(level.loc[level["kept"], "node"]) == {n for _, _, n, _ in best} & set(level["node"])
            ended = [row for row in best if row[3] != "open"]
            live = {row[2] for row in best if row[3] == "open"}
        assert not live


def test_trees_of_a_small_dvts_run_are_the_first_of_a_large_one():
    large, small = draw(DVTS)[0], draw(replace(DVTS, budget=8))[0]
    for table in ("nodes", "answers"):
        whole, part = getattr(large, table), getattr(small, table)
        pd.testing.assert_frame_equal(whole[whole["tree"] < 2].reset_index(drop=True), part)
    assert large.answers.groupby("problem_id").size().eq(4).all()


def test_beam_search_and_dvts_agree_at_the_beam_width_and_start_from_the_same_draws():
    beam, dvts = draw(replace(BEAM, budget=4))[0], draw(replace(DVTS, budget=4))[0]
    pd.testing.assert_frame_equal(beam.nodes, dvts.nodes)
    pd.testing.assert_frame_equal(beam.answers, dvts.answers)
    first = [draw(options)[0].nodes.query("depth == 1")["text"].tolist() for options in (BEAM, DVTS)]
    assert first[0] == first[1]


# What search can do: a policy whose every step is right with some probability.


def chancy(text: str, request) -> str:
    """Three steps, each `right` with the problem's probability (its first two digits, in percent)."""
    right = random.Random(request.seed).random() * 100 < int(text[:2])
    return ("right" if right else "wrong") + ("\n\n" if text.count("\n\n") < 2 else "")


def accuracy(problems, options: Options, judge) -> float:
    """Share of problems whose best answer (PRM-Last, first of ties) has no wrong step."""
    result = run(problems, ScriptedPolicy(chancy), ScriptedPRM(judge), options)
    answers = result.answers.assign(last=result.answers["step_scores"].map(lambda scores: scores[-1]))
    best = answers.loc[answers.groupby("problem_id")["last"].idxmax()]
    return (~best["response"].str.contains("wrong")).mean()


@pytest.mark.parametrize("method", SEARCHES)
def test_accuracy_rises_to_coverage_with_a_perfect_scorer(method):
    chances = [0, 20, 35, 50] * 10
    problems = [(f"{i}", "", tuple(map(ord, f"{chance:02d} "))) for i, chance in enumerate(chances)]

    def perfect(problem: str, steps) -> float:
        return float("wrong" not in steps)

    at = [accuracy(problems, Options(method=method, budget=budget), perfect) for budget in (4, 16, 64)]
    assert at[0] < at[1] <= at[2]
    assert at[2] == (pytest.approx(0.75, abs=0.05) if method == "dvts" else 0.75)


@pytest.mark.parametrize("method", SEARCHES)
def test_accuracy_does_not_exceed_sampling_with_a_random_scorer(method):
    problems = [(f"{i}", "", tuple(map(ord, "70 "))) for i in range(400)]
    dice = random.Random(1)
    found = accuracy(problems, Options(method=method, budget=16), lambda *_: dice.random())
    assert abs(found - 0.7**3) < 3 * sqrt(0.7**3 * (1 - 0.7**3) / len(problems))


def test_clear_errors():
    with pytest.raises(ValueError, match="not a multiple of the beam width 4"):
        Options(method="dvts", budget=6)
    with pytest.raises(ValueError, match="temperature must be above 0"):
        Options(method="dvts", budget=4, temperature=0)
    with pytest.raises(ValueError, match="search.answers is 'all'; use one of beams, candidates"):
        Options(method="dvts", budget=4, answers="all")
    with pytest.raises(ValueError, match="'p0' is given twice"):
        draw(BEAM, PROBLEMS[:1] * 2)
    with pytest.raises(ValueError, match="score nan"):
        run(PROBLEMS[:1], ScriptedPolicy(drawn), ScriptedPRM(lambda *_: float("nan")), BEAM)


def test_reference_overrules_options_and_spec_names_all_that_decides():
    given = Options(
        method="beam_search", budget=4, semantics="reference", dedup=False, lookahead=3, answers="candidates"
    )
    assert given == Options(method="beam_search", budget=4, semantics="reference")
    assert "max_live" not in given.spec() and given.spec()["dedup"] is True

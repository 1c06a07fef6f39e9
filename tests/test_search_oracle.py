"""The batched search against a naive one, node for node and answer for answer, over random options and policies."""

from __future__ import annotations

import random
from math import isnan

import pytest

from tests import naive_search
from tests.test_search import ScriptedPolicy, ScriptedPRM
from ttstudy.methods.costs import costs
from ttstudy.methods.options import Options
from ttstudy.methods.run import run

WORDS = (
    ["a", "b", "\n\n", "\n\n", "#"],
    ["a", "\n\n", "\\boxed", "aaaaaaaaaaaa", "#"],
    ["", "#", "\n\n"],
    ["a", "\n\n"],
    ["#"],
    [" ", "\n", "a\n\n", "\n\n", "#"],
    ["a", "b", "c", "d", "e", "\n\n", "\n\n", "\n\n"],
)
"""What policies say: among them ones that never end, end at once, or draw blank and endless steps. `#` ends a text."""
SCORES = ([0, 1], [0.5], [0.0, 0.25, 0.5, 1.0], None)
"""What PRMs give: ties, nothing but ties, and any number (None)."""


def world(seed: int):
    """Options, and makers of the policy and the PRM of one random search."""
    dice = random.Random(seed)
    width = dice.choice([1, 2, 3, 4])
    options = Options(
        method=dice.choice(["beam_search", "dvts"]),
        budget=width * dice.choice([1, 2, 3, 4, 8]),
        beam_width=width,
        semantics=dice.choice(["default", "default", "reference"]),
        score=dice.choice(["last", "min", "avg"]),
        answers=dice.choice(["beams", "candidates"]),
        refill=dice.random() < 0.5,
        dedup=dice.random() < 0.5,
        stop_on_boxed=dice.random() < 0.5,
        lookahead=dice.choice([0, 0, 1, 2, 3]),
        max_depth=dice.choice([1, 2, 4, 8]),
        max_step_tokens=dice.choice([2, 4, 8, 12]),
        max_live=dice.choice([1, 3, 4096]),
    )
    words, values, context = dice.choice(WORDS), dice.choice(SCORES), dice.choice([1000, 1000, 12, 20, 30])

    def tell(text: str, request) -> str:
        draw, said = random.Random(f"{text}|{request.seed}|{seed}"), ""
        while len(said) < 40 and (word := draw.choice(words)) != "#":
            said += word
        return said

    def judge(problem: str, steps: list[str]) -> float:
        draw = random.Random("|".join([problem, *steps]))
        return draw.choice(values) if values else draw.random()

    problems = [(f"p{k}", f"problem {k}", tuple(map(ord, "Q" * dice.choice([1, 3, 12])))) for k in range(2)]
    return options, problems, lambda: ScriptedPolicy(tell, context), lambda: ScriptedPRM(judge)


def known(score: float) -> float | None:
    """A score that can be compared: sums of an average may differ in their last bit."""
    return None if isnan(score) else round(score, 12)


def nodes_of(result) -> dict:
    """Every node by problem, tree, and its place among its siblings, theirs, and so on."""
    found = {}
    for (problem_id, tree), rows in result.nodes.groupby(["problem_id", "tree"], sort=False):
        places: dict[int, tuple[int, ...]] = {-1: ()}
        children: dict[int, int] = {}
        for row in rows.sort_values("node").itertuples():
            place = children[row.parent] = children.get(row.parent, -1) + 1
            places[row.node] = (*places[row.parent], place)
            facts = (row.text, row.tokens, known(row.score), bool(row.kept), row.finish)
            found[problem_id, tree, places[row.node]] = facts
    return found


def assert_same(result, problems, trees_of, engine, case: str) -> None:
    """That a result has the nodes, answers, order and tokens of the naive trees of its problems."""
    nodes, answers, order, ahead = {}, [], [], False
    for problem in problems:
        for number, tree in enumerate(trees_of(problem, engine)):
            places = {}
            for node in tree.nodes:
                ahead |= node.rolled_out
                facts = (node.text, len(node.drawn.ids), known(node.score), node.kept, node.finish)
                nodes[problem[0], number, node.address()] = facts
            for place, node in enumerate(sorted(tree.nodes, key=lambda node: node.number)):
                places[id(node)] = place
                order.append((problem[0], number, node.text, places.get(id(node.parent), -1)))
            for answer in tree.answers:
                steps = [node for node in answer.line() if node.text or tree.reference]
                said = engine.decode([token for node in answer.line() for token in node.drawn.ids])
                scores = [known(node.score) for node in steps]
                answers.append((problem[0], number, said, answer.finish, [node.text for node in steps], scores))
    assert nodes_of(result) == nodes, case
    assert answers == [
        (row.problem_id, row.tree, row.response, row.finish, list(row.steps), [known(x) for x in row.step_scores])
        for row in result.answers.itertuples()
    ], case
    if not ahead:  # steps ahead are numbered after the candidates of their round
        rows = result.nodes.itertuples()
        assert order == [(row.problem_id, row.tree, row.text, row.parent) for row in rows], case
    assert result.nodes["tokens"].sum() == result.counters.response_tokens
    summed = costs(result.nodes, result.answers)[["response_tokens", "discarded_tokens", "prompt_tokens"]].sum()
    counted = result.counters
    assert list(summed) == [counted.response_tokens, counted.discarded_tokens, counted.prompt_tokens]


@pytest.mark.parametrize("seeds", [range(first, first + 10) for first in range(0, 60, 10)], ids=str)
def test_batched_and_naive_search_draw_the_same_trees(seeds):
    for seed in seeds:
        options, problems, policy, prm = world(seed)
        result = run(problems, policy(), prm(), options, seed=("oracle", seed))

        def trees(problem, engine, options=options, prm=prm, seed=seed):
            return naive_search.search(problem, engine, prm(), options, ("oracle", seed))

        assert_same(result, problems, trees, policy(), f"{seed}: {options}")

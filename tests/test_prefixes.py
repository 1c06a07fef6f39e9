"""Distinct prefixes: sharing by brute force, and one price for the same prefixes, whichever method met them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from tests.studies import ROOT
from ttstudy.analysis import flops, usage
from ttstudy.analysis.prefixes import MARK, Samples, Trie, seen

LENGTHS = {"a": 7, "b": 3}
STEPS = {
    "a": [["x", "yy"], ["x", "yy"], ["x", "zzz"], ["w"], []],
    "b": [["x"], ["x", "yy"], ["v", "u", "t"], ["v", "u", "t"], ["v"]],
}


def pool() -> pd.DataFrame:
    rows = [(key, sample, steps) for key, all_ in STEPS.items() for sample, steps in enumerate(all_)]
    return pd.DataFrame(rows, columns=["problem_id", "sample", "steps"])


def length(problem: str, steps: tuple[str, ...]) -> int:
    return LENGTHS[problem] + sum(len(step) + MARK for step in steps)


def distinct(problem: str, chosen: list[list[str]]) -> set[tuple[str, ...]]:
    return {tuple(steps[:k]) for steps in chosen for k in range(len(steps) + 1) if steps}


def by_hand(problem: str, prefixes: set[tuple[str, ...]]) -> tuple[float, float]:
    """Characters of prefixes, each once, and the keys that they meet."""
    ends = [(length(problem, one[:-1]) if one else 0, length(problem, one)) for one in prefixes]
    return sum(stop - start for start, stop in ends), sum((stop**2 - start**2) / 2 for start, stop in ends)


@pytest.mark.parametrize("drawn", [1, 2, 4, 5])
def test_what_n_samples_share_is_its_mean_over_all_ways_to_draw_them(drawn):
    samples = Samples.of([pool().iloc[:4], pool().iloc[4:]], LENGTHS)
    scores = pool().assign(prm_tokens=[length(*row) for row in zip(pool()["problem_id"], pool()["steps"], strict=True)])
    wanted, run = np.zeros(2), np.zeros(2)
    for problem, all_ in STEPS.items():
        ways = list(combinations(all_, drawn))
        wanted += np.mean([by_hand(problem, distinct(problem, list(way))) for way in ways], axis=0)
        sizes = [[length(problem, one) for one in {tuple(steps) for steps in way if steps}] for way in ways]
        run += np.mean([(sum(way), sum(size**2 / 2 for size in way)) for way in sizes], axis=0)
    assert samples.prefixes.read(drawn) == pytest.approx(tuple(wanted))
    assert samples.read_by(scores).as_run(drawn) == pytest.approx(tuple(run))
    assert samples.read_by(scores[scores["steps"].map(len) > 0]).rate == pytest.approx(1)


def test_an_engine_that_shares_runs_every_prefix_once_and_never_more_than_all_that_differ():
    texts = pool()
    whole = [2 * length(*row) if row[1] else 0 for row in zip(texts["problem_id"], texts["steps"], strict=True)]
    scores, samples = texts.assign(prm_tokens=whole), Samples.of([texts], LENGTHS)
    alone = samples.read_by(scores)
    assert samples.read_by(scores.assign(prm_tokens_run=whole)).as_run(3) == alone.as_run(3)
    part = np.array(whole, dtype=float)
    part[2] -= 1  # something was run for it, and less than all of it
    shared = samples.read_by(scores.assign(prm_tokens_run=part))
    for drawn in (1, 3, 5):
        once, keys = samples.shared(drawn)
        assert shared.as_run(drawn) == pytest.approx((alone.rate * once, alone.rate**2 * keys))
        assert shared.as_run(drawn)[0] <= alone.as_run(drawn)[0] + 1e-9
    # texts that a tokenizer takes apart: what is read once would seem more than all of it
    odd = scores.assign(prm_tokens=[1 if number else 10_000 for number in range(len(texts))])
    assert samples.read_by(odd.assign(prm_tokens_run=odd["prm_tokens"] * 0.5)).as_run(5)[0] <= odd["prm_tokens"].sum()
    part[0] = np.nan  # a block that an earlier version scored
    assert samples.read_by(scores.assign(prm_tokens_run=part)).as_run(3) == alone.as_run(3)


def test_tokens_that_are_not_known_are_missing_not_zero():
    samples, unknown = Samples.of([pool()], LENGTHS), pool().assign(prm_tokens=np.nan)
    read = samples.read_by(unknown)
    assert np.isnan([*read.as_run(2), read.rate]).all()


def test_chances_stay_between_nothing_and_certainty():
    share = seen(np.full(3, 512), np.array([1, 256, 512]), 256)
    assert share == pytest.approx([0.5, 1, 1]) and (share <= 1).all()


def grown(solutions: dict[str, list[list[str]]]) -> pd.DataFrame:
    """Nodes of a search that meets just the prefixes of these solutions: a tree for each problem."""
    rows = []
    for problem, all_ in solutions.items():
        number: dict[tuple[str, ...], int] = {(): -1}
        for prefix in sorted(distinct(problem, all_) - {()}, key=len):
            number[prefix] = len(number) - 1
            parent = number[prefix[:-1]]
            rows.append((problem, 0, number[prefix], parent, len(prefix), prefix[-1], len(prefix[-1]), 0.5))
    return pd.DataFrame(rows, columns="problem_id tree node parent depth text tokens score".split())


def test_best_of_n_and_beam_search_that_meet_the_same_prefixes_are_charged_the_same_prm_flops():
    texts = pool()
    drawn = texts["steps"].map(lambda steps: sum(map(len, steps)))
    responses = texts.assign(prompt_tokens=texts["problem_id"].map({"a": 9, "b": 4}), response_tokens=drawn)
    # this PRM takes 3 tokens for a character
    read = [3 * length(*row) if row[1] else 0 for row in zip(texts["problem_id"], texts["steps"], strict=True)]
    scores, samples = texts.assign(prm_tokens=read), Samples.of([texts], LENGTHS)
    rows = usage.of_pool(responses, {"p": scores}, {"best_of_n": [5]}, {"p": samples.read_by(scores)})
    (best,) = (row for row in rows if row["method"] == "best_of_n")
    nodes, trie = grown(STEPS), Trie(LENGTHS)
    anew = trie.add_nodes(nodes)
    met = usage.Met(trie.prefixes(), samples.read_by(scores).rate)
    once = sum(by_hand(problem, distinct(problem, all_))[0] for problem, all_ in STEPS.items())
    cost = pd.DataFrame([{
        "problems": 2, "prompt_tokens": 99, "response_tokens": int(nodes["tokens"].sum()), "discarded_tokens": 0,
        "prm_tokens": int(3 * once), "prm_tokens_reencoded": int(3 * anew),
    }])  # fmt: skip
    (beam,) = usage.of_search("beam_search", "p", 5, cost, nodes, responses, [5], met)
    cells = pd.DataFrame([best, beam]).assign(
        benchmark="toy", policy="small", policy_parameters=10.0, prm_parameters=70.0
    )
    table = flops.ledger(cells, shapes={"small": (2, 4), "p": (3, 8)})
    one, other = table["flops_prm_shared"]
    assert one == pytest.approx(other) and one > 0
    # what the engines counted stays what it was: the samples that differ, whole; the search's own sharing; all anew
    whole = {("a", tuple(s)) for s in STEPS["a"] if s} | {("b", tuple(s)) for s in STEPS["b"]}
    assert table["prm_tokens"].tolist() == [3 * sum(length(*one) for one in whole), 3 * once]
    assert table["prm_tokens_reencoded"].tolist() == [sum(read), 3 * anew]
    assert table["prm_tokens_shared"].tolist() == pytest.approx([3 * once] * 2)


def test_every_process_sums_in_one_order_however_it_hashes_texts():
    code = (
        "import json, sys, tests.test_prefixes as t\n"
        "from ttstudy.analysis.prefixes import Samples\n"
        "pool = t.pd.DataFrame([('a', i, [str(j % (i + 1) / 7) for j in range(4)]) for i in range(40)],"
        " columns=['problem_id', 'sample', 'steps'])\n"
        "scores = pool.assign(prm_tokens=[0.1 + i for i in range(40)])\n"
        "s = Samples.of([pool], t.LENGTHS)\n"
        "r = s.read_by(scores)\n"
        "print(json.dumps([s.prefixes.read(7), r.as_run(7), r.rate]))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'workflow'}", "PYTHONHASHSEED": seed, "PATH": os.environ["PATH"]},
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(found) == 1 and json.loads(found.pop())


def test_only_what_a_prm_read_of_a_tree_counts_and_what_two_trees_have_counts_once():
    rows = [
        ("a", 0, 0, -1, 1, "x", np.nan),  # read on the way to its child
        ("a", 0, 1, 0, 2, "yy", 0.5),
        ("a", 0, 2, 0, 2, "yy", 0.5),  # its twin
        ("a", 0, 3, 0, 2, "never", np.nan),
        ("a", 0, 4, 1, 3, "", 0.5),  # blank: nothing to read
        ("a", 1, 0, -1, 1, "x", 0.25),
    ]
    nodes = pd.DataFrame(rows, columns="problem_id tree node parent depth text score".split())
    trie = Trie(LENGTHS)
    assert trie.add_nodes(nodes) == 2 * length("a", ("x", "yy")) + length("a", ("x",))
    assert trie.prefixes().read(2)[0] == length("a", ("x", "yy"))
    assert trie.prefixes().read(1)[0] == (length("a", ("x", "yy")) + length("a", ("x",))) / 2

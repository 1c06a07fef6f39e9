"""Tokens per method: sums by hand, expected numbers at N, shares of trees."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from tests import paths
from tests.studies import given_file, smoke
from ttstudy.analysis import sizes, usage
from ttstudy.analysis.prefixes import Prefixes, Samples
from ttstudy.dag.layout import open_layout
from ttstudy.dag.models import weights
from ttstudy.dag.specs.analysis import Sized
from ttstudy.dag.specs.records import File
from ttstudy.study import from_mapping

POOL = pd.DataFrame(
    {
        "problem_id": ["a", "a", "b", "b"],
        "sample": [0, 1, 0, 1],
        "prompt_tokens": [5, 5, 7, 7],
        "response_tokens": [10, 20, 30, 50],
        "finish": ["eos", "length", "eos", "context"],
        "steps": [["one"], ["two"], ["one"], ["two"]],
    }
)
LENGTHS = {"a": 4, "b": 6}
SAMPLES = Samples.of([POOL], LENGTHS)
NODES = pd.DataFrame(
    {
        "problem_id": ["a", "a", "a", "a", "a", "b"],
        "tree": [0, 0, 0, 0, 1, 0],
        "node": [0, 1, 2, 3, 0, 0],
        "parent": [-1, 0, 0, 1, -1, -1],
        "depth": [1, 2, 2, 3, 1, 1],
        "tokens": [10, 20, 4, 2, 6, 8],
        "text": list("abcdef"),
        "score": [0.5] * 6,
    }
)
MET = usage.Met(Prefixes(*np.empty((4, 0))), 0.0)
COST = pd.DataFrame(
    {
        "problems": [2],
        "prompt_tokens": [60],
        "response_tokens": [800],
        "discarded_tokens": [600],
        "prm_tokens": [900],
        "prm_tokens_reencoded": [4000],
    }
)
SCORES = {"p": POOL[["problem_id", "sample"]].assign(prm_tokens=[16, 26, 38, 58])}
READS = {prm: SAMPLES.read_by(table) for prm, table in SCORES.items()}


def test_a_pool_at_n_uses_n_times_the_mean_and_its_prompt_once():
    rows = usage.of_pool(POOL, SCORES, {"majority": [2], "best_of_n": [1]}, READS)
    by_method = {(row["method"], row["budget"]): row for row in rows}
    assert by_method["majority", 2]["response_tokens"] == 10 + 20 + 30 + 50
    assert by_method["majority", 2]["prm_tokens"] == 0
    assert by_method["best_of_n", 1]["response_tokens"] == 15 + 40
    assert by_method["best_of_n", 1]["prm_tokens"] == 21 + 48
    assert all(row["prompt_tokens"] == 12 and row["discarded_tokens"] == 0 for row in rows)


def test_dvts_at_a_smaller_n_uses_its_share_of_the_trees_and_beam_search_its_own_run():
    rows = usage.of_search("dvts", "p", 16, COST, NODES, POOL, [4, 16], MET)
    assert [row["response_tokens"] for row in rows] == [200, 800]
    assert [row["prm_tokens_reencoded"] for row in rows] == [1000, 4000]
    (beam,) = usage.of_search("beam_search", "p", 16, COST, NODES, POOL, [4, 16], MET)
    assert (beam["budget"], beam["discarded_tokens"], beam["prompt_tokens"]) == (16, 600, 12)


def test_a_token_meets_its_prompt_and_what_came_before_it_on_its_own_path():
    """p^2/2 for a prompt, ((p + r)^2 - p^2)/2 for a response or node; a sibling's tokens are never met."""
    cot = usage.of_cot(POOL[POOL["sample"] == 0])
    assert cot["prompt_positions"] == (5**2 + 7**2) / 2 == 37
    assert cot["policy_positions"] == (15**2 - 5**2 + 37**2 - 7**2) / 2 == 760
    assert cot["prm_positions"] == 0
    found = usage.of_pool(POOL, SCORES, {"best_of_n": [1, 2]}, READS)
    rows = {row["method"]: row for row in found if row["budget"] == 2}
    drawn = 760 + (25**2 - 5**2 + 57**2 - 7**2) / 2
    assert rows["best_of_n"]["policy_positions"] == rows["coverage"]["policy_positions"] == drawn
    assert rows["best_of_n"]["prm_positions"] == (16**2 + 26**2 + 38**2 + 58**2) / 2
    assert rows["coverage"]["prm_positions"] == 0
    # Tree 0 of a: 5 + 10, below it 15 + 20 and 15 + 4, then 35 + 2; tree 1: 5 + 6. Tree 0 of b: 7 + 8.
    met = (15**2 - 5**2) + (35**2 - 15**2) + (19**2 - 15**2) + (37**2 - 35**2) + (11**2 - 5**2) + (15**2 - 7**2)
    cost = COST.assign(response_tokens=50, discarded_tokens=4, prm_tokens=93, prm_tokens_reencoded=200)
    half, whole = usage.of_search("dvts", "p", 4, cost, NODES.iloc[::-1], POOL, [2, 4], MET)
    assert whole["policy_positions"] == met / 2 == 2 * half["policy_positions"]
    assert whole["prm_positions"] == pytest.approx(93 / (12 + 50) * (37 + met / 2))
    assert half["prm_positions"] == pytest.approx(whole["prm_positions"] / 2)
    assert half["prompt_positions"] == whole["prompt_positions"] == 37
    # sent anew for each candidate: 5 tokens, then 15 twice, 35; 5; 7
    assert whole["prompt_positions_reencoded"] == (5**2 + 2 * 15**2 + 35**2 + 5**2 + 7**2) / 2
    assert (half["prompt_tokens_reencoded"], whole["prompt_tokens_reencoded"]) == (30, 60)
    assert rows["best_of_n"]["prompt_tokens_reencoded"] == 2 * 12
    assert rows["best_of_n"]["prompt_positions_reencoded"] == 2 * 37


def test_endings_are_counted_by_what_they_were():
    grades = POOL[["problem_id", "sample"]].assign(status=["graded", "no_answer", "timed_out", "no_answer"])
    row = usage.endings("majority", "none", 2, POOL, grades)
    assert (row["responses"], row["finished"], row["cut"], row["no_answer"], row["timed_out"]) == (4, 2, 2, 2, 1)


def test_solutions_longer_than_a_context_are_counted_and_what_is_not_told_is_missing():
    scores = {"p": SCORES["p"].assign(overlong=[0, 2, 1, 0]), "recorded": SCORES["p"]}
    known, unknown = usage.overlong_of_pool(scores)
    assert known == {"method": "best_of_n", "prm": "p", "budget": 2, "scored": 4, "overlong": 2}
    assert unknown == known | {"prm": "recorded", "overlong": None}
    cost = pd.DataFrame({"prm_scored": [12], "prm_overlong": [3]})
    (row,) = usage.overlong_of_search("dvts", "p", 4, cost)
    assert (row["scored"], row["overlong"]) == (12, 3)
    assert usage.overlong_of_search("dvts", "p", 4, cost[["prm_scored"]].drop(columns="prm_scored")) == []


def test_the_single_greedy_response_has_no_prm():
    row = usage.of_cot(POOL[POOL["sample"] == 0])
    assert (row["problems"], row["prompt_tokens"], row["response_tokens"]) == (2, 12, 40)
    assert row["prm_tokens"] == pytest.approx(0)


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        ({"num_hidden_layers": 28, "num_attention_heads": 16, "head_dim": 128, "hidden_size": 1024}, (28, 2048)),
        ({"num_hidden_layers": 16, "num_attention_heads": 32, "head_dim": None, "hidden_size": 2048}, (16, 2048)),
        ({"num_hidden_layers": 16, "hidden_size": 2048}, None),
        (None, None),
    ],
)
def test_layers_and_width_come_from_the_checkpoint_or_are_not_known(tmp_path, config, shape):
    if config:
        (tmp_path / "config.json").write_text(json.dumps(config))
    known = Sized(kind="policy", checkpoint=given_file(tmp_path / "model.safetensors"))
    assert sizes.shape(known) == shape
    assert sizes.shape(Sized(kind="policy")) is None


def on_paths(nodes: pd.DataFrame, answers: pd.DataFrame) -> int:
    """Tokens of the nodes on the way to an answer, each counted once."""
    known = nodes.set_index(["problem_id", "tree", "node"])
    above, tokens = known["parent"].to_dict(), known["tokens"].to_dict()
    returned = set()
    for row in answers.itertuples():
        node = (row.problem_id, row.tree, row.node)
        while node[2] != -1:
            returned.add(node)
            node = (*node[:2], above[node])
    return sum(tokens[node] for node in returned)


def test_the_ledger_of_a_real_study_is_the_sum_of_its_tables(finished):
    """Every row of the ledger, from the responses, scores, nodes and answers that the study left."""
    layout = open_layout(from_mapping(smoke()), finished)
    table = pd.read_parquet(finished / paths.table(layout, "ledger"))
    keys = ["policy", "prm", "method", "budget"]
    ledger = table.set_index(keys)
    assert not ledger.index.duplicated().any() and set(table["benchmark"]) == {"sums"}
    trained = pd.read_parquet(finished / paths.table(layout, "training")).set_index("model")["parameters"]
    models = {name: weights(layout, name).path for name in layout.study.policies}
    models |= {name: weights(layout, name).path for name in layout.study.prms}
    files = {name: (finished / path).with_name("config.json") for name, path in models.items()}
    configs = {name: json.loads(path.read_text()) for name, path in files.items()}
    per_key = {name: 4 * made["num_hidden_layers"] * made["hidden_size"] for name, made in configs.items()}
    seen = 0

    def read(file: File) -> pd.DataFrame:
        return pd.read_parquet(finished / file.path)

    def agrees(key: tuple, prompt: int, **wanted: float) -> None:
        nonlocal seen
        row, seen = ledger.loc[key], seen + 1
        zeros = dict.fromkeys(("response_tokens", "discarded_tokens", "prm_tokens"), 0.0)
        for column, value in (zeros | wanted | {"prompt_tokens": prompt}).items():
            assert row[column] == pytest.approx(value), (key, column)
        policy, prm = trained[key[0]], trained.get(key[1], 0)
        assert (row["policy_parameters"], row["prm_parameters"]) == (policy, prm)
        assert row["flops_paper"] == 2 * policy * row["response_tokens"]  # all that the paper's table counts
        added = 2 * policy * row["prompt_tokens"] + 2 * prm * row["prm_tokens"]
        assert row["flops_total"] == pytest.approx(row["flops_paper"] + added + row["flops_attention"])
        met = per_key[key[0]] * (row["prompt_positions"] + row["policy_positions"])
        met += per_key.get(key[1], 0) * row["prm_positions"]
        assert 0 < met == pytest.approx(row["flops_attention"])

    for policy in layout.study.policies:
        sources = paths.sources(layout, "sums", policy)
        cot = read(sources.cot.responses)
        prompt = int(cot["prompt_tokens"].sum())
        agrees((policy, "none", "cot", 1), prompt, response_tokens=cot["response_tokens"].sum())
        blocks = sources.samples
        pool = pd.concat(read(block.responses) for block in blocks)
        size, drawn = pool["sample"].nunique(), pool["response_tokens"].sum()
        assert len(pool) == 16 * size
        for n in (2, 8):
            for method in ("majority", "coverage"):
                agrees((policy, "none", method, n), prompt, response_tokens=drawn * n / size)
            for prm in blocks[0].scores:
                scores = pd.concat(read(block.scores[prm]) for block in blocks).merge(pool, on=["problem_id", "sample"])
                anew = scores["prm_tokens"].sum()
                # equal solutions are run once, and what they begin with; the pool is drawn whole at the largest N
                different = scores.assign(text=scores["steps"].map(tuple)).drop_duplicates(["problem_id", "text"])
                row, counted = ledger.loc[policy, prm, "best_of_n", n], scores["prm_tokens_run"].sum()
                assert row["prm_tokens_reencoded"] == pytest.approx(anew * n / size)
                assert counted < different["prm_tokens"].sum()
                assert 0 < row["prm_tokens_shared"] <= row["prm_tokens_reencoded"]
                assert 0 < row["prm_tokens"] <= row["prm_tokens_reencoded"]
                run = row["prm_tokens"]
                if n == size:  # told by characters; an engine shares beginnings of steps, too
                    assert run == pytest.approx(counted, rel=0.25)
                agrees((policy, prm, "best_of_n", n), prompt, response_tokens=drawn * n / size, prm_tokens=run)
        for search in sources.searches:
            nodes, answers, cost = read(search.nodes), read(search.answers), read(search.cost).iloc[0]
            drawn = nodes["tokens"].sum()
            lost = drawn - on_paths(nodes, answers)
            assert (cost["response_tokens"], cost["discarded_tokens"]) == (drawn, lost) and 0 < lost < drawn
            for n in [8] if search.method == "beam_search" else [4, 8]:
                share = n / search.budget
                wanted = {"response_tokens": drawn, "discarded_tokens": lost, "prm_tokens": cost["prm_tokens"]}
                wanted = {column: share * total for column, total in wanted.items()}
                agrees((policy, search.prm, search.method, n), prompt, **wanted)
                row = ledger.loc[policy, search.prm, search.method, n]
                # a light PRM shares all that a trie shares, so an estimate from characters comes near its count
                assert row["prm_tokens_shared"] == pytest.approx(row["prm_tokens"], rel=0.25)
                assert row["flops_shared"] < row["flops_reencoded"] > row["flops_total"] > row["flops_paper"]
            assert cost["prm_tokens_reencoded"] >= cost["prm_tokens"] > nodes["tokens"].sum() / 2
    assert seen == len(ledger)  # no row of the ledger is left unchecked


def test_adaptive_tables_of_a_real_study_hold_together(finished):
    folder = finished / open_layout(from_mapping(smoke()), finished).folder / "tables"
    found = {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("adaptive", "predicted", "strategy")}
    assert "predicted" in set(found["strategy"]["selection"])
    assert found["predicted"].groupby(["policy", "prm"]).size().eq(16).all()
    adaptive = found["adaptive"]
    assert set(adaptive["scheme"]) == {"levels", "decided", "likely"}
    assert (adaptive["spent"] <= adaptive["budget"] + 1e-9).all()

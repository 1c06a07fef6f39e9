"""Confidences of responses, and votes by them, against the papers' formulas and all choices of N."""

from __future__ import annotations

import json
from itertools import combinations, pairwise, permutations
from math import exp, log
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reading import too_long
from tests.test_engines_checkpoint import make_checkpoint
from tests.test_headline import outcomes as made_outcomes
from ttstudy.analysis.accuracy import accuracy_table
from ttstudy.analysis.choice import grids
from ttstudy.analysis.confidence import confidence as beside_majority
from ttstudy.analysis.definitions import StudyTables
from ttstudy.data import recorded, tables
from ttstudy.data.tables import TableError
from ttstudy.kinds import estimators
from ttstudy.kinds.confidences import CONFIDENCES, STORED, Tokens
from ttstudy.kinds.votes import VOTES
from ttstudy.kinds.votes.borda import POWER
from ttstudy.methods import confidence, outcomes, voting
from ttstudy.policies.openai import read_answer
from ttstudy.policies.opening import open_engine
from ttstudy.policies.protocol import Request, Sampling
from ttstudy.policies.sampling import draw
from ttstudy.report.sections.confidence import SECTION
from ttstudy.study import from_mapping
from ttstudy.study.sampling import SamplingSettings, TokenConfidence

K, GROUP = 5, 4


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    shape = {"hidden": 32, "layers": 2, "heads": 2, "head_dim": 16, "feed_forward": 64}
    return make_checkpoint(tmp_path_factory.mktemp("policy"), **shape)


@pytest.fixture(scope="module")
def engine(checkpoint):
    return open_engine(checkpoint)


def asked(count: int = 24, likeliest: int = K) -> list[Request]:
    return [
        Request(tuple(range(40, 43 + i % 5)), Sampling(0.9, 0.95, 0, 3 + i, likeliest=likeliest), seed=i)
        for i in range(count)
    ]


def published(logits: torch.Tensor, tokens: list[int]) -> dict[str, float]:
    """The papers' formulas, term by term, of one response's logits [T, V]."""
    certainties, peaks = [], []
    for row in logits.double():
        probabilities = torch.softmax(row, 0).tolist()
        vocabulary = len(probabilities)
        certainties.append(-sum(log(vocabulary * p) for p in probabilities) / vocabulary)
        peaks.append(-sum(log(p) for p in sorted(probabilities, reverse=True)[:K]) / K)
    groups = [sum(peaks[i : i + GROUP]) / GROUP for i in range(len(peaks) - GROUP + 1)] or [sum(peaks) / len(peaks)]
    lowest = sorted(groups)[: max(1, int(len(groups) * 0.1))]
    drawn = [torch.log_softmax(row, 0)[token].item() for row, token in zip(logits.double(), tokens, strict=True)]
    return {
        "logprob_mean": sum(drawn) / len(drawn),
        "logprob_sum": sum(drawn),
        "self_certainty": sum(certainties) / len(certainties),
        "bottom_group": sum(lowest) / len(lowest),
        "lowest_group": min(groups),
        "tail_group": sum(peaks[-GROUP:]) / len(peaks[-GROUP:]),
    }


def known(completion) -> dict[str, float]:
    """Every confidence of a completion, as a pool keeps and reads it."""
    tokens = Tokens(completion.certainties, completion.peaks)
    columns = {"logprob": np.array([sum(completion.logprobs)]), "response_tokens": np.array([completion.tokens])}
    return {
        name: float(kind.of_columns(columns)[0]) if kind.of_columns else kind.of_tokens(tokens, GROUP)
        for name, kind in CONFIDENCES.items()
    }


def test_each_confidence_is_the_papers_formula_on_the_logits_of_a_model(checkpoint, engine):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    for request, completion in zip(asked(), engine.generate(asked()), strict=True):
        with torch.no_grad():
            logits = model(torch.tensor([[*request.prompt, *completion.ids]])).logits[0]
        wanted = published(logits[len(request.prompt) - 1 : -1], list(completion.ids))
        assert known(completion) == pytest.approx(wanted, rel=2e-4), request


def test_what_is_told_of_a_token_hangs_on_no_batch_and_changes_no_token(engine):
    together = engine.generate(asked())
    alone = [engine.generate([request])[0] for request in asked()]
    assert together == alone
    mixed = engine.generate([*asked(12), *asked(24, likeliest=9)[12:]])
    assert mixed[:12] == together[:12] and mixed[12].peaks != together[12].peaks
    silent = engine.generate(asked(likeliest=0))
    assert [each.ids for each in silent] == [each.ids for each in together]
    assert [each.logprobs for each in silent] == [each.logprobs for each in together]
    assert silent[0].certainties is silent[0].peaks is None


def test_the_engine_of_any_architecture_tells_the_same(checkpoint, engine):
    from ttstudy.models.checkpoint import read_config
    from ttstudy.policies.hf import TransformersModel

    plain = open_engine(checkpoint)
    plain.network = None
    plain._model = TransformersModel(checkpoint, read_config(checkpoint), torch.float32, "cpu")
    for one, other in zip(engine.generate(asked(6)), plain.generate(asked(6)), strict=True):
        assert one.ids == other.ids
        assert one.certainties == pytest.approx(other.certainties, rel=1e-3)
        assert one.peaks == pytest.approx(other.peaks, rel=1e-3)


# -- from the engine to the table --------------------------------------------------------------------------------


def spec(**changes):
    sampling = SamplingSettings(temperature=0.9, max_tokens=20)
    asked = {"prompt": "plain", "thinking": "template", "sampling": sampling}
    values = asked | {"seeds": (0, "b", "p"), "pool": "samples", "confidence": None}
    values |= {"stop": (), "system": None, "examples": []}
    return SimpleNamespace(**values | changes)


PROBLEMS = pd.DataFrame({"problem_id": ["a", "b"], "problem": ["1+1?", "2+2?"]})


def test_a_pool_keeps_confidences_where_the_study_asks_for_them_and_is_else_as_it_was(engine):
    plain = draw(engine, PROBLEMS, range(3), spec())
    sure = draw(engine, PROBLEMS, range(3), spec(confidence=TokenConfidence(likeliest=K, group=GROUP)))
    assert [name for name in sure if name not in plain] == list(STORED)
    pd.testing.assert_frame_equal(sure[list(plain)], plain)
    assert np.isfinite(sure[list(STORED)].to_numpy()).all()
    assert list(tables.check("responses", sure)) == list(sure)
    with pytest.raises(TableError, match="high"):
        tables.check("responses", sure.assign(self_certainty="high"))


def test_a_pool_of_which_one_block_keeps_a_confidence_does_not_know_it(engine, tmp_path):
    asked_for = TokenConfidence(likeliest=K, group=GROUP)
    files = []
    for number, sure in enumerate([asked_for, asked_for, None]):
        block = draw(engine, PROBLEMS, range(2 * number, 2 * number + 2), spec(confidence=sure))
        files.append(SimpleNamespace(path=tmp_path / f"{number}.parquet"))
        tables.write("responses", block, files[-1].path)
    common = [*confidence.KEYS, "logprob_mean", "logprob_sum"]
    assert list(confidence.of(tables.joined("responses", files[:2], confidence.COLUMNS))) == [*common, *STORED]
    assert list(confidence.of(tables.joined("responses", files, confidence.COLUMNS))) == common


def test_a_study_that_keeps_confidences_draws_its_pools_in_folders_of_their_own(tmp_path):
    from tests.studies import smoke
    from ttstudy.dag.layout import jobs, open_layout

    def pools(config):
        every = jobs(open_layout(from_mapping(config), tmp_path))
        return {(job.spec.policy.path, job.spec.pool, *job.spec.block): job.spec.product
                for job in every if job.rule == "sample"}  # fmt: skip

    before, config = pools(smoke()), smoke()
    assert pools(smoke(budgets=smoke()["budgets"] | {"confidence": [2, 8]})) == before
    config["sampling"]["confidence"] = {"group": 16}
    after = pools(config)
    assert {key[1] for key in before if before[key] != after[key]} == {"samples"}


def test_an_endpoint_tells_deepconfs_confidence_and_not_self_certainty():
    likeliest = [{"token": "x", "logprob": value} for value in (-0.1, -2.5, -9999.0)]
    content = [{"token": "x", "logprob": -0.1, "top_logprobs": likeliest}, {"token": "y", "logprob": -1.0}]
    body = {"choices": [{"message": {"content": "xy"}, "finish_reason": "stop", "logprobs": {"content": content[:1]}}]}
    answer = read_answer(json.dumps(body).encode())
    assert answer.peaks == pytest.approx([1.3])  # what is no log-probability is left out
    tokens = Tokens(None, answer.peaks)
    found = {name: CONFIDENCES[name].of_tokens(tokens, GROUP) for name in STORED}
    assert found == {"self_certainty": None} | dict.fromkeys(STORED[1:], pytest.approx(1.3))
    body["choices"][0]["logprobs"]["content"] = content  # of one token it says nothing: then of none
    assert read_answer(json.dumps(body).encode()).peaks is None


def test_recorded_responses_may_bring_confidences(tmp_path):
    rows = [
        {"problem_id": "a", "problem": "1+1?", "answer": "2", "sample": k, "response": "2", "self_certainty": 3.5 + k}
        for k in range(3)
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found, account = recorded.load(path)
    assert not account.unused and "tail_group" not in found
    pool = recorded.responses(found, ["a"], "samples", (0, 1), 1, 2)
    assert pool["self_certainty"].tolist() == [4.5, 5.5]
    path.write_text(json.dumps(rows[0] | {"self_certainty": "high"}) + "\n")
    with pytest.raises(Exception, match="row 1: self_certainty is 'high', not a number"):
        recorded.load(path)


# -- votes -------------------------------------------------------------------------------------------------------


@st.composite
def problems(draw):
    """(correct, class, log-weight) of up to 6 responses, with blanks, ties and weights that underflow."""
    size = draw(st.integers(1, 6))
    classes = np.array(draw(st.lists(st.integers(-1, 2), min_size=size, max_size=size)))
    values = st.sampled_from([-2000.0, -1999.0, -3.0, -2.0, -0.5, 0.7])
    scores = np.array(draw(st.lists(values, min_size=size, max_size=size)))
    return (classes == 0) | (classes == draw(st.integers(0, 3))) & (classes >= 0), classes, scores


def winners(weights: dict[int, float], correct, classes) -> float:
    best = max(weights.values(), default=0)
    won = [c for c, weight in weights.items() if weight >= best - 1e-9 * abs(best)]
    return float(np.mean([correct[classes == c][0] for c in won])) if won else 0.0


def weighted(correct, classes, scores, chosen) -> float:
    """Each answer's sum of exp(log-weight), as shares of the largest."""
    chosen = [i for i in chosen if classes[i] >= 0]
    top = max((scores[i] for i in chosen), default=0)
    weights: dict[int, float] = {}
    for i in chosen:
        weights[classes[i]] = weights.get(classes[i], 0.0) + exp(scores[i] - top)
    return winners(weights, correct, classes)


def surest(correct, classes, scores, chosen) -> float:
    chosen = [i for i in chosen if classes[i] >= 0]
    top = max((scores[i] for i in chosen), default=0)
    return float(np.mean([correct[i] for i in chosen if scores[i] == top])) if chosen else 0.0


def borda(correct, classes, scores, chosen) -> float:
    """v(r) = (N - r + 1) ** p by rank r; of equal ones, each gets the mean over all orders that they can have."""
    points = dict.fromkeys(chosen, 0.0)
    orders = [order for order in permutations(chosen) if all(scores[a] >= scores[b] for a, b in pairwise(order))]
    for order in orders:
        for rank, i in enumerate(order, 1):
            points[i] += (len(order) - rank + 1) ** POWER / len(orders)
    weights: dict[int, float] = {}
    for i in chosen:
        if classes[i] >= 0:
            weights[classes[i]] = weights.get(classes[i], 0.0) + points[i]
    return winners(weights, correct, classes)


@settings(max_examples=80, deadline=None)
@given(problems(), st.data())
def test_every_vote_by_confidence_equals_enumeration_of_all_subsets(problem, data):
    correct, classes, scores = problem
    n = data.draw(st.integers(1, len(correct)))
    pool = voting.Pool(["p"], correct[None], classes[None], {"logprob_sum": scores[None]})
    found = voting.values(pool, [n], "confidence").set_index("vote")["value"].to_dict()
    naive = {"confidence_vote": weighted, "confidence_max": surest, "borda": borda}
    subsets = list(combinations(range(len(correct)), n))
    assert found == {
        name: pytest.approx(np.mean([rule(*problem, chosen) for chosen in subsets]), abs=1e-9)
        for name, rule in naive.items()
    }


def test_borda_points_of_power_zero_are_the_majority_vote(monkeypatch):
    rng = np.random.default_rng(0)
    classes = rng.integers(-1, 3, (10, 6))
    responses = estimators.Responses(classes == 0, classes, rng.random((10, 6)), None, 6)
    subsets = estimators.Subsets(6, [3, 5], 64, 0)
    monkeypatch.setattr("ttstudy.kinds.votes.borda.POWER", 0)
    votes = [estimators.estimated(responses, VOTES[name].weights, subsets) for name in ("borda", "majority")]
    assert votes[0] == pytest.approx(votes[1])


def pooled(**columns) -> pd.DataFrame:
    frame = pd.DataFrame({"problem_id": ["a"] * 4, "sample": range(4), "response_tokens": [10, 20, 5, 8]})
    return frame.assign(**{"logprob": [-1.0, -8.0, -3.0, -2.0]} | columns)


def test_a_response_weighs_its_probability_the_mean_of_its_tokens_or_its_confidence():
    found = confidence.of(pooled(self_certainty=[2.0, 3.0, 0.0, 8.0]))
    assert np.exp(found["logprob_mean"]).tolist() == pytest.approx([exp(-0.1), exp(-0.4), exp(-0.6), exp(-0.25)])
    assert np.exp(found["logprob_sum"]).tolist() == pytest.approx([exp(-1), exp(-8), exp(-3), exp(-2)])
    assert np.exp(found["self_certainty"]).tolist() == pytest.approx([2, 3, 0, 8])


def test_what_is_not_known_of_every_response_is_left_out():
    whole = [*confidence.KEYS, "logprob_mean", "logprob_sum"]
    assert list(confidence.of(pooled(tail_group=[1.0, None, 1.0, 1.0]))) == whole
    assert list(confidence.of(pooled(logprob=[-1.0, np.nan, -1.0, -1.0]))) == list(confidence.KEYS)
    grades = pd.DataFrame({"problem_id": ["a"] * 4, "sample": range(4), "canonical": list("xyxx"), "correct": True})
    nothing = confidence.of(pooled(logprob=None))
    values = outcomes.of_pool(grades, {}, {"majority": [2], "confidence": [2]}, ["a"], 0, nothing)
    assert [method for method, _, _ in values] == ["coverage", "majority"]
    values = outcomes.of_pool(grades, {}, {"majority": [2], "confidence": [2]}, ["a"], 0, confidence.of(pooled()))
    (table,) = [frame for method, prm, frame in values if (method, prm) == ("confidence", "none")]
    assert set(table["score"]) == {"logprob_mean", "logprob_sum"}
    assert set(table["vote"]) == {"confidence_vote", "confidence_max", "borda"}


# -- beside the majority vote ------------------------------------------------------------------------------------

RIGHT = {  # of ten problems, how many are right
    ("p", "none", "majority", 4, "none", "majority"): 5,
    ("p", "none", "confidence", 4, "logprob_sum", "confidence_vote"): 9,
    ("p", "none", "confidence", 4, "logprob_sum", "borda"): 4,
    ("p", "none", "confidence", 8, "logprob_sum", "borda"): 6,  # no majority vote of 8
}


def studied(values: dict) -> StudyTables:
    found = [(name, budget) for name in ("p", "q") for budget in (4, 8)]
    ledger = pd.DataFrame([
        {"benchmark": "toy", "policy": name, "prm": "none", "method": "confidence", "budget": budget,
         "policy_parameters": 1e6, "prm_parameters": None}
        for name, budget in found
    ])  # fmt: skip
    made = made_outcomes({cell: (np.arange(10) < right).astype(float) for cell, right in values.items()})
    return StudyTables({"outcomes": made, "ledger": ledger, "accuracy": accuracy_table(made)})


def test_each_vote_is_held_against_the_majority_of_as_many_and_what_is_missing_has_a_row():
    frame = tables.check("confidence", beside_majority(studied(RIGHT)))
    told = frame[frame["accuracy"].notna()]
    columns = ["policy", "budget", "score", "vote", "accuracy", "majority", "difference"]
    assert told[columns].replace(np.nan, None).values.tolist() == [
        ["p", 4, "logprob_sum", "confidence_vote", 0.9, 0.5, pytest.approx(0.4)],
        ["p", 4, "logprob_sum", "borda", 0.4, 0.5, pytest.approx(-0.1)],
        ["p", 8, "logprob_sum", "borda", 0.6, None, None],
    ]
    lacking = {name: set(part["score"]) for name, part in frame[frame["accuracy"].isna()].groupby("policy")}
    assert lacking == {"p": set(CONFIDENCES) - {"logprob_sum"}, "q": set(CONFIDENCES)}


def test_the_page_says_what_confidence_votes_gain_and_which_were_not_stored():
    def page(values):
        study = studied(values)
        known = dict(study.tables) | {"confidence": beside_majority(study)}
        section = SECTION.on_page("confidence", SimpleNamespace(study=StudyTables(known)), {})
        assert too_long(f"<p>{section.finding}</p><p>{section.method}") == []
        return section

    told = page(RIGHT)
    leads = "Log-probability, vote is +40.0 points from it on average. Log-probability, Borda is -10.0 points"
    assert leads in page(dict(list(RIGHT.items())[:3])).finding
    assert "Not stored with the responses of q, so not shown: mean log-probability, log-probability," in told.finding
    assert told.blocks[0].figure is None and len(told.blocks[0].table.frame) == 3
    nothing = page({("p", "none", "majority", 4, "none", "majority"): 5})
    assert nothing.finding.startswith("Confidence votes were asked for. Not stored with the responses of any policy")
    assert not nothing.blocks
    assert SECTION.on_page("confidence", SimpleNamespace(study=StudyTables({})), {}) is None


def test_confidence_votes_are_no_strategys_choice():
    cells = RIGHT | {("p", "judge", "best_of_n", 4, "last", "prm_vote"): 5}
    values = made_outcomes({cell: (np.arange(10) < right).astype(float) for cell, right in cells.items()})
    (grid,) = grids(values)
    assert [theta[0] for theta in grid.thetas] == ["majority", "best_of_n"]

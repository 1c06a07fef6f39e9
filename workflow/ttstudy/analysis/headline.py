"""What the study is about, as tables: small with TTS against large without, gains, fronts, best methods, PRMs, votes.

The words are those of `ttstudy.analysis.definitions`. Every row tells its PRM, so nothing here depends on which of them
a report shows first but the column `reference` of `headline`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ttstudy.analysis import definitions, statistics
from ttstudy.analysis.choice import Grid, compute_optimal, grids
from ttstudy.analysis.confidence import confidence
from ttstudy.analysis.contamination import contamination
from ttstudy.analysis.definitions import CELL, CURVES, StudyTables
from ttstudy.analysis.flops import pareto
from ttstudy.analysis.leads import best_methods, prm_effect, votes
from ttstudy.analysis.matched import fronts, matched

Prices = dict[tuple[str, str, str, str, int], float]
"""FLOPs of one problem by (benchmark, policy, prm, method, budget); missing where not known."""


def tables(
    study: StudyTables, published: Mapping[str, str] | None = None, cutoffs: Mapping[str, str] | None = None
) -> dict[str, pd.DataFrame]:
    """All of them by name, from accuracy, outcomes, ledger, training, strategy and efficiency; any may be empty.

    `published` and `cutoffs`: see `ttstudy.analysis.contamination`.
    """
    points = frontier(study)
    return {
        "headline": headline(study),
        "frontier": points,
        "gains": gains(study, points),
        "best_methods": best_methods(study),
        "prm_effect": prm_effect(study),
        "votes": votes(study),
        "matched": matched(study),
        "fronts": fronts(study),
        "confidence": confidence(study),
        "contamination": contamination(study, published or {}, cutoffs or {}),
    }


# -- small against large -----------------------------------------------------------------------------------------------

HEADLINE = [
    *("benchmark", "prm", "reference", "policy", "larger", "ratio", "method", "budget", "problems", "alone", "tts"),
    *("cot", "difference", "low", "high", "p", "p_holm", "ahead", "won", "tts_flops", "cot_flops"),
]


def headline(study: StudyTables) -> pd.DataFrame:
    """Each policy with TTS against its own single answer and that of every larger one, problem by problem.

    TTS is at each (policy, PRM)'s largest N, and cross-fitted, so the difference is not the best of many looks.
    Columns (`HEADLINE`): ratio of parameters; method chosen most often; problems that both sides have; accuracies of
    the policy's own single answer (alone), of its TTS (tts) and of the single answer that it is held against (cot);
    difference (tts - cot), low, high, p; p_holm over all pairs of different size of a benchmark and PRM, missing where
    a policy meets itself; ahead (alone above cot: nothing is left for TTS to overcome); won; FLOPs per problem of the
    dearest method that is chosen, and of the single answer.
    """
    outcomes, prices = study.table("outcomes"), _prices(study)
    if not len(outcomes):
        return pd.DataFrame(columns=HEADLINE)
    singles = study.single(outcomes).groupby(["benchmark", "policy"])
    greedy = {(str(b), str(p)): part.set_index("problem_id")["value"] for (b, p), part in singles}
    guided = outcomes[outcomes["prm"] != "none"]
    last = guided[guided["budget"] == guided.groupby(["benchmark", "policy", "prm"])["budget"].transform("max")]
    rows = []
    for grid in grids(pd.concat([last, outcomes[outcomes["prm"] == "none"]])):
        rows += _contests(study, grid, greedy, prices)
    frame = pd.DataFrame(rows)
    if not len(frame):
        return pd.DataFrame(columns=HEADLINE)
    own = frame["policy"] == frame["larger"]
    frame["p_holm"] = np.nan
    for _, group in frame[~own].groupby(["benchmark", "prm"], sort=False):
        frame.loc[group.index, "p_holm"] = statistics.holm(group["p"].tolist())
    key = ["benchmark", "prm", "policy"]
    alone = frame[own].set_index(key)["cot"]
    frame["alone"] = alone.reindex(pd.MultiIndex.from_frame(frame[key])).to_numpy()
    frame["ahead"] = frame["alone"] > frame["cot"]
    frame["won"] = definitions.won(frame)
    frame["reference"] = frame["prm"] == study.reference_prm
    return frame[HEADLINE]


def _contests(
    study: StudyTables, grid: Grid, greedy: Mapping[tuple[str, str], pd.Series], prices: Prices
) -> list[dict[str, Any]]:
    """A policy with a PRM at its largest N against itself and every larger policy."""
    benchmark, policy, prm = (str(grid.cell[name]) for name in ("benchmark", "policy", "prm"))
    budget, size = int(str(grid.cell["budget"])), study.parameters.get(policy, 0)
    best = compute_optimal(grid.values, grid.levels, study.seed)
    tts = pd.Series(best.values, index=grid.problem_ids)
    share = pd.Series(best.chosen.sum(axis=0)).groupby([theta[0] for theta in grid.thetas]).sum()
    paid = [prices.get((benchmark, policy, p, m, budget)) for m in share.index[share > 0] for p in (prm, "none")]
    pairs = []
    for larger in study.policies:
        other = study.parameters.get(larger, 0)
        if (benchmark, larger) not in greedy or (larger != policy and not 0 < size < other):
            continue
        both = pd.concat([tts, greedy[benchmark, larger]], axis=1, keys=["tts", "cot"], join="inner").astype(float)
        if len(both):
            pairs.append((larger, other, both))
    gaps = _gaps([both for *_, both in pairs], study.seed, best.extra)
    return [
        {
            "benchmark": benchmark, "prm": prm, "policy": policy, "larger": larger,
            "ratio": other / size if size else np.nan, "method": share.idxmax(), "budget": budget,
            "problems": len(both), "tts": both["tts"].mean(), "cot": both["cot"].mean(), **gap._asdict(),
            "tts_flops": max((v for v in paid if v is not None), default=np.nan),
            "cot_flops": prices.get((benchmark, larger, "none", "cot", 1), np.nan),
        }
        for (larger, other, both), gap in zip(pairs, gaps, strict=True)
    ]  # fmt: skip


def _gaps(pairs: list[pd.DataFrame], seed: int, extra: float) -> list[statistics.Paired]:
    """Paired difference of `tts` and `cot` of each frame; those over equally many problems share their resamples."""
    out: dict[int, statistics.Paired] = {}
    for size in {len(both) for both in pairs}:
        same = [k for k, both in enumerate(pairs) if len(both) == size]
        tts, cot = (np.column_stack([pairs[k][side] for k in same]) for side in ("tts", "cot"))
        found = statistics.paired_difference(tts, cot, seed=seed, extra=extra)
        fields = zip(*(np.atleast_1d(field).tolist() for field in found), strict=True)
        out.update(zip(same, (statistics.Paired(*values) for values in fields), strict=True))
    return [out[k] for k in range(len(pairs))]


def _prices(study: StudyTables) -> Prices:
    ledger = study.table("ledger")
    if not len(ledger):
        return {}
    found = definitions.per_problem(ledger)[[*CELL, "flops_total"]]
    return {(b, p, prm, m, int(n)): float(flops) for b, p, prm, m, n, flops in found.itertuples(index=False)}


# -- accuracy against compute ------------------------------------------------------------------------------------------

FRONTIER = [
    *("benchmark", "guide", "policy", "kind", "prm", "method", "budget"),
    *("accuracy", "low", "high", "flops", "pareto"),
]


def frontier(study: StudyTables) -> pd.DataFrame:
    """For each PRM (`guide`; "none" without one), every policy's single answer and its TTS, against FLOPs per problem.

    A `mixed` choice is charged with the costliest of the methods it could mean. Columns (`FRONTIER`): kind (cot | tts);
    flops, missing where not known; pareto, of the points of a guide whose FLOPs are known: none is as cheap and better.
    """
    greedy = study.answered
    if not len(study.table("ledger")) or not len(greedy):
        return pd.DataFrame(columns=FRONTIER)
    prices = {key: price for key, price in _prices(study).items() if not np.isnan(price)}
    strategy = study.table("strategy")
    chosen = definitions.tts(strategy) if len(strategy) else pd.DataFrame(columns=["prm"])
    parts = []
    for guide in study.prms or ["none"]:
        rows = [greedy.assign(kind="cot", prm="none", method="cot", budget=1)]
        if len(mine := chosen[chosen["prm"] == guide]):
            rows.append(mine.assign(kind="tts"))
        points = pd.concat([part[[c for c in FRONTIER if c in part]] for part in rows], ignore_index=True)
        parts.append(points.assign(guide=guide))
    frame = pd.concat(parts, ignore_index=True)
    frame["flops"] = [_price(prices, row) for row in frame.itertuples(index=False)]
    frame["pareto"] = False
    for _, group in frame.dropna(subset=["flops"]).groupby(["benchmark", "guide"], sort=False):
        frame.loc[pareto(group, "flops").index, "pareto"] = True
    return frame[FRONTIER]


def _price(prices: Prices, row: Any) -> float:
    """FLOPs per problem of a point of the front; the dearest method's where a choice is mixed."""
    if row.method != "mixed":
        keys = [(row.benchmark, row.policy, prm, row.method, row.budget) for prm in (row.prm, "none")]
        return next((prices[key] for key in keys if key in prices), np.nan)
    return max(
        (
            price
            for (benchmark, policy, prm, method, budget), price in prices.items()
            if (benchmark, policy, budget) == (row.benchmark, row.policy, row.budget)
            and prm in (row.prm, "none") and method in CURVES
        ),
        default=np.nan,
    )  # fmt: skip


# -- gains -------------------------------------------------------------------------------------------------------------

GAINS = [
    *("benchmark", "policy", "prm", "parameters", "cot", "cot_low", "cot_high", "majority", "majority_low"),
    *("majority_high", "majority_budget", "budget", "tts", "tts_low", "tts_high", "gain", "efficiency"),
    *("efficiency_kind", "efficiency_low", "efficiency_high"),
]


def gains(study: StudyTables, points: pd.DataFrame) -> pd.DataFrame:
    """Single answer, majority and TTS of each policy and PRM, at the largest N of each; `points` is `frontier`.

    `gain` is relative (TTS / CoT - 1, as the paper counts), missing where CoT is 0. `efficiency` is that of the
    efficiency table (authors' rule), with its kind and interval; missing where there is none. `majority_budget` is 0
    where no majority was voted.
    """
    guided = points[points["kind"] == "tts"]
    if not len(guided):
        return pd.DataFrame(columns=GAINS)
    accuracy = study.table("accuracy")
    plain = accuracy[(accuracy["level"] == "all") & (accuracy["method"] == "majority")].sort_values("budget")
    vote = {key: rows.iloc[-1] for key, rows in plain.groupby(["benchmark", "policy"])}
    greedy = {(row.benchmark, row.policy): row for row in study.answered.itertuples(index=False)}
    rows = []
    for (benchmark, policy, prm), mine in guided.sort_values("budget").groupby(["benchmark", "policy", "guide"]):
        if (benchmark, policy) not in greedy:
            continue
        one, top, best = greedy[benchmark, policy], mine.iloc[-1], vote.get((benchmark, policy))
        rows.append({
            "benchmark": benchmark, "policy": policy, "prm": prm, "parameters": one.parameters,
            "cot": one.accuracy, "cot_low": one.low, "cot_high": one.high,
            "majority": np.nan if best is None else best["accuracy"],
            "majority_low": np.nan if best is None else best["low"],
            "majority_high": np.nan if best is None else best["high"],
            "majority_budget": 0 if best is None else int(best["budget"]),
            "budget": int(top["budget"]), "tts": top["accuracy"], "tts_low": top["low"], "tts_high": top["high"],
            "gain": top["accuracy"] / one.accuracy - 1 if one.accuracy > 0 else np.nan,
        })  # fmt: skip
    frame, known = pd.DataFrame(rows), study.table("efficiency")
    if not len(frame) or not len(known):
        return frame.reindex(columns=GAINS)
    names = {"value": "efficiency", "kind": "efficiency_kind", "low": "efficiency_low", "high": "efficiency_high"}
    key = ["benchmark", "policy", "prm"]
    return frame.merge(known[[*key, *names]].rename(columns=names), on=key, how="left")[GAINS]

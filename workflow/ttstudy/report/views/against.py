"""Accuracy against size, N and compute, and beside what was published."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ttstudy.analysis import statistics
from ttstudy.analysis.choice import choice_variance, cross_fit, grids
from ttstudy.analysis.flops import pareto
from ttstudy.report.views.tables import CELL, CURVES, StudyTables, ordered


def cot(study: StudyTables) -> pd.DataFrame:
    """Accuracy of the single answer (see `StudyTables.singles`).

    Columns: benchmark, policy, parameters (missing where not known), problems, accuracy, low, high.
    """
    frame = study.table("accuracy")
    if not len(frame):
        return pd.DataFrame()
    frame = study.single(frame[frame["level"] == "all"])
    frame = frame.assign(parameters=frame["policy"].map(study.parameters))
    columns = ["benchmark", "policy", "parameters", "problems", "accuracy", "low", "high"]
    return ordered(study, frame)[columns]


def scaling(study: StudyTables) -> pd.DataFrame:
    """Accuracy against N under the headline rule: cell, problems, accuracy, low, high."""
    frame = study.headline(study.table("accuracy"))
    if not len(frame):
        return pd.DataFrame()
    frame = frame[(frame["level"] == "all") & frame["method"].isin([*CURVES, "coverage"])]
    return ordered(study, frame)[[*CELL, "problems", "accuracy", "low", "high"]]


def costs(study: StudyTables) -> pd.DataFrame:
    """The ledger per problem: tokens and FLOPs of one problem, and total over paper's count."""
    frame = study.table("ledger")
    if not len(frame):
        return pd.DataFrame()
    frame = ordered(study, frame).copy()
    amounts = [c for c in frame if c.endswith(("tokens", "positions")) or c.startswith(("flops_", "prm_tokens"))]
    frame[amounts] = frame[amounts].astype(float).div(frame["problems"].clip(lower=1), axis=0)
    frame["over_paper"] = frame["flops_total"] / frame["flops_paper"].where(frame["flops_paper"] > 0)
    return frame


def frontier(study: StudyTables, unpriced: bool = False) -> pd.DataFrame:
    """The headline: CoT of every policy, and TTS with the reference PRM, against FLOPs per problem.

    TTS is the cross-fitted strategy (method chosen on other problems); without a strategy table it is best-of-N.
    A `mixed` choice is charged with the costliest of the methods it could mean. Columns: benchmark, policy, kind
    (cot|tts), prm, method, budget, flops, accuracy, low, high, pareto. Points whose FLOPs are not known are left out,
    or with `unpriced` all are there and no front is drawn.
    """
    ledger, greedy, prm = costs(study), cot(study), study.reference_prm
    if not len(ledger) or not len(greedy):
        return pd.DataFrame()
    rows = [greedy.assign(kind="cot", prm="none", method="cot", budget=1)]
    strategy = study.table("strategy")
    if prm and len(strategy):
        chosen = strategy[
            (strategy["selection"] == "cross_fitted") & (strategy["level"] == "all") & (strategy["prm"] == prm)
        ]
        rows.append(chosen.assign(kind="tts"))
    elif prm:
        curves = scaling(study)
        rows.append(curves[(curves["prm"] == prm) & (curves["method"] == "best_of_n")].assign(kind="tts"))
    columns = ["benchmark", "policy", "kind", "prm", "method", "budget", "accuracy", "low", "high"]
    points = pd.concat([part[columns] for part in rows], ignore_index=True)
    known = ledger[[*CELL, "flops_total"]].dropna()
    price = {tuple(row[:5]): row[5] for row in known.itertuples(index=False)}

    def flops(row: Any) -> float:
        if row.method != "mixed":
            keys = [(row.benchmark, row.policy, p, row.method, row.budget) for p in (row.prm, "none")]
            return next((price[key] for key in keys if key in price), np.nan)
        return max((v for k, v in price.items() if k[:2] + k[4:] == (row.benchmark, row.policy, row.budget)
                    and k[2] in (row.prm, "none") and k[3] in CURVES), default=np.nan)  # fmt: skip

    points["flops"] = [flops(row) for row in points.itertuples(index=False)]
    points["pareto"] = False
    if unpriced:
        return ordered(study, points)
    points = points.dropna(subset=["flops"])
    for _, group in points.groupby("benchmark", sort=False):
        points.loc[pareto(group, "flops").index, "pareto"] = True
    return ordered(study, points)


def matrix(study: StudyTables) -> pd.DataFrame:
    """Each policy with TTS against its own CoT and that of every larger one, problem by problem.

    TTS is the compute-optimal strategy of the strategy table's `cross_fitted` rows, at each (policy, PRM)'s largest N,
    so the difference is not the best of many looks. Columns: benchmark, prm, policy, larger, ratio (of parameters),
    method (chosen most often), budget, problems, tts, cot, difference, low, high, p, p_holm (over all pairs of
    different size of a benchmark and PRM), tts_flops (dearest method that is chosen), cot_flops.
    """
    outcomes, ledger = study.table("outcomes"), costs(study)
    if not len(outcomes):
        return pd.DataFrame()
    price = {tuple(r[:5]): r[5] for r in ledger[[*CELL, "flops_total"]].itertuples(index=False)} if len(ledger) else {}
    plain = study.single(outcomes)
    greedy = {key: part.set_index("problem_id")["value"] for key, part in plain.groupby(["benchmark", "policy"])}
    guided = outcomes[outcomes["prm"] != "none"]
    last = guided[guided["budget"] == guided.groupby(["benchmark", "policy", "prm"])["budget"].transform("max")]
    rows = []
    for grid in grids(pd.concat([last, outcomes[outcomes["method"] == "majority"]])):
        benchmark, policy, prm = (str(grid.cell[name]) for name in ("benchmark", "policy", "prm"))
        budget = int(str(grid.cell["budget"]))
        fitted, chosen = cross_fit(grid.values, grid.levels, seed=study.seed)
        extra = choice_variance(grid.values, grid.levels, fitted, seed=study.seed)
        tts = pd.Series(fitted, index=grid.problem_ids)
        share = pd.Series(chosen.sum(axis=0)).groupby([theta[0] for theta in grid.thetas]).sum()
        prices = [price.get((benchmark, policy, p, m, budget)) for m in share.index[share > 0] for p in (prm, "none")]
        size = study.parameters.get(policy, 0)
        pairs = []
        for larger in study.policies:
            other = study.parameters.get(larger, 0)
            if (benchmark, larger) not in greedy or (larger != policy and not 0 < size < other):
                continue
            both = pd.concat([tts, greedy[benchmark, larger]], axis=1, keys=["tts", "cot"], join="inner").astype(float)
            if len(both):
                pairs.append((larger, other, both))
        gaps = _gaps([both for *_, both in pairs], study.seed, extra)
        for (larger, other, both), gap in zip(pairs, gaps, strict=True):
            rows.append({
                "benchmark": benchmark, "prm": prm, "policy": policy, "larger": larger,
                "ratio": other / size if size else np.nan, "method": share.idxmax(), "budget": budget,
                "problems": len(both), "tts": both["tts"].mean(), "cot": both["cot"].mean(), **gap._asdict(),
                "tts_flops": max((v for v in prices if v is not None), default=np.nan),
                "cot_flops": price.get((benchmark, larger, "none", "cot", 1), np.nan),
            })  # fmt: skip
    frame = pd.DataFrame(rows)
    if not len(frame):
        return frame
    frame["p_holm"] = np.nan
    for _, group in frame[frame["policy"] != frame["larger"]].groupby(["benchmark", "prm"], sort=False):
        frame.loc[group.index, "p_holm"] = statistics.holm(group["p"].tolist())
    return ordered(study, frame)


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


def beside_published(study: StudyTables, published: pd.DataFrame) -> pd.DataFrame:
    """Published accuracies and this study's own on the same benchmarks, best first.

    `published` has model, benchmark, method, where and accuracy. Columns: benchmark, model, what, accuracy, low, high
    (missing for published numbers), source.
    """
    if not len(published) or not published["benchmark"].isin(study.benchmarks).any():
        return pd.DataFrame()
    keys = ["benchmark", "model", "method", "accuracy"]
    theirs = published[published["benchmark"].isin(study.benchmarks)].groupby(keys, sort=False)["where"]
    theirs = theirs.agg(lambda names: ", ".join(dict.fromkeys(names))).reset_index()
    what = theirs["method"].map(_PUBLISHED).fillna("as published")
    theirs = theirs.assign(source="published: " + theirs["where"], what=what)
    ours = [cot(study).rename(columns={"policy": "model"}).assign(what=study.one[0])]
    tts = gains(study)
    if len(tts):
        tts = tts[["benchmark", "policy", "tts", "tts_low", "tts_high", "budget"]].copy()
        tts.columns = ["benchmark", "model", "accuracy", "low", "high", "budget"]
        ours.append(tts.assign(what="TTS, N = " + tts["budget"].astype(str)))
    ours = pd.concat(ours, ignore_index=True).assign(source="this study")
    frame = pd.concat([ours, theirs], ignore_index=True)
    frame = frame.reindex(columns=["benchmark", "model", "what", "accuracy", "low", "high", "source"])
    place = {name: i for i, name in enumerate(study.benchmarks)}
    frame = frame.assign(place=frame["benchmark"].map(place)).sort_values(
        ["place", "accuracy", "model"], ascending=[True, False, True], kind="stable"
    )
    return frame.drop(columns="place").reset_index(drop=True)


_PUBLISHED = {"cot": "CoT", "majority": "majority vote", "tts": "TTS", "trained_reasoner": "trained to reason",
              "reference": "one answer"}  # fmt: skip
"""What a published accuracy is of."""


def gains(study: StudyTables) -> pd.DataFrame:
    """CoT, majority and compute-optimal TTS (cross-fitted, reference PRM) of each policy, at the largest N of each.

    `gain` is relative (TTS / CoT - 1, as the paper counts). `efficiency` is that of the efficiency table (authors'
    rule), with its kind and interval; missing where there is none.
    """
    points, curves, greedy = frontier(study, unpriced=True), scaling(study), cot(study)
    if not len(points) or not len(study.table("strategy")):
        return pd.DataFrame()
    rows = []
    for row in greedy.itertuples(index=False):
        mine = points[(points["benchmark"] == row.benchmark) & (points["policy"] == row.policy)]
        tts = mine[mine["kind"] == "tts"].sort_values("budget")
        vote = curves[
            (curves["benchmark"] == row.benchmark) & (curves["policy"] == row.policy) & (curves["method"] == "majority")
        ]
        if not len(tts):
            continue
        top = tts.iloc[-1]
        out = {
            "benchmark": row.benchmark, "policy": row.policy, "parameters": row.parameters, "prm": top["prm"],
            "cot": row.accuracy, "cot_low": row.low, "cot_high": row.high, "budget": int(top["budget"]),
            "majority": np.nan, "majority_low": np.nan, "majority_high": np.nan, "majority_budget": 0,
            "tts": top["accuracy"], "tts_low": top["low"], "tts_high": top["high"],
            "gain": top["accuracy"] / row.accuracy - 1 if row.accuracy > 0 else np.nan, "efficiency": np.nan,
        }  # fmt: skip
        if len(vote):
            best = vote.sort_values("budget").iloc[-1]
            out |= {
                "majority": best["accuracy"], "majority_low": best["low"], "majority_high": best["high"],
                "majority_budget": int(best["budget"]),
            }  # fmt: skip
        rows.append(out)
    frame, known = pd.DataFrame(rows), study.table("efficiency")
    if not len(frame) or not len(known):
        return frame
    names = {"value": "efficiency", "kind": "efficiency_kind", "low": "efficiency_low", "high": "efficiency_high"}
    key = ["benchmark", "policy", "prm"]
    return frame.drop(columns="efficiency").merge(known[[*key, *names]].rename(columns=names), on=key, how="left")

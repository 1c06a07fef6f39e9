"""What each section of the report shows, as tables made from the study's tables. Accuracies are shares in [0, 1].

Nothing here draws or formats. Every view is a DataFrame that may be empty, in which case its section says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ttstudy.analysis import statistics
from ttstudy.analysis.choice import choice_variance, cross_fit, grids
from ttstudy.analysis.flops import pareto
from ttstudy.vocabulary import LEVELS, SEARCHES

CURVES = ("majority", "best_of_n", *SEARCHES)
"""Methods that draw N candidates, in the order in which they are shown."""
_CELL = ["benchmark", "policy", "prm", "method", "budget"]


@dataclass(frozen=True)
class StudyTables:
    """The tables of a study with what is read off them once: orders, sizes and the headline rule.

    `score` and `vote` are the rule of the headline numbers (`score` and `vote` of the study's configuration); `seed` is
    the study's, so that folds and resamples are those of its tables.
    """

    tables: Mapping[str, pd.DataFrame]
    score: str = "last"
    vote: str = "prm_vote"
    seed: int = 0
    order: Mapping[str, list[str]] = field(default_factory=dict)
    """Order of `policies` and `prms` where sizes and AUC do not give one."""

    def table(self, name: str) -> pd.DataFrame:
        """A table, or an empty one where it is missing."""
        frame = self.tables.get(name)
        return pd.DataFrame() if frame is None else frame

    @cached_property
    def benchmarks(self) -> list[str]:
        """Names, in the order of the accuracy table."""
        frame = self.table("accuracy")
        return list(dict.fromkeys(frame["benchmark"])) if len(frame) else []

    @cached_property
    def parameters(self) -> dict[str, int]:
        """Parameters of every policy and PRM that the ledger or the training log knows."""
        known: dict[str, int] = {}
        ledger, training = self.table("ledger"), self.table("training")
        pairs = [training[["model", "parameters"]]] if len(training) else []
        if len(ledger):
            pairs += [ledger[[kind, f"{kind}_parameters"]].drop_duplicates() for kind in ("policy", "prm")]
        for pair in pairs:
            pair = pair.dropna()
            known.update(zip(pair.iloc[:, 0], pair.iloc[:, 1].astype(int), strict=True))
        return known

    @cached_property
    def singles(self) -> pd.DataFrame:
        """(benchmark, policy, method) of the single answer that test-time scaling is held against.

        That is the greedy response; where none was recorded, one sampled response (majority at N = 1), whose accuracy
        is the mean Pass@1 of the pool.
        """
        frame = self.table("accuracy")
        if not len(frame):
            return pd.DataFrame(columns=["benchmark", "policy", "method"])
        one = frame[(frame["method"] == "cot") | ((frame["method"] == "majority") & (frame["budget"] == 1))]
        one = one[["benchmark", "policy", "method"]].drop_duplicates()
        greedy = one["method"] == "cot"
        keys = ["benchmark", "policy"]
        return one[greedy | ~one.set_index(keys).index.isin(one[greedy].set_index(keys).index)]

    def single(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows of accuracy or outcomes that are of the single answer."""
        rows = frame[(frame["method"] == "cot") | ((frame["method"] == "majority") & (frame["budget"] == 1))]
        return rows.merge(self.singles, on=["benchmark", "policy", "method"])

    @cached_property
    def one(self) -> tuple[str, str]:
        """What the single answer is called: (in headings, in sentences)."""
        methods = set(self.singles["method"])
        if methods == {"majority"}:
            return "Pass@1", "sampled answer"
        return ("CoT or Pass@1", "single answer") if "majority" in methods else ("CoT", "greedy answer")

    @cached_property
    def policies(self) -> list[str]:
        """Smallest first."""
        names = list(dict.fromkeys(self.table("accuracy").get("policy", [])))
        given = {name: i for i, name in enumerate(self.order.get("policies", []))}
        return sorted(names, key=lambda name: (self.parameters.get(name, 0), given.get(name, len(given)), name))

    @cached_property
    def auc(self) -> dict[str, float]:
        """Step AUC of each PRM on its validation rollouts, where the training log has it."""
        frame = self.table("training")
        if not len(frame) or "auc" not in frame:
            return {}
        frame = frame[(frame["kind"] == "prm") & frame["auc"].notna()]
        return dict(zip(frame["model"], frame["auc"].astype(float), strict=True))

    @cached_property
    def prms(self) -> list[str]:
        """By falling AUC where known, else as configured, else by name: never by the accuracy they lead to."""
        names = sorted(set(self.table("accuracy").get("prm", [])) - {"none"})
        given = {name: i for i, name in enumerate(self.order.get("prms", []))}
        return sorted(names, key=lambda name: (-self.auc.get(name, 0), given.get(name, len(given)), name))

    @property
    def reference_prm(self) -> str | None:
        """The PRM of the headline: first of `prms`, so it is not chosen by what is being shown."""
        return self.prms[0] if self.prms else None

    def headline(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows of accuracy or outcomes under the headline rule: one (score, vote) for every method."""
        if not len(frame):
            return frame
        plain = frame["method"].isin(["cot", "majority", "coverage"])
        rule = (frame["score"] == self.score) & (frame["vote"] == self.vote)
        return frame[plain | rule]


def _sorted(study: StudyTables, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows by benchmark, policy size, PRM and method order, then budget."""
    if not len(frame):
        return frame.reset_index(drop=True)
    orders: dict[str, list[str]] = {
        "benchmark": study.benchmarks,
        "policy": study.policies,
        "prm": ["none", *study.prms],
        "larger": study.policies,
        "kind": ["cot", "tts"],
        "method": ["cot", *CURVES, "mixed", "coverage"],
        "level": ["all", *LEVELS],
    }
    budget_first = [name for name in orders if name != "method"] + ["budget", "method"]
    keys = [column for column in (budget_first if "kind" in frame else [*orders, "budget"]) if column in frame]

    def rank(column: pd.Series) -> pd.Series:
        positions = {name: i for i, name in enumerate(orders.get(str(column.name), []))}
        return column.map(positions).fillna(len(positions)) if positions else column

    return frame.sort_values(keys, key=rank, kind="stable").reset_index(drop=True)


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
    return _sorted(study, frame)[columns]


def scaling(study: StudyTables) -> pd.DataFrame:
    """Accuracy against N under the headline rule: cell, problems, accuracy, low, high."""
    frame = study.headline(study.table("accuracy"))
    if not len(frame):
        return pd.DataFrame()
    frame = frame[(frame["level"] == "all") & frame["method"].isin([*CURVES, "coverage"])]
    return _sorted(study, frame)[[*_CELL, "problems", "accuracy", "low", "high"]]


def costs(study: StudyTables) -> pd.DataFrame:
    """The ledger per problem: tokens and FLOPs of one problem, and total over paper's count."""
    frame = study.table("ledger")
    if not len(frame):
        return pd.DataFrame()
    frame = _sorted(study, frame).copy()
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
    known = ledger[[*_CELL, "flops_total"]].dropna()
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
        return _sorted(study, points)
    points = points.dropna(subset=["flops"])
    for _, group in points.groupby("benchmark", sort=False):
        points.loc[pareto(group, "flops").index, "pareto"] = True
    return _sorted(study, points)


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
    price = {tuple(r[:5]): r[5] for r in ledger[[*_CELL, "flops_total"]].itertuples(index=False)} if len(ledger) else {}
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
    return _sorted(study, frame)


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


def prm_effect(study: StudyTables) -> pd.DataFrame:
    """Accuracy at each method's largest N by PRM, less the policy's CoT: cell, auc, accuracy, low, high, cot, gain."""
    curves, greedy = scaling(study), cot(study)
    if not len(curves) or not len(greedy):
        return pd.DataFrame()
    frame = curves[(curves["prm"] != "none") & curves["method"].isin(CURVES)]
    if not len(frame):
        return pd.DataFrame()
    last = frame.groupby(["benchmark", "method"], observed=True)["budget"].transform("max")
    frame = frame[frame["budget"] == last].copy()
    base = {(r.benchmark, r.policy): r.accuracy for r in greedy.itertuples(index=False)}
    frame["cot"] = [base.get((r.benchmark, r.policy), np.nan) for r in frame.itertuples(index=False)]
    frame["gain"] = frame["accuracy"] - frame["cot"]
    frame.insert(3, "auc", frame["prm"].map(study.auc).astype(float))
    return frame.reset_index(drop=True)


def levels(study: StudyTables) -> pd.DataFrame:
    """Problems of each difficulty level by policy: benchmark, policy, level, problems, share, pass_at_1."""
    frame = study.table("difficulty")
    if not len(frame):
        return pd.DataFrame()
    # One answer, all that a reference gives, is no measure of difficulty.
    frame = frame[frame["samples"] > 1]
    out = frame.groupby(["benchmark", "policy", "level"], observed=True).agg(
        problems=("problem_id", "size"), pass_at_1=("pass_at_1", "mean")
    )
    every = pd.MultiIndex.from_product(
        [study.benchmarks, study.policies, LEVELS], names=["benchmark", "policy", "level"]
    )
    out = out.reindex(every).fillna({"problems": 0}).reset_index()
    out["problems"] = out["problems"].astype(int)
    total = out.groupby(["benchmark", "policy"])["problems"].transform("sum")
    out = out[total > 0].copy()
    out["share"] = out["problems"] / total
    return _sorted(study, out)[["benchmark", "policy", "level", "problems", "share", "pass_at_1"]]


def groups(study: StudyTables, most: int = 40) -> pd.DataFrame:
    """Accuracy by what the benchmark itself says of its problems: its `subject` and `level`, where it has them.

    Columns: benchmark, policy, kind (subject|level), group, problems, single, majority and guided (best-of-N with the
    reference PRM under the headline rule), each at its largest N, shares in [0, 1]. More than `most` different groups
    of a kind are left out.
    """
    problems, outcomes = study.table("benchmark"), study.table("outcomes")
    if not len(problems) or not len(outcomes) or not {"subject", "level"} <= set(problems.columns):
        return pd.DataFrame()
    ruled = study.headline(outcomes)
    prm = study.reference_prm
    parts = {
        "single": study.single(outcomes),
        "majority": ruled[ruled["method"] == "majority"],
        "guided": ruled[(ruled["method"] == "best_of_n") & (ruled["prm"] == prm)],
    }
    keys = ["benchmark", "policy"]
    values = []
    for name, part in parts.items():
        last = part[part["budget"] == part.groupby(keys, observed=True)["budget"].transform("max")]
        values.append(last[[*keys, "problem_id", "value"]].assign(column=name))
    long = pd.concat(values, ignore_index=True)
    found = []
    for kind in ("subject", "level"):
        known = problems.loc[problems[kind].notna(), ["benchmark", "problem_id", kind]].rename(columns={kind: "group"})
        count = known.groupby("benchmark")["group"].transform("nunique")
        both = long.merge(known[(count > 1) & (count <= most)], on=["benchmark", "problem_id"])
        if len(both):
            cells = both.groupby([*keys, "group", "column"], observed=True)["value"].mean().unstack("column")
            size = both.groupby([*keys, "group"], observed=True)["problem_id"].nunique().rename("problems")
            found.append(cells.join(size).reset_index().assign(kind=kind))
    if not found:
        return pd.DataFrame()
    frame = pd.concat(found, ignore_index=True).reindex(columns=[*keys, "kind", "group", "problems", *parts])
    number = pd.to_numeric(frame["group"], errors="coerce")
    frame = frame.assign(number=number).sort_values(["kind", "number", "group"], kind="stable").drop(columns="number")
    return _ranked(study, frame)


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


def _ranked(study: StudyTables, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows by benchmark and policy, otherwise in the order that they have."""
    places = [{name: i for i, name in enumerate(names)} for names in (study.benchmarks, study.policies)]
    ranks = [frame[key].map(place) for key, place in zip(("benchmark", "policy"), places, strict=True)]
    order = sorted(range(len(frame)), key=lambda i: (ranks[0].iloc[i], ranks[1].iloc[i]))
    return frame.iloc[order].reset_index(drop=True)


def best_methods(study: StudyTables) -> pd.DataFrame:
    """The best method per PRM, policy and level at the largest N that all methods share, and its lead.

    The lead over the second best is paired over problems; `significant` when its 95 % interval excludes zero.
    Columns: benchmark, prm, policy, level, budget, problems, method, accuracy, second, difference, low, high,
    significant.
    """
    outcomes = study.headline(study.table("outcomes"))
    if not len(outcomes):
        return pd.DataFrame()
    outcomes = outcomes[outcomes["method"].isin(CURVES)]
    rows = []
    for (benchmark, policy), part in outcomes.groupby(["benchmark", "policy"], sort=False, observed=True):
        for prm in study.prms:
            here = part[part["prm"].isin([prm, "none"])]
            if not (here["prm"] == prm).any():
                continue
            shared = set.intersection(*(set(g["budget"]) for _, g in here.groupby("method", observed=True)))
            if not shared or here["method"].nunique() < 2:
                continue
            budget = max(shared)
            here = here[here["budget"] == budget].set_index(["problem_id", "method"])
            every = here["value"].unstack("method").dropna()
            every = every[[m for m in CURVES if m in every]]
            of = here["level"].groupby(level="problem_id").first().reindex(every.index)
            for level in ("all", *LEVELS):
                wide = every if level == "all" else every[of == level]
                if len(wide) < 2:
                    continue
                first, second = wide.mean().sort_values(ascending=False, kind="stable").index[:2]
                gap = statistics.paired_difference(wide[first].to_numpy(), wide[second].to_numpy(), seed=study.seed)
                rows.append({
                    "benchmark": benchmark, "prm": prm, "policy": policy, "level": level, "budget": int(budget),
                    "problems": len(wide), "method": first, "accuracy": float(wide[first].mean()), "second": second,
                    "difference": gap.difference, "low": gap.low, "high": gap.high, "significant": gap.low > 0,
                })  # fmt: skip
    frame = pd.DataFrame(rows)
    return _sorted(study, frame) if len(frame) else frame


def votes(study: StudyTables) -> pd.DataFrame:
    """Accuracy by score and vote at each method's largest N: benchmark, policy, prm, method, budget, then rules."""
    every = study.table("accuracy")
    if not len(every):
        return pd.DataFrame()
    frame = every[(every["level"] == "all") & (every["prm"] != "none") & every["method"].isin(CURVES)]
    if not len(frame):
        return pd.DataFrame()
    last = frame.groupby(["benchmark", "policy", "prm", "method"], observed=True)["budget"].transform("max")
    frame = frame[frame["budget"] == last]
    rule = np.where(frame["vote"] == "majority", "majority", frame["score"] + "_" + frame["vote"])
    wide = frame.assign(rule=rule).pivot_table(index=_CELL, columns="rule", values="accuracy", observed=True)
    known = ["majority", *(f"{s}_{v}" for s in ("min", "last", "avg") for v in ("prm_max", "prm_vote"))]
    # Best-of-N draws what the majority vote draws, so the vote without scores is that one.
    same = every[(every["level"] == "all") & (every["method"] == "majority")]
    vote = same.set_index(["benchmark", "policy", "budget"])["accuracy"]
    drawn = wide.index.droplevel(["prm", "method"])
    pooled = pd.Series(vote.reindex(drawn).to_numpy(), wide.index).where(
        wide.index.get_level_values("method") == "best_of_n"
    )
    wide["majority"] = wide["majority"].fillna(pooled) if "majority" in wide else pooled
    wide = wide[[name for name in known if name in wide]]
    wide["range"] = wide.max(axis=1) - wide.min(axis=1)
    return _sorted(study, wide.reset_index())


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


def optimism(study: StudyTables) -> pd.DataFrame:
    """What choosing and judging on the same problems adds, per benchmark, policy, PRM and N.

    From the study's optimism table (with its interval), else from naive and cross-fitted rows of the strategy table.
    Columns: benchmark, policy, prm, budget, naive, cross_fitted, optimism, and low, high, author_rule, predicted where
    known.
    """
    key = ["benchmark", "policy", "prm", "budget"]
    frame, out = study.table("strategy"), study.table("optimism")
    wide = pd.DataFrame()
    if len(frame):
        frame = frame[frame["level"] == "all"]
        wide = frame.pivot_table(index=key, columns="selection", values="accuracy", observed=True)
        wide = wide.reset_index().rename_axis(columns=None)
    if {"naive", "cross_fitted", "optimism"} <= set(out.columns):
        more = [name for name in ("author_rule", "predicted") if name in wide]
        if more:
            out = out.merge(wide[[*key, *more]], on=key, how="left")
    elif {"naive", "cross_fitted"} <= set(wide.columns):
        out = wide.assign(optimism=wide["naive"] - wide["cross_fitted"])
    else:
        return pd.DataFrame()
    return _sorted(study, out)


def grader_effects(study: StudyTables) -> pd.DataFrame:
    """Accuracy of every cell of the headline rule under both graders, the largest difference first."""
    frame = study.table("grader_accuracy")
    if not len(frame):
        return pd.DataFrame()
    frame = _sorted(study, study.headline(frame))
    order = frame["difference"].abs().sort_values(ascending=False, kind="stable").index
    return frame.loc[order].reset_index(drop=True)


def adaptive(study: StudyTables) -> pd.DataFrame:
    """Budgets that adapt to the problem against the same N for all: the rows of the adaptive table that had a choice.

    Of the PRMs the reference one. The smallest N leaves nothing to spread, so its rows of scheme "levels" are left out.
    """
    frame = study.table("adaptive")
    if not len(frame):
        return pd.DataFrame()
    frame = frame[frame["prm"].isin(["none", study.reference_prm])]
    least = frame.groupby(["benchmark", "policy", "prm", "method"])["budget"].transform("min")
    return _sorted(study, frame[(frame["scheme"] != "levels") | (frame["budget"] > least)])


def predicted_levels(study: StudyTables) -> pd.DataFrame:
    """Confusion of the levels predicted without labels: problems by true level (rows) and predicted one.

    Columns: benchmark, policy, prm, level (true), easy, medium, hard, misbinned (mean probability that the true level
    is itself wrong).
    """
    frame = study.table("predicted")
    if not len(frame):
        return pd.DataFrame()
    key = ["benchmark", "policy", "prm", "true_level"]
    counts = frame.groupby([*key, "level"], observed=True).size().unstack("level", fill_value=0)
    counts = counts.reindex(columns=list(LEVELS), fill_value=0).astype(int)
    out = counts.join(frame.groupby(key, observed=True)["misbinned"].mean()).reset_index()
    rank = {level: place for place, level in enumerate(LEVELS)}
    out = out.rename(columns={"true_level": "level"}).sort_values("level", key=lambda c: c.map(rank), kind="stable")
    return _sorted(study, out)

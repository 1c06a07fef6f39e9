"""What decides how much test-time scaling gives: the PRM, the difficulty, the method, the vote."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ttstudy.analysis import statistics
from ttstudy.kinds.scores import SCORES
from ttstudy.kinds.votes import VOTES
from ttstudy.report.views.against import cot, scaling
from ttstudy.report.views.tables import CELL, CURVES, StudyTables, ordered
from ttstudy.vocabulary import LEVELS


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
    return ordered(study, out)[["benchmark", "policy", "level", "problems", "share", "pass_at_1"]]


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
    return ordered(study, frame) if len(frame) else frame


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
    wide = frame.assign(rule=rule).pivot_table(index=CELL, columns="rule", values="accuracy", observed=True)
    judged = [name for name, vote in VOTES.items() if vote.judged == "prm"]
    known = ["majority", *(f"{score}_{name}" for score in SCORES for name in judged)]
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
    return ordered(study, wide.reset_index())

"""What decides it: the best method and its lead by level, what each PRM adds, accuracy under every score and vote."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ttstudy.analysis import statistics
from ttstudy.analysis.definitions import CELL, CURVES, StudyTables
from ttstudy.kinds.scores import SCORES
from ttstudy.kinds.votes import VOTES
from ttstudy.vocabulary import LEVELS

BEST = [
    *("benchmark", "prm", "policy", "level", "budget", "problems", "method", "accuracy", "second"),
    *("difference", "low", "high", "significant"),
]


def best_methods(study: StudyTables) -> pd.DataFrame:
    """The best method per PRM, policy and level at the largest N that all methods share, and its lead.

    Under the headline rule. The lead over the second best is paired over problems; `significant` when its 95 % interval
    excludes zero. Columns: `BEST`.
    """
    outcomes = study.headline(study.table("outcomes"))
    if not len(outcomes):
        return pd.DataFrame(columns=BEST)
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
            cell = {"benchmark": benchmark, "prm": prm, "policy": policy, "budget": int(max(shared))}
            here = here[here["budget"] == max(shared)].set_index(["problem_id", "method"])
            rows += [cell | lead for lead in _leads(here, study.seed)]
    return pd.DataFrame(rows, columns=BEST)


def _leads(cell: pd.DataFrame, seed: int) -> list[dict[str, object]]:
    """The best method's lead over all problems and by level; `cell` is indexed by problem and method."""
    every = cell["value"].unstack("method").dropna()
    every = every[[method for method in CURVES if method in every]]
    of = cell["level"].groupby(level="problem_id").first().reindex(every.index)
    rows: list[dict[str, object]] = []
    for level in ("all", *LEVELS):
        wide = every if level == "all" else every[of == level]
        if len(wide) < 2:
            continue
        first, second = wide.mean().sort_values(ascending=False, kind="stable").index[:2]
        gap = statistics.paired_difference(wide[first].to_numpy(), wide[second].to_numpy(), seed=seed)
        rows.append({
            "level": level, "problems": len(wide), "method": first, "accuracy": float(wide[first].mean()),
            "second": second, "difference": gap.difference, "low": gap.low, "high": gap.high,
            "significant": gap.low > 0,
        })  # fmt: skip
    return rows


EFFECT = [*CELL, "score", "vote", "problems", "accuracy", "low", "high", "cot", "gain"]


def prm_effect(study: StudyTables) -> pd.DataFrame:
    """Accuracy at each method's largest N by PRM, under the headline rule, less that of the policy's single answer.

    Columns (`EFFECT`): `cot` is the single answer's accuracy and `gain` the difference, both missing without one.
    """
    every = study.table("accuracy")
    if not len(every):
        return pd.DataFrame(columns=EFFECT)
    greedy, curves = study.single(every[every["level"] == "all"]), study.headline(every[every["level"] == "all"])
    frame = curves[(curves["prm"] != "none") & curves["method"].isin(CURVES)]
    if not len(frame) or not len(greedy):
        return pd.DataFrame(columns=EFFECT)
    last = frame.groupby(["benchmark", "method"], observed=True)["budget"].transform("max")
    frame = frame[frame["budget"] == last].copy()
    base = {(r.benchmark, r.policy): r.accuracy for r in greedy.itertuples(index=False)}
    frame["cot"] = [base.get((r.benchmark, r.policy), np.nan) for r in frame.itertuples(index=False)]
    frame["gain"] = frame["accuracy"] - frame["cot"]
    return frame[EFFECT]


def votes(study: StudyTables) -> pd.DataFrame:
    """Accuracy by score and vote at each method's largest N.

    Columns: benchmark, policy, prm, method, budget; majority (of the method's answers, without scores) and SCORE_VOTE
    for every rule that was voted by; `range` of them.
    """
    every = study.table("accuracy")
    frame = every
    if len(every):
        frame = every[(every["level"] == "all") & (every["prm"] != "none") & every["method"].isin(CURVES)]
    if not len(frame):
        return pd.DataFrame(columns=[*CELL, "majority", "range"])
    last = frame.groupby(["benchmark", "policy", "prm", "method"], observed=True)["budget"].transform("max")
    frame = frame[frame["budget"] == last]
    rule = np.where(frame["vote"] == "majority", "majority", frame["score"] + "_" + frame["vote"])
    wide = frame.assign(rule=rule).pivot_table(index=CELL, columns="rule", values="accuracy", observed=True)
    # Best-of-N draws what the majority vote draws, so the vote without scores is that one.
    same = every[(every["level"] == "all") & (every["method"] == "majority")]
    voted = same.set_index(["benchmark", "policy", "budget"])["accuracy"]
    drawn = wide.index.droplevel(["prm", "method"])
    pooled = pd.Series(voted.reindex(drawn).to_numpy(), wide.index).where(
        wide.index.get_level_values("method") == "best_of_n"
    )
    wide["majority"] = wide["majority"].fillna(pooled) if "majority" in wide else pooled
    judged = [name for name, vote in VOTES.items() if vote.judged == "prm"]
    known = ["majority", *(f"{score}_{name}" for score in SCORES for name in judged)]
    wide = wide[[name for name in known if name in wide]]
    wide["range"] = wide.max(axis=1) - wide.min(axis=1)
    return wide.reset_index().rename_axis(columns=None)

"""What decides how much test-time scaling gives: the PRM, the difficulty, the method, the vote."""

from __future__ import annotations

import pandas as pd

from ttstudy.analysis.definitions import StudyTables
from ttstudy.report.views.tables import ordered
from ttstudy.vocabulary import LEVELS


def prm_effect(study: StudyTables) -> pd.DataFrame:
    """Accuracy at each method's largest N by PRM, with its step AUC, less the policy's single answer."""
    frame = ordered(study, study.table("prm_effect"))
    if len(frame):
        frame.insert(3, "auc", frame["prm"].map(study.auc).astype(float))
    return frame


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
    """The best method per PRM, policy and level, and its lead over the second."""
    return ordered(study, study.table("best_methods"))


def votes(study: StudyTables) -> pd.DataFrame:
    """Accuracy by score and vote at each method's largest N."""
    return ordered(study, study.table("votes"))

"""Accuracy by subject and level, where a benchmark names them."""

from __future__ import annotations

import pandas as pd

from ttstudy.kinds.methods import GUIDED, VOTED
from ttstudy.report.answer import percent
from ttstudy.report.blocks import BENCHMARK, POLICY, Block, named_table, shown
from ttstudy.report.cells import Column as C
from ttstudy.report.section import DECIDES, Given, Section, Told
from ttstudy.report.views import StudyTables

_TITLE = "Accuracy by the benchmark's own subjects and levels"


def _view(study: StudyTables, most: int = 40) -> pd.DataFrame:
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
        "majority": ruled[ruled["method"] == VOTED],
        "guided": ruled[(ruled["method"] == GUIDED) & (ruled["prm"] == prm)],
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


def _tell(given: Given) -> Told:
    frame, study = given.frame, given.study
    parts = []
    for (benchmark, kind), part in frame.groupby(["benchmark", "kind"], sort=False, observed=True):
        mean = part.groupby("group", sort=False, observed=True)["single"].mean().dropna()
        if len(mean):
            parts.append(
                f"On {benchmark}, by {kind}, the mean accuracy of one {study.one[1]} goes from {percent(mean.min())} "
                f"({kind} {mean.idxmin()}) to {percent(mean.max())} ({kind} {mean.idxmax()})."
            )
    short = study.one[0]
    finding = " ".join(parts)
    columns = [
        BENCHMARK, POLICY, C("kind", "By", facet=True), C("group", "Subject or level"),
        C("problems", "Problems", "count"), C("single", f"{short}, %", "percent"),
        C("majority", "Majority, largest N, %", "percent"),
        C("guided", f"{shown(GUIDED)} with {study.reference_prm}, largest N, %", "percent"),
    ]  # fmt: skip
    columns = [column for column in columns if column.name not in frame or frame[column.name].notna().any()]
    method = "These are the benchmark's own labels, the same for every policy. Groups are small: read leads with care."
    return Told(finding, [Block(named_table("groups-data", _TITLE, columns, frame))], method)


SECTION = Section(
    title=_TITLE,
    short="Subjects and levels",
    group=DECIDES,
    place=20,
    view=lambda results, context: _view(results.study),
    tell=_tell,
)

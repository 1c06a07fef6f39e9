"""Seconds of every method as it was run here, and what the others reach in the time of best-of-N."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ttstudy.analysis.definitions import CELL
from ttstudy.kinds.methods import GREEDY, GUIDED
from ttstudy.report.blocks import METHOD, PRM, Block, N, Results, cell, in_words, joined, named_table, shown
from ttstudy.report.cells import Column as C
from ttstudy.report.section import AGAINST, PAPER, Given, Section, Told
from ttstudy.report.views import ordered


def _view(results: Results, context: Mapping[str, Any]) -> pd.DataFrame:
    """Every cell of the headline's rule whose jobs left a record: time per problem, and accuracy."""
    times = pd.DataFrame(list(context.get("times") or []))
    if not len(times) or not len(results.scaling):
        return pd.DataFrame()
    single = results.cot.assign(prm="none", method=GREEDY, budget=1)[results.scaling.columns]
    frame = pd.concat([results.scaling, single], ignore_index=True)
    return ordered(results.study, frame.merge(times, on=CELL)).reset_index(drop=True)


def _tell(given: Given) -> Told:
    frame, study, timed = given.frame, given.study, given.context.get("timed")
    prm = study.reference_prm
    mine = frame[frame["prm"].isin([prm, "none"])]
    most = mine.loc[mine["seconds"].idxmax()]
    finding = (
        f"The dearest method took {most['seconds']:,.3g} seconds a problem ({most['policy']}, {shown(most['method'])}, "
        f"N = {most['budget']})."
    )
    blocks = [Block(named_table("time-data", "Time per problem, as run here", _columns(given), frame, folded=True))]
    if timed is not None and len(timed):
        top = timed[timed["prm"] == prm] if prm in set(timed["prm"]) else timed
        top = top[top["budget"] == top.groupby(["benchmark", "policy"], observed=True)["budget"].transform("max")]
        means = top.groupby("method", observed=True)["difference"].mean().sort_values(ascending=False)
        signed = {name: f"{100 * mean:+.1f}".replace("-", "\N{MINUS SIGN}") for name, mean in means.items()}
        leads = joined([f"{in_words(name)} {lead}" for name, lead in signed.items()])
        finding += f" Mean lead over {in_words(GUIDED)} in the time of its largest N, in points: {leads}."
        columns = [
            *cell(study), PRM, N, METHOD, C("spent", "its N", "number"), C("cost", "its seconds", "number"),
            C("base_cost", f"{shown(GUIDED)}'s seconds", "number"), C("accuracy", "Accuracy, %", "percent"),
            C("base", f"{shown(GUIDED)}, %", "percent"), C("difference", "Difference, points", "points"),
            C("low", "95 % low", "points"), C("high", "95 % high", "points"),
        ]  # fmt: skip
        caption = f"At the seconds of {in_words(GUIDED)}"
        blocks.append(Block(named_table("timed-data", caption, columns, ordered(study, timed), folded=True)))
    method = (
        "Seconds of the jobs that drew, scored and searched, for all problems together, divided by their number: what "
        "a problem costs at full load, not how long one alone would wait. Jobs of one cell are added up, wherever they "
        "ran. A job that was killed counts from its last start, and one that ran beside others is slower for it. "
        "GPU seconds are seconds times the job's GPUs. N responses of a pool cost N times one; trees that are "
        "independent, at a smaller N, cost a share. The hardware is named under Provenance. Times are no result: "
        "another machine gives others."
    )
    return Told(finding, blocks, method)


def _columns(given: Given) -> list[C]:
    return [
        *cell(given.study), PRM, METHOD, N, C("accuracy", "Accuracy, %", "percent"),
        C("seconds", "Seconds", "number"), C("cpu_seconds", "CPU seconds", "number"),
        C("gpu_seconds", "GPU seconds", "number"),
    ]  # fmt: skip


SECTION = Section(
    title="How long it takes", short="Time", group=AGAINST, place=55, part=PAPER, view=_view, tell=_tell
)

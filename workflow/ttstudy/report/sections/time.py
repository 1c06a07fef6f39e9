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
    """Every cell of the headline's rule whose jobs left a record: time, tokens and FLOPs per problem, and accuracy."""
    times = pd.DataFrame(list(context.get("times") or []))
    if not len(times) or not len(results.scaling):
        return pd.DataFrame()
    single = results.cot.assign(prm="none", method=GREEDY, budget=1)[results.scaling.columns]
    frame = pd.concat([results.scaling, single], ignore_index=True).merge(times, on=CELL)
    if len(results.costs):
        spent = results.costs[[*CELL, "response_tokens", "flops_total"]]
        frame = frame.merge(spent, on=CELL, how="left")
        frame["speed"] = frame["response_tokens"] / frame["seconds"].where(frame["seconds"] > 0)
    return ordered(results.study, frame).reset_index(drop=True)


def _tell(given: Given) -> Told:
    frame, study, timed = given.frame, given.study, given.context.get("timed")
    prm = study.reference_prm
    mine = frame[frame["prm"].isin([prm, "none"])]
    most = mine.loc[mine["seconds"].idxmax()]
    finding = (
        f"The dearest method took {most['seconds']:,.3g} seconds a problem ({most['policy']}, {shown(most['method'])}, "
        f"N = {most['budget']})."
    )
    machines = [name for name in dict.fromkeys(frame.get("hardware", [])) if name]
    if len(machines) == 1:
        finding += f" All jobs ran on one kind of machine: {machines[0]}."
    elif machines:
        finding += f" Jobs ran on {len(machines)} kinds of machines: only times of one kind can be compared."
    key = ["benchmark", "policy", "method"]
    largest = mine["budget"] == mine.groupby(key, observed=True)["budget"].transform("max")
    caption = "Time per problem at each method's largest N, beside its FLOPs"
    every = "Time per problem, as run here, at every N"
    blocks = [
        Block(named_table("time-largest-data", caption, _columns(given, short=True), mine[largest])),
        Block(named_table("time-data", every, _columns(given), frame, folded=True)),
    ]
    if timed is not None and len(timed):
        top = timed[timed["prm"] == prm] if prm in set(timed["prm"]) else timed
        top = top[top["budget"] == top.groupby(["benchmark", "policy"], observed=True)["budget"].transform("max")]
        means = top.groupby("method", observed=True)["difference"].mean().sort_values(ascending=False)
        signed = {name: f"{100 * mean:+.1f}".replace("-", "\N{MINUS SIGN}") for name, mean in means.items()}
        told = [f"{in_words(name)} {lead}" for name, lead in signed.items()]
        leads = joined(told) if len(told) < 4 else f"from {told[0]} to {told[-1]}"
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
        "Seconds are those of the jobs that drew, scored and searched, for all problems together, divided by their "
        "number. That is what a problem costs at full load, not how long one alone would wait. Jobs of one cell are "
        "added up, wherever they ran. A job that was killed counts from its last start, and one that ran beside others "
        "is slower for it. GPU seconds are seconds times the job's GPUs. Tokens per second are all that the policy "
        "generated, discarded ones too. N responses of a pool cost N times one. Trees that are independent, at a "
        "smaller N, cost a share. Times are no result: another machine gives others."
    )
    return Told(finding, blocks, method)


def _columns(given: Given, short: bool = False) -> list[C]:
    """`short`: without the CPU's and GPUs' seconds, and without the hardware where it is one kind."""
    several = given.frame["hardware"].nunique() > 1 if "hardware" in given.frame else False
    more = [C("cpu_seconds", "CPU seconds", "number"), C("gpu_seconds", "GPU seconds", "number")]
    return [
        *cell(given.study), PRM, METHOD, N, C("accuracy", "Accuracy, %", "percent"),
        C("seconds", "Seconds", "number"), C("speed", "Tokens per second", "amount"),
        C("flops_total", "FLOPs", "exponent"), *([] if short else more),
        *([C("hardware", "Hardware")] if several or not short else []),
    ]  # fmt: skip


SECTION = Section(
    title="How long it takes", short="Time", group=AGAINST, place=55, part=PAPER, view=_view, tell=_tell
)

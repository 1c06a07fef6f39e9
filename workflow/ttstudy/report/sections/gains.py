"""One answer, majority vote and the compute-optimal strategy, and how much fewer samples that needs."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from ttstudy.kinds.methods import GREEDY, VOTED
from ttstudy.report import views
from ttstudy.report.answer import percent
from ttstudy.report.blocks import POLICY, each
from ttstudy.report.cells import Column as C
from ttstudy.report.figures.parts import ONE, bars, plain, single
from ttstudy.report.figures.parts import percent as in_percent
from ttstudy.report.figures.style import GREEN, LOOKS, Figure, canvas, render, seaborn
from ttstudy.report.section import AGAINST, PAPER, Given, Section, Told


def _tell(given: Given) -> Told:
    frame, study = given.frame, given.study
    short, one = study.one
    top = frame.loc[frame["gain"].idxmax()] if frame["gain"].notna().any() else None
    finding = (
        f"The largest relative gain over {short} is {100 * top['gain']:+.1f} %: {top['policy']} on {top['benchmark']}, "
        f"from {percent(top['cot'])} to {percent(top['tts'])}."
        if top is not None
        else f"No policy has a {short} accuracy above zero to relate gains to."
    )
    columns = [
        POLICY, C("parameters", "Parameters", "size"), C("cot", f"{short}, %", "percent"),
        C("majority", "Majority, %", "percent"), C("majority_budget", "Majority N", "plain"),
        C("tts", "TTS, %", "percent"),
        C("tts_low", "95 % low", "percent"), C("tts_high", "95 % high", "percent"), C("budget", "TTS N", "plain"),
        C("gain", f"Gain over {short}, %", "gain"), C("efficiency", "Efficiency over majority", "ratio"),
        C("efficiency_kind", "which is"), C("efficiency_low", "95 % low", "ratio"),
        C("efficiency_high", "95 % high", "ratio"),
    ]  # fmt: skip
    blocks = each(study, frame, "gains", columns, lambda b, k: _figure(frame, b, k, study.one))
    blocks = [replace(b, table=replace(b.table, folded=False)) if b.table else b for b in blocks]
    method = (
        f"Compute-optimal scaling takes the best method for each difficulty and N with {study.reference_prm}, chosen "
        f"by cross-fitting. Gain is TTS / {short} − 1. Efficiency follows the authors' rule. It is the N at which "
        "the majority vote is best, divided by the N at which the compute-optimal curve is as good. That curve is "
        "linear between its budgets. Where its smallest N is better already, it is \"at least\". Efficiency counts "
        "samples, not FLOPs."
    )
    return Told(finding, blocks, method)


def _figure(frame: pd.DataFrame, benchmark: str, key: str, one: tuple[str, str] = ONE) -> Figure:
    """The single answer, majority and compute-optimal TTS of each policy side by side."""
    seaborn()
    frame = frame[frame["benchmark"] == benchmark]
    figure = canvas(640, 80 + 46 * len(frame))
    axes = figure.subplots()
    marks = (
        ("cot", LOOKS[GREEDY].marker, LOOKS[GREEDY].colour, single(one)),
        ("majority", LOOKS[VOTED].marker, LOOKS[VOTED].colour, f"{LOOKS[VOTED].label}, largest N"),
        ("tts", "D", GREEN, "Compute-optimal TTS, largest N, cross-fitted"),
    )
    for offset, (column, marker, colour, label) in zip((-0.22, 0, 0.22), marks, strict=True):
        part = frame.assign(low=frame[f"{column}_low"], high=frame[f"{column}_high"])
        axes.errorbar(
            part[column], [i + offset for i in range(len(part))], xerr=bars(part, column), fmt=marker, ms=7,
            color=colour, label=label, elinewidth=1.3,
        )  # fmt: skip
    axes.set_yticks(range(len(frame)), [plain(name) for name in frame["policy"]])
    axes.set_ylim(len(frame) - 0.5, -0.5)
    axes.set_xlim(0, 1.01)
    in_percent(axes, "x")
    axes.set_xlabel("Accuracy, 95 % intervals")
    figure.legend(loc="outside upper left", ncols=3)
    description = (
        f"Accuracy on {benchmark} of one {one[1]}, of the majority vote and of compute-optimal test-time scaling."
    )
    return render(figure, key, f"{one[0]}, majority and compute-optimal TTS on {benchmark}", description, frame)


SECTION = Section(
    title=lambda results: f"{results.study.one[0]}, majority vote and compute-optimal scaling",
    short="CoT, majority, optimal",
    group=AGAINST,
    place=40,
    part=PAPER,
    view=lambda results, context: views.gains(results.study),
    tell=_tell,
    absent="Not there: the table of compute-optimal strategies is missing or empty.",
)

"""What test-time scaling has to beat: one answer of each policy."""

from __future__ import annotations

import pandas as pd

from ttstudy.kinds.methods import GREEDY
from ttstudy.report.answer import percent
from ttstudy.report.blocks import ACCURACY, BENCHMARK, POLICY, Block, Results, joined, named_table
from ttstudy.report.cells import Column as C
from ttstudy.report.figures.parts import ONE, bars, log_axis, plain
from ttstudy.report.figures.parts import percent as in_percent
from ttstudy.report.figures.style import INK, LOOKS, SIZE, SIZE_MARKERS, Figure, canvas, render, seaborn
from ttstudy.report.section import AGAINST, PAPER, Given, Section, Told


def _title(results: Results) -> str:
    sized = results.cot.get("parameters", pd.Series()).notna().any()
    return f"One {results.study.one[1]}, by policy size" if sized else f"One {results.study.one[1]}"


def _tell(given: Given) -> Told:
    frame, study, (short, one) = given.frame, given.study, given.study.one
    parts = []
    for benchmark in study.benchmarks:
        part = frame[frame["benchmark"] == benchmark]
        if len(part) > 1 and part["accuracy"].nunique() == 1:
            parts.append(f"is {percent(part['accuracy'].iloc[0])} for all {len(part)} policies on {benchmark}")
        elif len(part) > 1:
            worst, best = part.loc[part["accuracy"].idxmin()], part.loc[part["accuracy"].idxmax()]
            parts.append(
                f"ranges from {percent(worst['accuracy'])} ({worst['policy']}) to {percent(best['accuracy'])} "
                f"({best['policy']}) "
                f"on {benchmark}"
            )
        elif len(part):
            parts.append(f"is {percent(part['accuracy'].iloc[0])} ({part['policy'].iloc[0]}) on {benchmark}")
    columns = [
        BENCHMARK,
        POLICY,
        C("parameters", "Parameters", "size"),
        C("problems", "Problems", "count"),
        *ACCURACY,
    ]
    sized = frame[frame["parameters"].notna()]
    figure = _figure(sized, "cot", study.one) if len(sized) else None
    caption = figure.title if figure else f"Accuracy of one {one}"
    block = Block(named_table("cot-data", caption, columns, frame, folded=figure is not None), figure)
    method = "Chain of thought (CoT) is one response at temperature 0. This is what test-time scaling has to beat."
    if set(study.singles["method"]) - {GREEDY}:
        method = (
            "Where no greedy response was recorded, the baseline is one sampled response: its accuracy is the mean "
            "Pass@1 of the pool, at the temperature that the responses were drawn with. This is what test-time scaling "
            "has to beat."
        )
    word = {"CoT": "Greedy accuracy"}.get(short, f"Accuracy of one {one}")
    return Told(f"{word} {joined(parts)}.", [block], method)


def _figure(frame: pd.DataFrame, key: str, one: tuple[str, str] = ONE) -> Figure:
    """Accuracy of the single answer against policy size, one line per benchmark."""
    seaborn()
    figure = canvas(640, 330)
    axes = figure.subplots()
    names = list(dict.fromkeys(frame["benchmark"]))
    for rank, name in enumerate(names):
        part = frame[frame["benchmark"] == name]
        axes.errorbar(
            part["parameters"], part["accuracy"], bars(part), label=plain(name),
            marker=SIZE_MARKERS[rank % len(SIZE_MARKERS)],
            color=LOOKS[GREEDY].colour if len(names) == 1 else SIZE[rank % len(SIZE)], ms=7, capsize=4, elinewidth=1.2,
        )  # fmt: skip
    for row in frame[frame["benchmark"] == names[0]].itertuples(index=False):
        axes.annotate(
            plain(row.policy), (row.parameters, row.accuracy), (-7, 6), textcoords="offset points", fontsize=10.5,
            color=INK, ha="right",
        )  # fmt: skip
    log_axis(axes, "Policy parameters (log scale)")
    axes.set_xlim(frame["parameters"].min() / 2.5, frame["parameters"].max() * 1.6)
    axes.set_ylim(0, 1.02)
    in_percent(axes)
    axes.set_ylabel(f"{one[0]} accuracy, 95 % intervals")
    if len(names) > 1:
        axes.legend()
    description = f"Accuracy of one {one[1]} by policy size: " + ", ".join(
        f"{row.policy} {row.accuracy:.1%}" for row in frame.itertuples(index=False)
    )
    return render(figure, key, f"{one[0]} accuracy by policy size", description, frame)


SECTION = Section(
    title=_title,
    short="One greedy answer",
    group=AGAINST,
    place=30,
    part=PAPER,
    view=lambda results, context: results.cot,
    tell=_tell,
    absent="No chain-of-thought (CoT) answers were graded in this study.",
)

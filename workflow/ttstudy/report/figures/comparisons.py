"""The figure of a comparison: what moved between studies, with intervals."""

from __future__ import annotations

import pandas as pd

from ttstudy.report.figures.parts import bars, in_points, plain
from ttstudy.report.figures.style import BLUE, LOOKS, MUTED, ORANGE, Figure, canvas, render, seaborn

SHOWN = 30
"""Groups drawn, the worst and the best; the table has all."""


def moved(frame: pd.DataFrame, key: str) -> Figure:
    """Difference of each group that moved beyond chance (`ttstudy.analysis.comparison.groups`), worst at the top."""
    seaborn()
    if len(frame) > SHOWN:
        frame = pd.concat([frame.iloc[: SHOWN // 2], frame.iloc[-SHOWN // 2 :]])
    several = frame["candidate"].nunique() > 1, frame["benchmark"].nunique() > 1
    figure = canvas(860, 90 + 30 * len(frame))
    axes = figure.subplots()
    axes.axvline(0, color=MUTED, lw=1)
    names = []
    for i, row in enumerate(frame.itertuples(index=False)):
        worse = row.difference < 0
        axes.errorbar(
            [row.difference], [i], xerr=bars(frame.iloc[[i]], "difference"), fmt="v" if worse else "^", ms=8, lw=2,
            color=ORANGE if worse else BLUE,
        )  # fmt: skip
        what = [row.policy, LOOKS[row.method].label if row.method in LOOKS else row.method]
        what += [] if row.prm == "none" else [row.prm]
        what += [row.benchmark] if several[1] else []
        what += [row.candidate] if several[0] else []
        names.append(plain(f"{', '.join(what)}, N = {row.budget}"))
    axes.set_yticks(range(len(frame)), names)
    axes.set_ylim(len(frame) - 0.4, -0.6)
    in_points(axes, "x")
    axes.set_xlabel("Accuracy, candidate less baseline, points, 95 % intervals")
    axes.grid(axis="y", visible=False)
    colours = (("v", ORANGE, "worse"), ("^", BLUE, "better"))
    for marker, colour, label in colours:
        axes.plot([], [], marker=marker, ms=8, lw=0, color=colour, label=label)
    figure.legend(loc="outside upper left", ncols=2)
    description = "Differences in accuracy that are beyond chance, one row per policy, method and PRM, the worst first."
    return render(figure, key, "What moved beyond chance", description, frame)

"""The figure of a comparison: what moved between studies, with intervals."""

from __future__ import annotations

import pandas as pd

from ttstudy.report.figures.parts import bars, in_points, plain
from ttstudy.report.figures.style import BLUE, LOOKS, MUTED, ORANGE, Figure, canvas, render, seaborn

SHOWN = 16
"""Rows drawn; the table has all."""


def moved(frame: pd.DataFrame, key: str, title: str) -> Figure:
    """Differences with before and after, the largest ones, the worst at the top; pale where it may be chance."""
    seaborn()
    largest = frame["difference"].abs().sort_values(ascending=False, kind="stable").index[:SHOWN]
    frame = frame.loc[largest].sort_values("difference", kind="stable")
    several = frame["candidate"].nunique() > 1, frame["benchmark"].nunique() > 1
    figure = canvas(860, 90 + 26 * len(frame))
    axes = figure.subplots()
    axes.axvline(0, color=MUTED, lw=1)
    looks = {"worse": ("v", ORANGE), "better": ("^", BLUE), "unclear": ("o", MUTED)}
    names = []
    for i, row in enumerate(frame.itertuples(index=False)):
        marker, colour = looks[row.verdict]
        axes.errorbar([row.difference], [i], xerr=bars(frame.iloc[[i]], "difference"), fmt=marker, ms=8, lw=2,
                      color=colour, label=f"_{100 * row.before:.1f} to {100 * row.after:.1f} %")  # fmt: skip
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
    words = {"worse": "worse", "better": "better", "unclear": "may be chance"}
    for verdict in [name for name in looks if name in set(frame["verdict"])]:
        marker, colour = looks[verdict]
        axes.plot([], [], marker=marker, ms=8, lw=0, color=colour, label=words[verdict])
    figure.legend(loc="outside upper left", ncols=3)
    description = "Differences in accuracy, one row per policy, method and PRM, the worst first."
    return render(figure, key, title, description, frame)

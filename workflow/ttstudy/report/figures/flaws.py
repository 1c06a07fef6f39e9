"""Figures about the PRMs' flaws: rates with intervals, and calibration."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ttstudy.report.figures.parts import PHONE_SAFE, percent, plain, wrapped
from ttstudy.report.figures.style import INK, MUTED, SIZE, SIZE_MARKERS, Figure, canvas, render, seaborn

_DASHES = ("-", (0, (5, 1.6)), (0, (1, 1.2)), (0, (6, 1.4, 1, 1.4)))


def rates(frame: pd.DataFrame, labels: dict[str, str], prms: Sequence[str], benchmark: str, key: str) -> Figure:
    """Each flaw of each PRM over all policies, with its interval; one panel per flaw, one row per PRM."""
    seaborn()
    shown = [flaw for flaw in labels if flaw in set(frame["flaw"])]
    figure = canvas(max(PHONE_SAFE, 90 + 205 * len(shown)), 95 + 34 * len(prms))
    grid = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axes, flaw in zip(grid, shown, strict=True):
        part = frame[frame["flaw"] == flaw].set_index("prm").reindex(prms)
        for row, prm in enumerate(prms):
            value, low, high = part.loc[prm, ["value", "low", "high"]].astype(float)
            if value == value:
                style = {"color": SIZE[row % len(SIZE)], "marker": SIZE_MARKERS[row % len(SIZE_MARKERS)]}
                axes.errorbar(value, row, xerr=[[max(0.0, value - low)], [max(0.0, high - value)]], lw=1.6, **style)
        axes.axvline(0, color=MUTED, lw=1)
        axes.set_title(wrapped(labels[flaw], 24), fontsize=10.5)
        if flaw != "length_bias":
            axes.set_xlim(-0.02, 1.02)
            percent(axes, "x")
        axes.margins(y=0.15)
    grid[0].set_yticks(range(len(prms)), [plain(wrapped(name, 16)) for name in prms])
    grid[0].invert_yaxis()
    description = f"Flaws of each PRM on {benchmark}, over all policies; bars are 95 % intervals over problems."
    return render(figure, key, f"What each PRM gets wrong on {benchmark}", description, frame)


def calibration(frame: pd.DataFrame, prms: Sequence[str], benchmark: str, key: str) -> Figure:
    """Share of right steps by tenths of the score, one line per PRM; the diagonal is a calibrated PRM."""
    seaborn()
    figure = canvas(PHONE_SAFE, 430)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=INK, lw=1, ls=(0, (2, 2)), label="calibrated")
    for number, prm in enumerate(prms):
        part = frame[frame["prm"] == prm]
        if len(part):
            error = [(part["right"] - part["low"]).clip(lower=0), (part["high"] - part["right"]).clip(lower=0)]
            axes.errorbar(
                part["score"], part["right"], error, color=SIZE[number % len(SIZE)], elinewidth=0.8, label=plain(prm),
                marker=SIZE_MARKERS[number % len(SIZE_MARKERS)], ls=_DASHES[number % len(_DASHES)],
            )  # fmt: skip
    axes.set_xlabel("Mean score of the steps in a tenth of the scale")
    axes.set_ylabel("Share of them that are right")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    percent(axes)
    figure.legend(loc="outside upper left", ncols=3)
    description = (
        f"Calibration of each PRM's step scores on {benchmark}: share of right steps against the mean score, by tenths "
        "of the score. Bars are 95 % intervals over problems."
    )
    return render(figure, key, f"How far a step's score can be taken at its word on {benchmark}", description, frame)

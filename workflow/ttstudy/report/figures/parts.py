"""What the report's figures share: axes, error bars, names, places of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ttstudy.kinds.methods import GREEDY
from ttstudy.report.figures.style import LOOKS, SHADE

if TYPE_CHECKING:
    from matplotlib.axes import Axes


PHONE_SAFE = 560
"""Figures at least this wide scroll sideways on a phone instead of shrinking."""

ON_LIGHT = "#111111"
"""Text on cells that are light in both themes."""
MAYBE = {"facecolor": "none", "edgecolor": SHADE, "hatchcolor": SHADE, "hatch": "//", "lw": 0}
"""Hatching of what may be chance, over light cells."""

TIE = 0.0005
"""Leads below this would be written as +0.0 points: there is no best method."""

CONSTRAINED = 30
"""Panels that matplotlib may arrange by itself; its time grows steeply with their number."""


def percent(axes: Axes, which: str = "y") -> None:
    """An axis of shares, in percent."""
    from matplotlib.ticker import PercentFormatter

    getattr(axes, f"{which}axis").set_major_formatter(PercentFormatter(1.0, decimals=0))


def in_points(axes: Axes, which: str = "y") -> None:
    """An axis in points: 100 times the difference of two shares, with its sign."""
    from matplotlib.ticker import FuncFormatter

    form = FuncFormatter(lambda value, _: f"{100 * value:+.3g}".replace("-", "−") if abs(value) > 1e-9 else "0")
    form.exact = lambda value: f"{100 * value:+.1f} points".replace("-", "−")
    getattr(axes, f"{which}axis").set_major_formatter(form)


def log_axis(axes: Axes, label: str, ticks: Sequence[int] | None = None) -> None:
    """Log-x axis: given ticks as plain numbers, or powers of ten with SI prefixes."""
    from matplotlib.ticker import EngFormatter, FixedLocator, FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    axes.set_xlabel(label)
    axes.xaxis.set_minor_locator(NullLocator())
    if ticks is not None:
        axes.xaxis.set_major_locator(FixedLocator([float(t) for t in ticks]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    else:
        axes.xaxis.set_major_locator(LogLocator(base=10, numticks=9))
        axes.xaxis.set_major_formatter(EngFormatter(sep=" "))


def bars(frame: pd.DataFrame, value: str = "accuracy") -> list[list[float]]:
    """Error bars below and above, never negative."""
    return [
        (frame[value] - frame["low"]).clip(lower=0).tolist(),
        (frame["high"] - frame[value]).clip(lower=0).tolist(),
    ]


def wrapped(name: str, width: int = 18) -> str:
    """A name on several lines."""
    import textwrap

    return "\n".join(textwrap.wrap(name.replace("_", " "), width, break_long_words=True)) or name


def plain(text: str) -> str:
    """A name as it is: no formula starts at a dollar sign, and what XML cannot hold is left out."""
    return "".join(c for c in text if c.isprintable() or c == "\n").replace("$", r"\$")


def spread(values: list[float], gap: float) -> list[float]:
    """Positions as near as possible to the values, at least `gap` apart, in the same order."""
    order = sorted(range(len(values)), key=values.__getitem__)
    blocks: list[list[Any]] = []
    for index in order:
        blocks.append([[index], values[index]])
        while len(blocks) > 1:
            (upper, centre), (lower, below) = blocks[-1], blocks[-2]
            if centre - below >= gap * (len(upper) + len(lower)) / 2:
                break
            members = lower + upper
            mean = sum(values[i] - gap * k for k, i in enumerate(members)) / len(members)
            blocks[-2:] = [[members, mean + gap * (len(members) - 1) / 2]]
    placed = list(values)
    for members, centre in blocks:
        for k, index in enumerate(members):
            placed[index] = centre + gap * (k - (len(members) - 1) / 2)
    return placed


ONE = ("CoT", "greedy answer")
"""What the single answer is called that test-time scaling is held against: in headings, in sentences."""


def single(one: tuple[str, str]) -> str:
    """The single answer as a legend calls it."""
    return LOOKS[GREEDY].label if one == ONE else one[0]

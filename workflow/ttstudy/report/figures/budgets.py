"""Figures of accuracy by policy size and by N."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ttstudy.report.figures.parts import (
    CONSTRAINED,
    ONE,
    PHONE_SAFE,
    bars,
    log_axis,
    percent,
    plain,
    single,
    wrapped,
)
from ttstudy.report.figures.style import (
    INK,
    METHOD,
    SIZE,
    SIZE_MARKERS,
    Figure,
    canvas,
    render,
    seaborn,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def cot(frame: pd.DataFrame, key: str, one: tuple[str, str] = ONE) -> Figure:
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
            color=METHOD["cot"][1] if len(names) == 1 else SIZE[rank % len(SIZE)], ms=7, capsize=4, elinewidth=1.2,
        )  # fmt: skip
    for row in frame[frame["benchmark"] == names[0]].itertuples(index=False):
        axes.annotate(
            plain(row.policy), (row.parameters, row.accuracy), (-7, 6), textcoords="offset points", fontsize=10.5,
            color=INK, ha="right",
        )  # fmt: skip
    log_axis(axes, "Policy parameters (log scale)")
    axes.set_xlim(frame["parameters"].min() / 2.5, frame["parameters"].max() * 1.6)
    axes.set_ylim(0, 1.02)
    percent(axes)
    axes.set_ylabel(f"{one[0]} accuracy, 95 % intervals")
    if len(names) > 1:
        axes.legend()
    description = f"Accuracy of one {one[1]} by policy size: " + ", ".join(
        f"{row.policy} {row.accuracy:.1%}" for row in frame.itertuples(index=False)
    )
    return render(figure, key, f"{one[0]} accuracy by policy size", description, frame)


def scaling(
    frame: pd.DataFrame, greedy: pd.DataFrame, benchmark: str, policies: Sequence[str], prms: Sequence[str], key: str,
    one: tuple[str, str] = ONE,
) -> Figure:  # fmt: skip
    """Accuracy against N, one panel per policy and PRM, with 95 % bands."""
    seaborn()
    frame, greedy = (part[part["benchmark"] == benchmark] for part in (frame, greedy))
    policies = [name for name in policies if name in set(frame["policy"])]
    columns = list(prms) or ["none"]
    budgets = sorted(set(frame["budget"]))
    width, height = max(PHONE_SAFE, 90 + 205 * len(columns)), 90 + 165 * len(policies)
    many = len(policies) * len(columns) > CONSTRAINED
    figure = canvas(width, height, None if many else "constrained")
    if many:
        figure.subplots_adjust(80 / width, 50 / height, 1 - 8 / width, 1 - 85 / height, wspace=0.08, hspace=0.12)
    grid = figure.subplots(len(policies), len(columns), sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat:  # limits are set once, at the end: every panel has to be told of each change
        axes.set_autoscale_on(False)
    base = dict(zip(greedy["policy"], greedy["accuracy"], strict=True))
    for i, policy in enumerate(policies):
        for j, prm in enumerate(columns):
            axes = grid[i][j]
            _curves(axes, frame[(frame["policy"] == policy) & frame["prm"].isin([prm, "none"])])
            if policy in base:
                axes.axhline(base[policy], color=METHOD["cot"][1], lw=1, label=single(one), zorder=2)
            if i == 0:
                axes.set_title(plain(wrapped(prm)) if prm != "none" else "no PRM")
            if j == 0:
                axes.set_ylabel(plain(wrapped(policy)), fontweight="bold")
    log_axis(grid[-1][0], "", budgets)
    for axes in grid.flat:
        axes.set_autoscalex_on(True)
    grid[-1][0].autoscale_view(scaley=False)
    percent(grid[0][0])
    low, high = float(frame["low"].min()), float(frame["high"].max())
    grid[0][0].set_ylim(max(-0.02, low - 0.03), min(1.02, high + 0.03))
    figure.supxlabel("N, candidate solutions per problem (log scale)", fontsize=12)
    handles: dict[str, Any] = {}
    for row in grid:
        for axes in row:
            handles.update(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(
        handles.values(), handles.keys(), loc="upper left" if many else "outside upper left", ncols=3,
        columnspacing=1.4, handlelength=3,
    )  # fmt: skip
    description = (
        f"Small multiples of accuracy on {benchmark} against N: one row per policy, smallest first, one column "
        "per PRM. "
        f"Bands are 95 % intervals over problems; the flat line is the policy's own {one[1]}."
    )
    return render(figure, key, f"Accuracy against N on {benchmark}", description, frame)


def _curves(axes: Axes, frame: pd.DataFrame) -> None:
    """One line per method, with a band where it answers."""
    for method in ("coverage", "majority", "best_of_n", "beam_search", "dvts"):
        part = frame[frame["method"] == method].sort_values("budget")
        if not len(part):
            continue
        label, colour, marker, dash = METHOD[method]
        axes.plot(
            part["budget"], part["accuracy"], color=colour, marker=marker, ls=dash, ms=5,
            lw=1.2 if method == "coverage" else 1.7, label=label, zorder=1 if method == "coverage" else 3,
        )  # fmt: skip
        if method != "coverage":
            axes.fill_between(part["budget"], part["low"], part["high"], color=colour, alpha=0.12, lw=0)


def gains(frame: pd.DataFrame, benchmark: str, key: str, one: tuple[str, str] = ONE) -> Figure:
    """The single answer, majority and compute-optimal TTS of each policy side by side."""
    seaborn()
    frame = frame[frame["benchmark"] == benchmark]
    figure = canvas(640, 80 + 46 * len(frame))
    axes = figure.subplots()
    marks = (("cot", "cot", single(one)), ("majority", "majority", "Majority vote, largest N"),
             ("tts", "beam_search", "Compute-optimal TTS, largest N, cross-fitted"))  # fmt: skip
    for offset, (column, style, label) in zip((-0.22, 0, 0.22), marks, strict=True):
        part = frame.assign(low=frame[f"{column}_low"], high=frame[f"{column}_high"])
        axes.errorbar(
            part[column], [i + offset for i in range(len(part))], xerr=bars(part, column), fmt=METHOD[style][2], ms=7,
            color=METHOD[style][1], label=label, elinewidth=1.3,
        )  # fmt: skip
    axes.set_yticks(range(len(frame)), [plain(name) for name in frame["policy"]])
    axes.set_ylim(len(frame) - 0.5, -0.5)
    axes.set_xlim(0, 1.01)
    percent(axes, "x")
    axes.set_xlabel("Accuracy, 95 % intervals")
    figure.legend(loc="outside upper left", ncols=3)
    description = (
        f"Accuracy on {benchmark} of one {one[1]}, of the majority vote and of compute-optimal test-time scaling."
    )
    return render(figure, key, f"{one[0]}, majority and compute-optimal TTS on {benchmark}", description, frame)

"""The figure and the data at the top of the page: what accuracy costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ttstudy.kinds.methods import GREEDY
from ttstudy.report.blocks import ACCURACY, METHOD, POLICY, Block, N, Results, each
from ttstudy.report.cells import Column as C
from ttstudy.report.figures.parts import ONE, bars, log_axis, percent, plain, spread
from ttstudy.report.figures.style import INK, LOOKS, MUTED, NEUTRAL, SIZE, SIZE_MARKERS, Figure, canvas, render, seaborn

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def blocks(results: Results) -> list[Block]:
    """The headline figure of each benchmark, with its data."""
    points_ = results.frontier
    columns = [
        POLICY, C("kind", "Kind", facet=True), METHOD, N, C("flops", "FLOPs per problem", "exponent"), *ACCURACY,
        C("pareto", "On the Pareto front", "flag"),
    ]  # fmt: skip
    if not len(points_):
        return []
    policies, one = results.study.policies, results.study.one
    return each(results.study, points_, "headline", columns, lambda b, k: draw(points_, b, policies, k, one))


def draw(points: pd.DataFrame, benchmark: str, policies: Sequence[str], key: str, one: tuple[str, str] = ONE) -> Figure:
    """Accuracy against FLOPs per problem: CoT of all policies, TTS of each, the Pareto front."""
    seaborn()
    points = points[points["benchmark"] == benchmark]
    figure = canvas(930, 500)
    axes = figure.subplots()
    front = points[points["pareto"]].sort_values("flops")
    axes.step(front["flops"], front["accuracy"], where="post", color=NEUTRAL, lw=7, solid_capstyle="round", zorder=1)
    greedy = points[points["kind"] == "cot"].sort_values("flops")
    axes.plot(greedy["flops"], greedy["accuracy"], color=LOOKS[GREEDY].colour, ls=(0, (2, 2)), lw=1.4, zorder=2)
    axes.errorbar(
        greedy["flops"], greedy["accuracy"], bars(greedy), color=LOOKS[GREEDY].colour, fmt="s", ms=8, lw=1.2, zorder=4
    )
    ends = []
    for rank, policy in enumerate(policies):
        colour, marker = SIZE[rank % len(SIZE)], SIZE_MARKERS[rank % len(SIZE_MARKERS)]
        mine = points[points["policy"] == policy]
        tts = mine[mine["kind"] == "tts"].sort_values("budget")
        if len(tts):
            axes.errorbar(
                tts["flops"], tts["accuracy"], bars(tts), color=colour, marker=marker, ms=6.5, lw=2, elinewidth=1,
                zorder=3,
            )  # fmt: skip
            ends.append((policy, colour, float(tts["flops"].iloc[-1]), float(tts["accuracy"].iloc[-1])))
    _name_single(axes, greedy)
    bottom, top = max(0, float(points["low"].min()) - 0.04), min(1.02, float(points["high"].max()) + 0.04)
    _name_scaled(axes, ends, bottom, top)
    log_axis(axes, "FLOPs per problem, policy and PRM, all tokens generated (log scale)")
    percent(axes)
    axes.set_ylabel(f"Accuracy on {plain(benchmark)}, 95 % intervals")
    low, high = float(points["flops"].min()), float(points["flops"].max())
    axes.set_xlim(low / 4, high * 6)
    axes.set_ylim(bottom, top)
    label = f"one {one[1]} ({one[0]})"
    axes.plot([], [], color=LOOKS[GREEDY].colour, marker="s", ms=7, ls=(0, (2, 2)), lw=1.4, label=label)
    axes.plot([], [], color=MUTED, marker="o", lw=2, label="with test-time scaling, N grows along the line")
    axes.plot([], [], color=NEUTRAL, lw=7, label="Pareto front: nothing shown is cheaper and better")
    figure.legend(loc="outside upper left", ncols=3, handlelength=2.2, columnspacing=1.4)
    ends_text = "; ".join(f"{name} reaches {value:.1%}" for name, _, _, value in ends)
    description = (
        f"Accuracy on {benchmark} against floating-point operations per problem. Squares: one {one[1]} of each "
        f"policy. Lines: the same policies with test-time scaling. At the largest N, {ends_text or 'none was run'}."
    )
    columns = ["policy", "kind", "method", "budget", "flops", "accuracy", "low", "high", "pareto"]
    return render(figure, key, f"Accuracy against compute on {benchmark}", description, points[columns])


def _name_single(axes: Axes, greedy: pd.DataFrame) -> None:
    """Each policy's name beside its single answer."""
    before, last, crowd = 0.0, 0.0, 0
    for row in greedy.itertuples(index=False):
        # Left above a point the line comes up to; right below one that it comes down to, or that is near the last one.
        crowd = crowd + 1 if row.flops < 2.5 * last and row.accuracy - before < 0.05 else 0
        up = row.accuracy >= before and not crowd
        beside = {"xytext": (-9, 5), "ha": "right"} if up else {"xytext": (9, -2 - 12 * max(1, crowd)), "ha": "left"}
        before, last = row.accuracy, row.flops
        axes.annotate(
            plain(row.policy), (row.flops, row.accuracy), textcoords="offset points", fontsize=10.5, color=INK,
            **beside,
        )  # fmt: skip


def _name_scaled(axes: Axes, ends: Sequence[tuple[str, str, float, float]], bottom: float, top: float) -> None:
    """Names right of where the lines end (policy, colour, FLOPs, accuracy), none upon another."""
    edge = max([end[2] for end in ends], default=1.0) * 1.35
    gap = 0.042 * (top - bottom)
    heights = spread([end[3] for end in ends], gap)
    above = max([*heights, 0]) - (top - gap / 2)  # names that would stand above the axes push the others down
    limit = sorted(heights, reverse=True)
    heights = [height if above <= 0 else min(height, top - gap / 2 - gap * limit.index(height)) for height in heights]
    for (policy, colour, _, _), height in zip(ends, heights, strict=True):
        axes.annotate(
            plain(f"{policy} + TTS"), (edge, height), va="center", color=colour, fontsize=11, fontweight="bold"
        )

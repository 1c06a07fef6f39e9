"""The figure and the data at the top of the page: what accuracy costs, or what else a study knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ttstudy.kinds.methods import GREEDY
from ttstudy.report import views
from ttstudy.report.blocks import ACCURACY, METHOD, POLICY, PRM, Block, N, Results, named_table
from ttstudy.report.cells import Column as C
from ttstudy.report.figures.parts import ONE, PHONE_SAFE, bars, log_axis, percent, plain, spread
from ttstudy.report.figures.style import INK, LOOKS, MUTED, NEUTRAL, SIZE, SIZE_MARKERS, Figure, canvas, render, seaborn

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def blocks(results: Results) -> list[Block]:
    """The headline figure of each benchmark, with its data: accuracy against compute, else against N, else alone."""
    return [_block(results, benchmark, f"headline-{i}") for i, benchmark in enumerate(results.study.benchmarks)]


def _block(results: Results, benchmark: str, key: str) -> Block:
    study, points = results.study, results.frontier
    points = points[points["benchmark"] == benchmark] if len(points) else points
    if len(points) and (points["kind"] == "tts").any():
        columns = [
            POLICY, C("kind", "Kind", facet=True), METHOD, N, *ACCURACY, C("flops", "FLOPs per problem", "exponent"),
            C("pareto", "On the Pareto front", "flag"),
        ]  # fmt: skip
        return _with_data(draw(points, benchmark, study.policies, key, study.one), columns, points)
    singles = study.answered[study.answered["benchmark"] == benchmark]
    drawn = views.drawn(study, benchmark)
    if len(drawn):
        one = singles.assign(prm="none")[[*drawn.columns]] if len(singles) else drawn[:0]
        frame = views.ordered(study, pd.concat([one, drawn], ignore_index=True))
        columns = [POLICY, PRM, METHOD, N, C("problems", "Problems", "count"), *ACCURACY]
        return _with_data(_growth(frame, singles, benchmark, study.policies, key, study.one), columns, frame)
    columns = [POLICY, C("problems", "Problems", "count"), *ACCURACY]
    return _with_data(_alone(singles, benchmark, study.policies, key, study.one), columns, singles)


def _with_data(figure: Figure, columns: Sequence[C], frame: pd.DataFrame) -> Block:
    return Block(named_table(f"{figure.key}-data", figure.title, columns, frame, folded=True), figure)


def _growth(
    frame: pd.DataFrame, singles: pd.DataFrame, benchmark: str, policies: Sequence[str], key: str, one: tuple[str, str]
) -> Figure:
    """Accuracy against N, a line per policy from its single answer on, where what it costs is not known."""
    seaborn()
    figure = canvas(930, 430)
    axes = figure.subplots()
    ends, alone = [], dict(zip(singles["policy"], singles["accuracy"], strict=True))
    drawn = frame[frame["budget"] > 1]
    for rank, policy in enumerate(policies):
        colour, marker = SIZE[rank % len(SIZE)], SIZE_MARKERS[rank % len(SIZE_MARKERS)]
        mine = drawn[drawn["policy"] == policy].sort_values("budget")
        if policy in alone:
            axes.axhline(alone[policy], color=colour, lw=1, ls=(0, (2, 2)), zorder=1)
        if len(mine):
            ends.append((policy, colour, *_curve(axes, mine, "budget", policy, color=colour, marker=marker)))
    bottom, top = max(0, float(frame["low"].min()) - 0.04), min(1.02, float(frame["high"].max()) + 0.04)
    budgets = sorted({int(n) for n in drawn["budget"]})
    log_axis(axes, "N, candidate solutions per problem (log scale)", budgets)
    _name_scaled(axes, ends, bottom, top, "")
    percent(axes)
    axes.set_ylabel(f"Accuracy on {plain(benchmark)}, 95 % intervals")
    axes.set_xlim(budgets[0] / 1.5, budgets[-1] * 3.5)
    axes.set_ylim(bottom, top)
    axes.plot([], [], color=MUTED, marker="o", lw=2, label=f"{_what(drawn)}, N grows along the line")
    axes.plot([], [], color=MUTED, lw=1, ls=(0, (2, 2)), label=f"one {one[1]} ({one[0]})")
    figure.legend(loc="outside upper left", ncols=2, handlelength=2.6)
    description = (
        f"Accuracy on {benchmark} against the number of candidates N, one line per policy. Dotted lines: one {one[1]}."
    )
    return render(figure, key, f"Accuracy against N on {benchmark}", description, frame)


def _what(drawn: pd.DataFrame) -> str:
    """What was drawn, as a legend says it."""
    methods, prms = list(dict.fromkeys(drawn["method"])), set(drawn["prm"]) - {"none"}
    if len(methods) > 1 or methods[0] not in LOOKS:
        return "with test-time scaling"
    return LOOKS[methods[0]].label + (f" with {plain(prms.pop())}" if prms else "")


def _alone(
    singles: pd.DataFrame, benchmark: str, policies: Sequence[str], key: str, one: tuple[str, str]
) -> Figure:
    """The single answer of every policy, where nothing else was drawn."""
    seaborn()
    frame = singles.set_index("policy").reindex([name for name in policies if name in set(singles["policy"])])
    figure = canvas(PHONE_SAFE, 70 + 34 * len(frame))
    axes = figure.subplots()
    axes.errorbar(
        frame["accuracy"], range(len(frame)), xerr=bars(frame), fmt="s", ms=8, color=LOOKS[GREEDY].colour, lw=1.4,
        label=f"_one {one[1]}",
    )  # fmt: skip
    axes.set_yticks(range(len(frame)), [plain(str(name)) for name in frame.index])
    axes.set_ylim(len(frame) - 0.5, -0.5)
    axes.set_xlim(0, 1.01)
    percent(axes, "x")
    axes.set_xlabel(f"Accuracy of one {one[1]} on {plain(benchmark)}, 95 % intervals")
    description = f"Accuracy on {benchmark} of one {one[1]} of each policy."
    return render(figure, key, f"One {one[1]} on {benchmark}", description, singles)


def draw(points: pd.DataFrame, benchmark: str, policies: Sequence[str], key: str, one: tuple[str, str] = ONE) -> Figure:
    """Accuracy against FLOPs per problem: CoT of all policies, TTS of each, the Pareto front."""
    seaborn()
    points = points[points["benchmark"] == benchmark]
    figure = canvas(930, 440)
    axes = figure.subplots()
    front = points[points["pareto"]].sort_values("flops")
    axes.step(front["flops"], front["accuracy"], where="post", color=NEUTRAL, lw=7, solid_capstyle="round", zorder=1)
    greedy = points[points["kind"] == "cot"].sort_values("flops")
    axes.plot(greedy["flops"], greedy["accuracy"], color=LOOKS[GREEDY].colour, ls=(0, (2, 2)), lw=1.4, zorder=2)
    axes.errorbar(
        greedy["flops"], greedy["accuracy"], bars(greedy), color=LOOKS[GREEDY].colour, fmt="s", ms=8, lw=1.2, zorder=4,
        label=f"_one {one[1]}",
    )
    ends = []
    for rank, policy in enumerate(policies):
        colour, marker = SIZE[rank % len(SIZE)], SIZE_MARKERS[rank % len(SIZE_MARKERS)]
        mine = points[points["policy"] == policy]
        tts = mine[mine["kind"] == "tts"].sort_values("budget")
        if len(tts):
            name = f"{policy} with TTS"
            ends.append((policy, colour, *_curve(axes, tts, "flops", name, color=colour, marker=marker)))
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


def _curve(axes: Axes, points: pd.DataFrame, x: str, name: str, **look: str) -> tuple[float, float]:
    """Accuracies with their intervals, joined along `x`; where the line ends."""
    axes.errorbar(
        points[x], points["accuracy"], bars(points), ms=6.5, lw=2, elinewidth=1, zorder=3, label=plain(f"_{name}"),
        **look,
    )  # fmt: skip
    return float(points[x].iloc[-1]), float(points["accuracy"].iloc[-1])


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


def _name_scaled(
    axes: Axes, ends: Sequence[tuple[str, str, float, float]], bottom: float, top: float, more: str = " + TTS"
) -> None:
    """Names right of where the lines end (policy, colour, FLOPs, accuracy), none upon another."""
    edge = max([end[2] for end in ends], default=1.0) * 1.35
    gap = 0.042 * (top - bottom)
    heights = spread([end[3] for end in ends], gap)
    above = max([*heights, 0]) - (top - gap / 2)  # names that would stand above the axes push the others down
    limit = sorted(heights, reverse=True)
    heights = [height if above <= 0 else min(height, top - gap / 2 - gap * limit.index(height)) for height in heights]
    for (policy, colour, _, _), height in zip(ends, heights, strict=True):
        axes.annotate(
            plain(f"{policy}{more}"), (edge, height), va="center", color=colour, fontsize=11, fontweight="bold"
        )

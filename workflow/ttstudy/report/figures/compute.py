"""Figures of what accuracy costs: the frontier, small policies against large ones, where the FLOPs go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ttstudy.report.figures.parts import (
    MAYBE,
    ON_LIGHT,
    ONE,
    PHONE_SAFE,
    bars,
    log_axis,
    percent,
    plain,
    spread,
    wrapped,
)
from ttstudy.report.figures.style import (
    GRID,
    INK,
    METHOD,
    MUTED,
    NEUTRAL,
    PARTS,
    SIZE,
    SIZE_MARKERS,
    WIDE,
    Figure,
    canvas,
    render,
    seaborn,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def headline(
    points: pd.DataFrame, benchmark: str, policies: Sequence[str], key: str, one: tuple[str, str] = ONE
) -> Figure:
    """Accuracy against FLOPs per problem: CoT of all policies, TTS of each, the Pareto front."""
    seaborn()
    points = points[points["benchmark"] == benchmark]
    figure = canvas(930, 500)
    axes = figure.subplots()
    front = points[points["pareto"]].sort_values("flops")
    axes.step(front["flops"], front["accuracy"], where="post", color=NEUTRAL, lw=7, solid_capstyle="round", zorder=1)
    greedy = points[points["kind"] == "cot"].sort_values("flops")
    axes.plot(greedy["flops"], greedy["accuracy"], color=METHOD["cot"][1], ls=(0, (2, 2)), lw=1.4, zorder=2)
    axes.errorbar(
        greedy["flops"], greedy["accuracy"], bars(greedy), color=METHOD["cot"][1], fmt="s", ms=8, lw=1.2, zorder=4
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
    axes.plot([], [], color=METHOD["cot"][1], marker="s", ms=7, ls=(0, (2, 2)), lw=1.4, label=label)
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
    heights = [
        height if above <= 0 else min(height, top - gap / 2 - gap * limit.index(height)) for height in heights
    ]
    for (policy, colour, _, _), height in zip(ends, heights, strict=True):
        axes.annotate(
            plain(f"{policy} + TTS"), (edge, height), va="center", color=colour, fontsize=11, fontweight="bold"
        )


def matrix(
    frame: pd.DataFrame, benchmark: str, prm: str, policies: Sequence[str], key: str, one: tuple[str, str] = ONE
) -> Figure:
    """Difference between each policy with TTS (rows) and each policy's single answer (columns), in points."""
    from matplotlib.patches import Patch

    sns = seaborn()
    frame = frame[(frame["benchmark"] == benchmark) & (frame["prm"] == prm)]
    rows = [name for name in policies if name in set(frame["policy"])]
    columns = [name for name in policies if name in set(frame["larger"])]
    wide = frame.pivot(index="policy", columns="larger", values="difference").reindex(index=rows, columns=columns) * 100
    cells = {(r.policy, r.larger): r for r in frame.itertuples(index=False)}

    def label(row: str, column: str) -> str:
        if (row, column) not in cells:
            return ""
        cell = cells[row, column]
        low, high = (f"{100 * v:+.0f}".replace("-", "−") for v in (cell.low, cell.high))
        return f"{100 * cell.difference:+.1f}".replace("-", "−") + f"\n{low} to {high}"

    text = [[label(row, column) for column in columns] for row in rows]
    cell_width = min(105, max(66, (WIDE - 195) // max(1, len(columns))))
    figure = canvas(max(PHONE_SAFE, 190 + cell_width * len(columns)), 155 + 52 * len(rows))
    axes = figure.subplots()
    colours = sns.diverging_palette(28, 245, s=85, l=66, as_cmap=True)  # light enough for dark text at both ends
    sns.heatmap(
        wide, ax=axes, annot=pd.DataFrame(text, wide.index, wide.columns), fmt="", cbar=False, center=0, vmin=-60,
        vmax=60, cmap=colours, linewidths=2, linecolor="none", annot_kws={"fontsize": 11, "color": ON_LIGHT},
    )  # fmt: skip
    axes.grid(False)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            if (row, column) in cells and cells[row, column].low <= 0 <= cells[row, column].high:
                axes.fill_between([j + 0.03, j + 0.97], i + 0.03, i + 0.97, **MAYBE, alpha=0.5)
    patches = [
        Patch(facecolor=colours(1.0), label="with TTS ahead, points and 95 % interval"),
        Patch(facecolor=colours(0.0), label="behind"),
        Patch(**MAYBE | {"lw": 0.8}, label="may be chance"),
    ]
    figure.legend(handles=patches, loc="outside upper left", ncols=3, handlelength=1.4, columnspacing=1.2)
    axes.set(xlabel=f"{one[0]} of …", ylabel="TTS of …")
    axes.xaxis.set_label_position("top")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_xticks(axes.get_xticks(), [plain(wrapped(name, cell_width // 7)) for name in columns], rotation=0)
    axes.set_yticks(axes.get_yticks(), [plain(wrapped(name, 22)) for name in rows], rotation=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    description = (
        f"Accuracy of each policy with test-time scaling ({prm}) less that of one {one[1]} of the policy above, in "
        "percentage points with 95 % intervals, paired over problems. Hatched: the interval includes zero."
    )
    return render(figure, key, f"Small with TTS against larger with {one[0]}, {prm}, {benchmark}", description, frame)


def flops(frame: pd.DataFrame, benchmark: str, prm: str, policies: Sequence[str], key: str) -> Figure:
    """Where the FLOPs of a problem go at each method's largest N, with one PRM."""
    from matplotlib.ticker import EngFormatter

    seaborn()
    frame = frame[(frame["benchmark"] == benchmark) & frame["prm"].isin([prm, "none"])]
    frame = frame[~frame["method"].isin(["cot", "coverage"])]
    frame = frame[frame["budget"] == frame.groupby("method", observed=True)["budget"].transform("max")].copy()
    lost = frame["discarded_tokens"] / frame["response_tokens"].where(frame["response_tokens"] > 0, 1)
    frame["prompt"], frame["PRM"] = frame["flops_prompt"], frame["flops_prm"]
    frame["discarded"] = frame["flops_policy"] * lost
    frame["kept"] = frame["flops_policy"] - frame["discarded"]
    methods = [name for name in METHOD if name in set(frame["method"])]
    shown = [name for name in policies if name in set(frame["policy"])]
    figure = canvas(720, 80 + 24 * len(shown) * len(methods) + 12 * len(shown))
    axes = figure.subplots()
    names, place, at = [], [], 0.0
    for policy in shown:
        for method in methods:
            row = frame[(frame["policy"] == policy) & (frame["method"] == method)]
            if len(row):
                left = 0.0
                for part, (colour, hatch) in PARTS.items():
                    size = float(row[part].iloc[0])
                    first = part if not names else None
                    axes.barh(
                        at, size, left=left, color=colour, hatch=hatch, edgecolor=GRID, lw=0.3, height=0.8, label=first
                    )
                    left += size
                names.append(plain(f"{policy}  {METHOD[method][0]}, N = {int(row['budget'].iloc[0])}"))
                place.append(at)
                at += 1
        at += 0.5
    axes.set_yticks(place, names, fontsize=10.5)
    axes.set_ylim(at - 0.5, -0.7)
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("FLOPs per problem")
    labels = {"prompt": "prompt", "kept": "tokens in returned answers", "discarded": "discarded tokens", "PRM": "PRM"}
    handles, texts = axes.get_legend_handles_labels()
    figure.legend(handles, [labels[text] for text in texts], loc="outside upper left", ncols=4)
    description = (
        f"Compute of one problem of {benchmark} by method at its largest N with {prm}, split into prompt, tokens of "
        "returned answers, discarded tokens and PRM."
    )
    columns = ["policy", "method", "budget", *PARTS, "flops_total"]
    return render(figure, key, f"Where the compute goes on {benchmark}", description, frame[columns])

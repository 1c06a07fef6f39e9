"""The report's figures, drawn from the views of `ttstudy.report.views`: tables in, `Figure` out, nothing computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ttstudy.report.figures.style import (
    GRID,
    INK,
    LEVEL,
    METHOD,
    MUTED,
    NEUTRAL,
    PARTS,
    SHADE,
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


def _percent(axes: Axes, which: str = "y") -> None:
    from matplotlib.ticker import PercentFormatter

    getattr(axes, f"{which}axis").set_major_formatter(PercentFormatter(1.0, decimals=0))


def _points(axes: Axes, which: str = "y") -> None:
    """An axis in points: 100 times the difference of two shares, with its sign."""
    from matplotlib.ticker import FuncFormatter

    getattr(axes, f"{which}axis").set_major_formatter(
        FuncFormatter(lambda value, _: f"{100 * value:+.3g}".replace("-", "−") if abs(value) > 1e-9 else "0")
    )


def _log(axes: Axes, label: str, ticks: Sequence[int] | None = None) -> None:
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


def _bars(frame: pd.DataFrame, value: str = "accuracy") -> list[list[float]]:
    """Error bars below and above, never negative."""
    return [
        (frame[value] - frame["low"]).clip(lower=0).tolist(),
        (frame["high"] - frame[value]).clip(lower=0).tolist(),
    ]


def _wrap(name: str, width: int = 18) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(name.replace("_", " "), width, break_long_words=True)) or name


def _plain(text: str) -> str:
    """A name as it is: no formula starts at a dollar sign, and what XML cannot hold is left out."""
    return "".join(c for c in text if c.isprintable() or c == "\n").replace("$", r"\$")


def _spread(values: list[float], gap: float) -> list[float]:
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


def _single(one: tuple[str, str]) -> str:
    return "CoT (greedy)" if one == ONE else one[0]


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
        greedy["flops"], greedy["accuracy"], _bars(greedy), color=METHOD["cot"][1], fmt="s", ms=8, lw=1.2, zorder=4
    )
    ends = []
    for rank, policy in enumerate(policies):
        colour, marker = SIZE[rank % len(SIZE)], SIZE_MARKERS[rank % len(SIZE_MARKERS)]
        mine = points[points["policy"] == policy]
        tts = mine[mine["kind"] == "tts"].sort_values("budget")
        if len(tts):
            axes.errorbar(
                tts["flops"], tts["accuracy"], _bars(tts), color=colour, marker=marker, ms=6.5, lw=2, elinewidth=1,
                zorder=3,
            )  # fmt: skip
            ends.append((policy, colour, float(tts["flops"].iloc[-1]), float(tts["accuracy"].iloc[-1])))
    before, last, crowd = 0.0, 0.0, 0
    for row in greedy.itertuples(index=False):
        # Left above a point the line comes up to; right below one that it comes down to, or that is near the last one.
        crowd = crowd + 1 if row.flops < 2.5 * last and row.accuracy - before < 0.05 else 0
        up = row.accuracy >= before and not crowd
        beside = {"xytext": (-9, 5), "ha": "right"} if up else {"xytext": (9, -2 - 12 * max(1, crowd)), "ha": "left"}
        before, last = row.accuracy, row.flops
        axes.annotate(
            _plain(row.policy), (row.flops, row.accuracy), textcoords="offset points", fontsize=10.5, color=INK,
            **beside,
        )  # fmt: skip
    edge = max([end[2] for end in ends], default=1.0) * 1.35
    bottom, top = max(0, float(points["low"].min()) - 0.04), min(1.02, float(points["high"].max()) + 0.04)
    gap = 0.042 * (top - bottom)
    heights = _spread([end[3] for end in ends], gap)
    above = max([*heights, 0]) - (top - gap / 2)  # names that would stand above the axes push the others down
    limit = sorted(heights, reverse=True)
    heights = [
        height if above <= 0 else min(height, top - gap / 2 - gap * limit.index(height)) for height in heights
    ]
    for (policy, colour, _, _), height in zip(ends, heights, strict=True):
        axes.annotate(
            _plain(f"{policy} + TTS"), (edge, height), va="center", color=colour, fontsize=11, fontweight="bold"
        )
    _log(axes, "FLOPs per problem, policy and PRM, all tokens generated (log scale)")
    _percent(axes)
    axes.set_ylabel(f"Accuracy on {_plain(benchmark)}, 95 % intervals")
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


def cot(frame: pd.DataFrame, key: str, one: tuple[str, str] = ONE) -> Figure:
    """Accuracy of the single answer against policy size, one line per benchmark."""
    seaborn()
    figure = canvas(640, 330)
    axes = figure.subplots()
    names = list(dict.fromkeys(frame["benchmark"]))
    for rank, name in enumerate(names):
        part = frame[frame["benchmark"] == name]
        axes.errorbar(
            part["parameters"], part["accuracy"], _bars(part), label=_plain(name),
            marker=SIZE_MARKERS[rank % len(SIZE_MARKERS)],
            color=METHOD["cot"][1] if len(names) == 1 else SIZE[rank % len(SIZE)], ms=7, capsize=4, elinewidth=1.2,
        )  # fmt: skip
    for row in frame[frame["benchmark"] == names[0]].itertuples(index=False):
        axes.annotate(
            _plain(row.policy), (row.parameters, row.accuracy), (-7, 6), textcoords="offset points", fontsize=10.5,
            color=INK, ha="right",
        )  # fmt: skip
    _log(axes, "Policy parameters (log scale)")
    axes.set_xlim(frame["parameters"].min() / 2.5, frame["parameters"].max() * 1.6)
    axes.set_ylim(0, 1.02)
    _percent(axes)
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
            here = frame[(frame["policy"] == policy) & frame["prm"].isin([prm, "none"])]
            for method in ("coverage", "majority", "best_of_n", "beam_search", "dvts"):
                part = here[here["method"] == method].sort_values("budget")
                if not len(part):
                    continue
                label, colour, marker, dash = METHOD[method]
                axes.plot(
                    part["budget"], part["accuracy"], color=colour, marker=marker, ls=dash, ms=5,
                    lw=1.2 if method == "coverage" else 1.7, label=label, zorder=1 if method == "coverage" else 3,
                )  # fmt: skip
                if method != "coverage":
                    axes.fill_between(part["budget"], part["low"], part["high"], color=colour, alpha=0.12, lw=0)
            if policy in base:
                axes.axhline(base[policy], color=METHOD["cot"][1], lw=1, label=_single(one), zorder=2)
            if i == 0:
                axes.set_title(_plain(_wrap(prm)) if prm != "none" else "no PRM")
            if j == 0:
                axes.set_ylabel(_plain(_wrap(policy)), fontweight="bold")
    _log(grid[-1][0], "", budgets)
    for axes in grid.flat:
        axes.set_autoscalex_on(True)
    grid[-1][0].autoscale_view(scaley=False)
    _percent(grid[0][0])
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
    axes.set_xticks(axes.get_xticks(), [_plain(_wrap(name, cell_width // 7)) for name in columns], rotation=0)
    axes.set_yticks(axes.get_yticks(), [_plain(_wrap(name, 22)) for name in rows], rotation=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    description = (
        f"Accuracy of each policy with test-time scaling ({prm}) less that of one {one[1]} of the policy above, in "
        "percentage points with 95 % intervals, paired over problems. Hatched: the interval includes zero."
    )
    return render(figure, key, f"Small with TTS against larger with {one[0]}, {prm}, {benchmark}", description, frame)


def prm_effect(
    frame: pd.DataFrame, benchmark: str, policies: Sequence[str], prms: Sequence[str], auc: dict[str, float], key: str,
    one: tuple[str, str] = ONE,
) -> Figure:  # fmt: skip
    """Gain over the single answer at the largest N by PRM, PRMs in their order, one panel per method."""
    seaborn()
    frame = frame[frame["benchmark"] == benchmark]
    methods = [name for name in METHOD if name in set(frame["method"])]
    shown = [name for name in prms if name in set(frame["prm"])]
    figure = canvas(max(PHONE_SAFE, 70 + 285 * len(methods)), 400)
    grid = figure.subplots(1, len(methods), sharey=True, squeeze=False)[0]
    for axes, method in zip(grid, methods, strict=True):
        part = frame[frame["method"] == method]
        axes.axhline(0, color=METHOD["cot"][1], lw=1)
        for rank, policy in enumerate(policies):
            line = part[part["policy"] == policy].set_index("prm").reindex(shown)
            if line["gain"].notna().any():
                half = [(line["accuracy"] - line["low"]).clip(lower=0), (line["high"] - line["accuracy"]).clip(lower=0)]
                x = [k + 0.07 * (rank - len(policies) / 2) for k in range(len(shown))]
                axes.errorbar(
                    x, line["gain"], half, color=SIZE[rank % len(SIZE)], lw=1.5, elinewidth=0.8, label=_plain(policy),
                    marker=SIZE_MARKERS[rank % len(SIZE_MARKERS)],
                )  # fmt: skip
        many = len(shown) > 4  # side by side they would run into each other
        told = [f"AUC {auc[n]:.2f}" if n in auc else "" for n in shown]
        names = [_plain(n if many else _wrap(n, 13)) + f"\n{t}".rstrip() for n, t in zip(shown, told, strict=True)]
        axes.set_xticks(range(len(shown)), names, fontsize=10, rotation=90 if many else 0)
        axes.set_title(f"{METHOD[method][0]}, N = {int(part['budget'].max())}")
        axes.grid(axis="x", visible=False)
    _points(grid[0])
    grid[0].set_ylabel(f"Accuracy less the policy's {one[0]}, points")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=min(5, max(1, len(labels))))
    description = (
        f"Gain over the policy's own {one[1]} on {benchmark}, by PRM from the best AUC to the worst, one "
        "panel per "
        "method, one line per policy. Bars: 95 % intervals of the accuracy with the PRM."
    )
    return render(figure, key, f"What a PRM is worth on {benchmark}", description, frame)


def levels(frame: pd.DataFrame, benchmark: str, key: str) -> Figure:
    """Share of easy, medium and hard problems for each policy, as stacked bars."""
    seaborn()
    frame = frame[frame["benchmark"] == benchmark]
    policies = list(dict.fromkeys(frame["policy"]))
    figure = canvas(640, 70 + 38 * len(policies))
    axes = figure.subplots()
    left = [0.0] * len(policies)
    for level, (colour, hatch) in LEVEL.items():
        part = frame[frame["level"] == level].set_index("policy").reindex(policies)
        share = part["share"].fillna(0).tolist()
        axes.barh(
            range(len(policies)), share, left=left, color=colour, hatch=hatch, edgecolor=GRID, height=0.72, label=level
        )
        for i, value in enumerate(share):
            if value >= 0.06:
                axes.text(
                    left[i] + value / 2, i, str(int(part["problems"].iloc[i])), ha="center", va="center", fontsize=11,
                    bbox={"boxstyle": "round,pad=0.15", "facecolor": "#ffffff", "edgecolor": "none"}, color=ON_LIGHT,
                )  # fmt: skip
        left = [a + b for a, b in zip(left, share, strict=True)]
    axes.set_yticks(range(len(policies)), [_plain(name) for name in policies])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("Share of problems; the number inside counts them")
    _percent(axes, "x")
    figure.legend(loc="outside upper left", ncols=3)
    description = (
        f"Share of easy, medium and hard problems of {benchmark} for each policy, by its own Pass@1 on the pilot."
    )
    return render(figure, key, f"Difficulty levels on {benchmark}", description, frame)


def best_methods(frame: pd.DataFrame, benchmark: str, policies: Sequence[str], prms: Sequence[str], key: str) -> Figure:
    """Best method by policy, level and PRM, with its lead over the second; hatched where that may be chance."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch, Rectangle

    seaborn()
    frame = frame[frame["benchmark"] == benchmark]
    levels = [name for name in ("all", *LEVEL) if name in set(frame["level"])]
    rows = [name for name in policies if name in set(frame["policy"])]
    shown = [name for name in prms if name in set(frame["prm"])]
    columns = min(2, len(shown))
    lines = -(-len(shown) // columns)
    figure = canvas(150 + 330 * columns if columns > 1 else PHONE_SAFE, 80 + lines * (60 + 42 * len(rows)))
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    cells = {(r.prm, r.policy, r.level): r for r in frame.itertuples(index=False)}
    for axes, prm in zip(grid, shown, strict=False):
        for i, policy in enumerate(rows):
            for j, level in enumerate(levels):
                cell = cells.get((prm, policy, level))
                if cell is None:
                    axes.text(j, i, "–", ha="center", va="center", color=MUTED)
                    continue
                tied = cell.difference < TIE
                name, colour = (cell.method, NEUTRAL) if tied else METHOD[cell.method][:2]
                box = {"xy": (j - 0.48, i - 0.46), "width": 0.96, "height": 0.92}
                axes.add_patch(Rectangle(**box, facecolor=colour, alpha=0.28, lw=0))
                if not cell.significant:
                    axes.add_patch(Rectangle(**box, facecolor="none", edgecolor=MUTED, hatch="//", lw=0, alpha=0.5))
                short = {"majority": "majority", "best_of_n": "best-of-N", "beam_search": "beam", "dvts": "DVTS"}
                lead = f"{short.get(cell.method, name)}\n+{100 * cell.difference:.1f}"
                axes.text(
                    j, i, "tie" if tied else lead, ha="center", va="center", fontsize=10, color=INK, linespacing=1.15
                )
        axes.set(xlim=(-0.5, len(levels) - 0.5), ylim=(len(rows) - 0.5, -0.5))
        axes.set_xticks(range(len(levels)), levels)
        axes.set_yticks(range(len(rows)), [_plain(_wrap(name, 16)) for name in rows])
        axes.set_title(_plain(prm))
        axes.grid(False)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
    for axes in grid[len(shown) :]:
        axes.set_visible(False)
    used = [name for name in METHOD if name in set(frame["method"])]
    patches = [Patch(facecolor=METHOD[name][1], alpha=0.28, label=METHOD[name][0]) for name in used]
    patches.append(Patch(facecolor="none", edgecolor=MUTED, hatch="//", label="lead may be chance"))
    patches.append(Line2D([], [], color=MUTED, marker="_", lw=0, label="not run, or under two problems"))
    figure.legend(handles=patches, loc="outside upper left", ncols=3, handlelength=1.4, columnspacing=1.2)
    description = (
        f"Best method on {benchmark} for each policy and difficulty level, one panel per PRM, with its lead over the "
        "second best in points; tie where the two are equal. Hatched: the 95 % interval of the lead includes zero."
    )
    return render(figure, key, f"Best method by policy, PRM and difficulty, {benchmark}", description, frame)


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
                names.append(_plain(f"{policy}  {METHOD[method][0]}, N = {int(row['budget'].iloc[0])}"))
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


def gains(frame: pd.DataFrame, benchmark: str, key: str, one: tuple[str, str] = ONE) -> Figure:
    """The single answer, majority and compute-optimal TTS of each policy side by side."""
    seaborn()
    frame = frame[frame["benchmark"] == benchmark]
    figure = canvas(640, 80 + 46 * len(frame))
    axes = figure.subplots()
    marks = (("cot", "cot", _single(one)), ("majority", "majority", "Majority vote, largest N"),
             ("tts", "beam_search", "Compute-optimal TTS, largest N, cross-fitted"))  # fmt: skip
    for offset, (column, style, label) in zip((-0.22, 0, 0.22), marks, strict=True):
        part = frame.assign(low=frame[f"{column}_low"], high=frame[f"{column}_high"])
        axes.errorbar(
            part[column], [i + offset for i in range(len(part))], xerr=_bars(part, column), fmt=METHOD[style][2], ms=7,
            color=METHOD[style][1], label=label, elinewidth=1.3,
        )  # fmt: skip
    axes.set_yticks(range(len(frame)), [_plain(name) for name in frame["policy"]])
    axes.set_ylim(len(frame) - 0.5, -0.5)
    axes.set_xlim(0, 1.01)
    _percent(axes, "x")
    axes.set_xlabel("Accuracy, 95 % intervals")
    figure.legend(loc="outside upper left", ncols=3)
    description = (
        f"Accuracy on {benchmark} of one {one[1]}, of the majority vote and of compute-optimal test-time scaling."
    )
    return render(figure, key, f"{one[0]}, majority and compute-optimal TTS on {benchmark}", description, frame)


def optimism(frame: pd.DataFrame, benchmark: str, key: str) -> Figure:
    """Optimism of the naive choice by N, one point per policy and PRM."""
    sns = seaborn()
    frame = frame[frame["benchmark"] == benchmark]
    budgets = sorted(set(frame["budget"]))
    figure = canvas(PHONE_SAFE, 330)
    axes = figure.subplots()
    sns.stripplot(
        frame, x="budget", y="optimism", order=budgets, ax=axes, color=METHOD["best_of_n"][1], size=6, jitter=False,
        alpha=0.6,
    )  # fmt: skip
    means = [float(frame.loc[frame["budget"] == b, "optimism"].mean()) for b in budgets]
    bar = axes.plot(range(len(budgets)), means, color=INK, marker="_", ms=26, lw=0, mew=2)[0]
    dot = axes.plot([], [], color=METHOD["best_of_n"][1], marker="o", ms=6, lw=0, alpha=0.6)[0]
    figure.legend([dot, bar], ["a policy and PRM", "their mean"], loc="outside upper left", ncols=2)
    axes.axhline(0, color=MUTED, lw=1)
    _points(axes)
    axes.set(xlabel="N", ylabel="Naive less cross-fitted, points")
    axes.grid(axis="x", visible=False)
    description = (
        f"Accuracy gained on {benchmark} only by choosing and judging the strategy on the same problems. Each point is "
        "one policy and PRM; bars are means."
    )
    return render(figure, key, f"Optimism of selection on {benchmark}", description, frame)

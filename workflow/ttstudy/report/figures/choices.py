"""Figures of what decides: PRM, difficulty, method, and the choice itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ttstudy.report.figures.parts import (
    ON_LIGHT,
    ONE,
    PHONE_SAFE,
    TIE,
    in_points,
    percent,
    plain,
    wrapped,
)
from ttstudy.report.figures.style import (
    GRID,
    INK,
    LEVEL,
    METHOD,
    MUTED,
    NEUTRAL,
    SIZE,
    SIZE_MARKERS,
    Figure,
    canvas,
    render,
    seaborn,
)

if TYPE_CHECKING:
    pass


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
                    x, line["gain"], half, color=SIZE[rank % len(SIZE)], lw=1.5, elinewidth=0.8, label=plain(policy),
                    marker=SIZE_MARKERS[rank % len(SIZE_MARKERS)],
                )  # fmt: skip
        many = len(shown) > 4  # side by side they would run into each other
        told = [f"AUC {auc[n]:.2f}" if n in auc else "" for n in shown]
        names = [plain(n if many else wrapped(n, 13)) + f"\n{t}".rstrip() for n, t in zip(shown, told, strict=True)]
        axes.set_xticks(range(len(shown)), names, fontsize=10, rotation=90 if many else 0)
        axes.set_title(f"{METHOD[method][0]}, N = {int(part['budget'].max())}")
        axes.grid(axis="x", visible=False)
    in_points(grid[0])
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
    axes.set_yticks(range(len(policies)), [plain(name) for name in policies])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("Share of problems; the number inside counts them")
    percent(axes, "x")
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
        axes.set_yticks(range(len(rows)), [plain(wrapped(name, 16)) for name in rows])
        axes.set_title(plain(prm))
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
    in_points(axes)
    axes.set(xlabel="N", ylabel="Naive less cross-fitted, points")
    axes.grid(axis="x", visible=False)
    description = (
        f"Accuracy gained on {benchmark} only by choosing and judging the strategy on the same problems. Each point is "
        "one policy and PRM; bars are means."
    )
    return render(figure, key, f"Optimism of selection on {benchmark}", description, frame)

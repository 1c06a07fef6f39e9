"""Difficulty levels, and the best method on each."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ttstudy.report.blocks import DIFFERENCE, POLICY, PRM, N, each
from ttstudy.report.cells import Column as C
from ttstudy.report.figures.parts import ON_LIGHT, PHONE_SAFE, TIE, percent, plain, wrapped
from ttstudy.report.figures.style import GRID, INK, LEVEL, LOOKS, MUTED, NEUTRAL, Figure, canvas, render, seaborn
from ttstudy.report.section import DECIDES, PAPER, Given, Section, Told
from ttstudy.report.views import StudyTables, ordered
from ttstudy.vocabulary import LEVELS


def _view(study: StudyTables) -> pd.DataFrame:
    """Problems of each difficulty level by policy: benchmark, policy, level, problems, share, pass_at_1."""
    frame = study.table("difficulty")
    if not len(frame):
        return pd.DataFrame()
    # One answer, all that a reference gives, is no measure of difficulty.
    frame = frame[frame["samples"] > 1]
    out = frame.groupby(["benchmark", "policy", "level"], observed=True).agg(
        problems=("problem_id", "size"), pass_at_1=("pass_at_1", "mean")
    )
    every = pd.MultiIndex.from_product(
        [study.benchmarks, study.policies, LEVELS], names=["benchmark", "policy", "level"]
    )
    out = out.reindex(every).fillna({"problems": 0}).reset_index()
    out["problems"] = out["problems"].astype(int)
    total = out.groupby(["benchmark", "policy"])["problems"].transform("sum")
    out = out[total > 0].copy()
    out["share"] = out["problems"] / total
    return ordered(study, out)[["benchmark", "policy", "level", "problems", "share", "pass_at_1"]]


def _tell(given: Given) -> Told:
    frame, best, study = given.frame, ordered(given.study, given.study.table("best_methods")), given.study
    blocks = each(
        study, frame, "levels",
        [POLICY, C("level", "Level", facet=True), C("problems", "Problems", "count"),
         C("share", "Share, %", "percent"),
         C("pass_at_1", "Mean Pass@1, %", "percent")],
        lambda b, k: _levels(frame, b, k),
    )  # fmt: skip
    finding = "Each policy has its own levels, by its own Pass@1 on a pilot that is not used again."
    if given.context.get("pilot") == 0:
        finding = (
            "Each policy has its own levels, by its own Pass@1 on the very responses that are judged, since "
            "`pilot_samples` is 0. So differences between levels are overstated."
        )
    if len(best):
        sure = int(best["significant"].sum())
        finding += f" In {sure} of {len(best)} cells the best method's lead over the second is beyond chance"
        ties = int((best["difference"] < TIE).sum())
        finding += f"; in {ties} the best two are equal." if ties else "."
        columns = [
            PRM, POLICY, C("level", "Level", facet=True), N, C("problems", "Problems", "count"),
            C("method", "Best method", facet=True), C("accuracy", "Accuracy, %", "percent"), C("second", "Second"),
            *DIFFERENCE, C("significant", "Beyond chance", "flag", facet=True),
        ]  # fmt: skip
        blocks += each(study, best, "best", columns, lambda b, k: _best(best, b, study.policies, study.prms, k))
    method = (
        "Easy, medium and hard are bands of Pass@1. Methods are compared at the largest N that all of them "
        "have. The lead is paired over the problems of the level. The best of several is also the luckiest. Read "
        "unhatched cells as leads that one test each supports, not as a law."
    )
    return Told(finding, blocks, method)


def _levels(frame: pd.DataFrame, benchmark: str, key: str) -> Figure:
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
        f"Share of easy, medium and hard problems of {benchmark} for each policy, by its own Pass@1."
    )
    return render(figure, key, f"Difficulty levels on {benchmark}", description, frame)


def _best(frame: pd.DataFrame, benchmark: str, policies: Sequence[str], prms: Sequence[str], key: str) -> Figure:
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
                colour = NEUTRAL if tied else LOOKS[cell.method].colour
                box = {"xy": (j - 0.48, i - 0.46), "width": 0.96, "height": 0.92}
                axes.add_patch(Rectangle(**box, facecolor=colour, alpha=0.28, lw=0))
                if not cell.significant:
                    axes.add_patch(Rectangle(**box, facecolor="none", edgecolor=MUTED, hatch="//", lw=0, alpha=0.5))
                lead = f"{LOOKS[cell.method].cell}\n+{100 * cell.difference:.1f}"
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
    used = [name for name in LOOKS if name in set(frame["method"])]
    patches = [Patch(facecolor=LOOKS[name].colour, alpha=0.28, label=LOOKS[name].label) for name in used]
    patches.append(Patch(facecolor="none", edgecolor=MUTED, hatch="//", label="lead may be chance"))
    patches.append(Line2D([], [], color=MUTED, marker="_", lw=0, label="not run, or under two problems"))
    figure.legend(handles=patches, loc="outside upper left", ncols=3, handlelength=1.4, columnspacing=1.2)
    description = (
        f"Best method on {benchmark} for each policy and difficulty level, one panel per PRM, with its lead over the "
        "second best in points; tie where the two are equal. Hatched: the 95 % interval of the lead includes zero."
    )
    return render(figure, key, f"Best method by policy, PRM and difficulty, {benchmark}", description, frame)


SECTION = Section(
    title="Difficulty, and which method suits it",
    short="Difficulty and method",
    group=DECIDES,
    place=10,
    part=PAPER,
    view=lambda results, context: _view(results.study),
    tell=_tell,
    absent="Difficulty was not measured in this study.",
)

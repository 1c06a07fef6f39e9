"""Every method beside best-of-N, at equal N, tokens and FLOPs, and what a policy can reach for a cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ttstudy.analysis.flops import CONVENTIONS
from ttstudy.analysis.matched import COSTS
from ttstudy.kinds.methods import GUIDED
from ttstudy.report.blocks import METHOD, POLICY, PRM, Block, N, each, in_words, joined, named_table, shown
from ttstudy.report.cells import Column as C
from ttstudy.report.figures.parts import CONSTRAINED, PHONE_SAFE, in_points, log_axis, percent, plain, wrapped
from ttstudy.report.figures.style import INK, LOOKS, MUTED, Figure, canvas, render, seaborn
from ttstudy.report.section import DECIDES, PAPER, Given, Section, Told
from ttstudy.report.views import StudyTables, ordered

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BASE, BASE_WORDS = shown(GUIDED), in_words(GUIDED)
MATCHES = {"budget": "equal N", "tokens": "equal generated tokens"} | {
    match: f"equal FLOPs, {CONVENTIONS[column][0]}" for match, column in COSTS.items() if column in CONVENTIONS
}
DRAWN = ("flops", "shared")
"""Conventions of the fronts that are drawn; the table has them all."""


def _view(study: StudyTables) -> pd.DataFrame:
    frame = ordered(study, study.table("matched"))
    return frame.assign(match=frame["match"].map(MATCHES)) if len(frame) else frame


def _largest(frame: pd.DataFrame, prm: str | None) -> pd.DataFrame:
    """Rows of one PRM at the largest N of each benchmark and policy that several methods draw."""
    frame = frame[frame["prm"] == prm] if prm in set(frame["prm"]) else frame
    same = frame[frame["match"] == MATCHES["budget"]]
    counts = same.groupby(["benchmark", "policy", "prm", "budget"], observed=True)["method"].nunique().reset_index()
    most = counts.groupby(["benchmark", "policy", "prm"], observed=True)["method"].transform("max")
    last = counts[counts["method"] == most].groupby(["benchmark", "policy", "prm"], observed=True)["budget"].max()
    return frame.merge(last.reset_index(), on=["benchmark", "policy", "prm", "budget"])


def _tell(given: Given) -> Told:
    frame, study = given.frame, given.study
    top = _largest(frame, study.reference_prm)
    budgets = joined([f"{budget}" for budget in sorted(set(top["budget"]))])
    sentences = [f"Mean lead over {BASE_WORDS} with {joined(sorted(set(top['prm'])))} at N = {budgets}, in points."]
    for words in MATCHES.values():
        part = top[top["match"] == words]
        means = part.groupby("method", observed=True)["difference"].mean().sort_values(ascending=False)
        if len(means):
            signed = {name: f"{100 * mean:+.1f}".replace("-", "\N{MINUS SIGN}") for name, mean in means.items()}
            told = [f"{in_words(name)} {lead}" for name, lead in signed.items()]
            leads = joined(told) if len(told) < 5 else f"from {told[0]} to {told[-1]}"
            sentences.append(f"At {words}: {leads}.")
    columns = [
        POLICY, PRM, MATCHED, N, METHOD, C("spent", "its N", "number"),
        C("cost", "its cost per problem", "exponent"), C("base_cost", f"{BASE}'s cost", "exponent"),
        C("accuracy", "Accuracy, %", "percent"), C("base", f"{BASE}, %", "percent"),
        C("difference", "Difference, points", "points"), C("low", "95 % low", "points"),
        C("high", "95 % high", "points"), C("p", "p", "p"),
    ]  # fmt: skip
    blocks = each(study, frame, "matched", columns, lambda b, k: _figure(top, b, k))
    blocks += _fronts(study)
    counted = " ".join(f"{name[:1].upper()}{name[1:]}: {what}." for name, what in CONVENTIONS.values())
    method = (
        f"At equal N, both draw N candidates. Else {BASE_WORDS} draws N, and the method is taken where it has cost "
        "as much. That is between two N that were run, on the straight line in log cost, problem by problem. A "
        "method that has always cost less stands there with its largest N, and one that has always cost more is "
        f"left out. FLOPs are counted in four ways. {counted} For one policy the paper's way is that of equal "
        "generated tokens. Costs are tokens where tokens are equal, else FLOPs. At equal N they are FLOPs as run. "
        "Intervals and p are of one row, not corrected for their number. A front is the highest accuracy of any "
        "method and N that costs no more. Its band is the middle 95 % over resampled problems."
    )
    return Told(" ".join(sentences), blocks, method)


MATCHED = C("match", "Matched by", facet=True)


def _fronts(study: StudyTables) -> list[Block]:
    """The fronts of each benchmark: drawn for the reference PRM, in a table for all."""
    table = study.table("fronts")
    if not len(table):
        return []
    frame = ordered(study, table)
    frame = frame.assign(match=frame["match"].map(MATCHES))
    columns = [
        POLICY, PRM, MATCHED, METHOD, N, C("cost", "Cost per problem", "exponent"),
        C("accuracy", "Accuracy, %", "percent"), C("front", "On the front", "flag"),
        C("share", "On it in % of resamples", "percent"), C("best", "The front there, %", "percent"),
        C("low", "95 % low", "percent"), C("high", "95 % high", "percent"),
    ]  # fmt: skip
    prm = study.reference_prm
    blocks = []
    for number, benchmark in enumerate(study.benchmarks):
        part = frame[frame["benchmark"] == benchmark]
        drawn = part[(part["prm"] == prm) & part["match"].isin([MATCHES[match] for match in DRAWN])]
        if len(drawn):
            figure = _front_figure(drawn, benchmark, str(prm), f"fronts-{number}")
            blocks.append(Block(named_table(f"fronts-{number}-data", figure.title, columns, part, folded=True), figure))
    return blocks


def _front_figure(frame: pd.DataFrame, benchmark: str, prm: str, key: str) -> Figure:
    """Accuracy against FLOPs: the points of every method, the front and its band; a row per policy."""
    seaborn()
    policies = list(dict.fromkeys(frame["policy"]))
    words = [MATCHES[match] for match in DRAWN if MATCHES[match] in set(frame["match"])]
    width, height = max(PHONE_SAFE, 90 + 250 * len(words)), 90 + 165 * len(policies)
    many = len(policies) * len(words) > CONSTRAINED
    figure = canvas(width, height, None if many else "constrained")
    grid = figure.subplots(len(policies), len(words), sharex=True, sharey=True, squeeze=False)
    for row, policy in zip(grid, policies, strict=True):
        for axes, match in zip(row, words, strict=True):
            _front(axes, frame[(frame["policy"] == policy) & (frame["match"] == match)].sort_values("cost"))
        row[0].set_ylabel(plain(wrapped(policy)), fontweight="bold")
    for axes, match in zip(grid[0], words, strict=True):
        axes.set_title(match.removeprefix("equal "))
    log_axis(grid[-1][0], "")
    percent(grid[0][0])
    figure.supxlabel("FLOPs per problem (log scale)", fontsize=12)
    handles = {label: handle for axes in grid.flat
               for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}  # fmt: skip
    figure.legend(
        handles.values(), handles.keys(), loc="upper left" if many else "outside upper left", ncols=4, columnspacing=1.4
    )
    description = (
        f"What each policy reaches on {benchmark} with {prm} for a cost, by any method at any N: points are methods, "
        "the step is the highest of what costs no more, its band the middle 95 % over resampled problems."
    )
    return render(figure, key, f"What a cost buys on {benchmark}", description, frame)


def _front(axes: Axes, part: pd.DataFrame) -> None:
    axes.fill_between(part["cost"], part["low"], part["high"], step="post", color=MUTED, alpha=0.18, lw=0)
    axes.step(part["cost"], part["best"], where="post", color=MUTED, lw=1.5, label="front")
    for method, look in LOOKS.items():
        mine = part[part["method"] == method]
        if len(mine):
            axes.plot(mine["cost"], mine["accuracy"], color=look.colour, marker=look.marker or "o", ms=5, lw=0,
                      label=look.label)  # fmt: skip


def _figure(frame: pd.DataFrame, benchmark: str, key: str) -> Figure | None:
    """Lead of each method over best-of-N, a point per policy: a panel for each of what may be equal."""
    frame = frame[frame["benchmark"] == benchmark]
    if not len(frame):
        return None
    seaborn()
    policies = list(dict.fromkeys(frame["policy"]))
    methods = [name for name in LOOKS if name in set(frame["method"])]
    panels = [words for words in MATCHES.values() if words in set(frame["match"])]
    figure = canvas(PHONE_SAFE, 90 + 34 * len(methods) * len(panels) + 40 * len(panels))
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)
    for axes, words in zip(grid[:, 0], panels, strict=True):
        for place, method in enumerate(methods):
            part = frame[(frame["method"] == method) & (frame["match"] == words)]
            look = LOOKS[method]
            spread = [0.5 * (policies.index(name) + 0.5) / len(policies) - 0.25 for name in part["policy"]]
            axes.plot(part["difference"], [place + at for at in spread], color=look.colour, marker=look.marker or "o",
                      ms=5, lw=0, alpha=0.75)  # fmt: skip
            if len(part):
                axes.plot([part["difference"].mean()], [place], color=INK, marker="|", ms=20, mew=2, lw=0)
        axes.axvline(0, color=MUTED, lw=1)
        axes.set_yticks(range(len(methods)), [LOOKS[method].label for method in methods])
        axes.set_ylim(len(methods) - 0.5, -0.5)
        axes.set_title(f"At {words}")
        axes.grid(axis="y", visible=False)
    in_points(grid[-1][0], "x")
    grid[-1][0].set_xlabel(f"Lead over {BASE}, points: one mark per policy, bar: their mean")
    description = (
        f"Accuracy on {benchmark} less that of {BASE}, for each policy: where both draw equally many candidates, where "
        "both generate equally many tokens, and where both may spend equally many FLOPs, however these are counted."
    )
    return render(figure, key, f"Methods at equal N, tokens and FLOPs on {benchmark}", description, frame)


SECTION = Section(
    title="Methods at equal N, tokens and FLOPs",
    short="Equal N, equal cost",
    group=DECIDES,
    place=15,
    part=PAPER,
    view=lambda results, context: _view(results.study),
    tell=_tell,
)

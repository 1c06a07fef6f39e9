"""Accuracy of every method, policy and PRM against N."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ttstudy.kinds.methods import BUDGETED, CEILINGS, GREEDY, SEARCHES
from ttstudy.kinds.scores import SCORES
from ttstudy.kinds.votes import VOTES
from ttstudy.report import views
from ttstudy.report.answer import percent
from ttstudy.report.blocks import ACCURACY, METHOD, POLICY, PRM, N, each, in_words, joined, shown
from ttstudy.report.cells import Column as C
from ttstudy.report.figures.parts import CONSTRAINED, ONE, PHONE_SAFE, log_axis, plain, single, wrapped
from ttstudy.report.figures.parts import percent as in_percent
from ttstudy.report.figures.style import LOOKS, Figure, canvas, render, seaborn
from ttstudy.report.section import AGAINST, PAPER, Given, Section, Told

if TYPE_CHECKING:
    from matplotlib.axes import Axes


RULES = {name: score.about for name, score in SCORES.items()} | {
    name: f"{vote.about} ({vote.look.label})" for name, vote in VOTES.items()
}
"""The headline's vote and score in words."""


_SEARCHES = joined([in_words(name) for name in SEARCHES])


def _tell(given: Given) -> Told:
    frame, study, context = given.frame, given.study, given.context
    run = len(set(frame["method"]) & set(views.CURVES))
    finding = (
        f"{run} method{'s' if run > 1 else ''} for every policy and the PRMs that it was run with, from "
        f"N = {frame['budget'].min()} to {frame['budget'].max()}."
    )
    prm = study.reference_prm
    tops = frame[(frame["prm"] == prm) & frame["method"].isin(views.CURVES)] if prm else frame[:0]
    if len(tops):
        best = tops.loc[tops["accuracy"].idxmax()]
        finding += (
            f" The highest point with {prm}: {best['policy']}, {shown(best['method'])} at N = {best['budget']}, "
            f"{percent(best['accuracy'])} on {best['benchmark']}."
        )
    columns = [POLICY, PRM, METHOD, N, C("problems", "Problems", "count"), *ACCURACY]
    blocks = each(
        study, frame, "scaling", columns,
        lambda b, k: _figure(frame, given.results.cot, b, study.policies, study.prms, k, study.one),
    )  # fmt: skip
    method = (
        f"Answers are chosen by one rule everywhere: {RULES.get(study.vote, study.vote)}. A response's score is "
        f"{RULES.get(study.score, study.score)}. Bands are 95 % intervals over problems. Coverage is the share of "
        "problems with at least one right response among N: "
        "no vote can do better."
    )
    recorded = [name for name in context.get("recorded", []) if name in study.policies]
    if recorded:
        whose = "" if len(recorded) == len(study.policies) else f" of {joined(recorded)}"
        finding += (
            f" The responses{whose} are recorded, and nothing can go on from one of their steps. So {_SEARCHES} are "
            "not possible with them."
        )
    endpoints = [name for name in context.get("endpoints", []) if name in study.policies]
    if endpoints:
        finding += (
            f" An endpoint answered for {joined(endpoints)}, and it cannot go on from a step. So {_SEARCHES} are not "
            "possible there."
        )
    return Told(finding, blocks, method)


def _figure(
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
                axes.axhline(base[policy], color=LOOKS[GREEDY].colour, lw=1, label=single(one), zorder=2)
            if i == 0:
                axes.set_title(plain(wrapped(prm)) if prm != "none" else "no PRM")
            if j == 0:
                axes.set_ylabel(plain(wrapped(policy)), fontweight="bold")
    log_axis(grid[-1][0], "", budgets)
    for axes in grid.flat:
        axes.set_autoscalex_on(True)
    grid[-1][0].autoscale_view(scaley=False)
    in_percent(grid[0][0])
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
    for method in (*CEILINGS, *BUDGETED):
        part = frame[frame["method"] == method].sort_values("budget")
        if not len(part):
            continue
        look = LOOKS[method]
        axes.plot(
            part["budget"], part["accuracy"], color=look.colour, marker=look.marker, ls=look.dash, ms=5,
            lw=1.2 if method in CEILINGS else 1.7, label=look.label, zorder=1 if method in CEILINGS else 3,
        )  # fmt: skip
        if method not in CEILINGS:
            axes.fill_between(part["budget"], part["low"], part["high"], color=look.colour, alpha=0.12, lw=0)


SECTION = Section(
    title="Accuracy against N",
    short="Accuracy against N",
    group=AGAINST,
    place=20,
    part=PAPER,
    view=lambda results, context: results.scaling,
    tell=_tell,
    absent="No method that draws more than one response was run.",
)

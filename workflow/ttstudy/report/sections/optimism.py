"""What choosing a strategy on the problems that judge it adds."""

from __future__ import annotations

import pandas as pd

from ttstudy.report.blocks import POLICY, PRM, N, each
from ttstudy.report.cells import Column as C
from ttstudy.report.figures.parts import PHONE_SAFE, in_points
from ttstudy.report.figures.style import INK, MUTED, ORANGE, Figure, canvas, render, seaborn
from ttstudy.report.section import PAPER, TRUST, Given, Section, Told
from ttstudy.report.views import StudyTables, ordered


def _view(study: StudyTables) -> pd.DataFrame:
    """What choosing and judging on the same problems adds, per benchmark, policy, PRM and N.

    From the study's optimism table (with its interval), else from naive and cross-fitted rows of the strategy table.
    Columns: benchmark, policy, prm, budget, naive, cross_fitted, optimism, and low, high, learning_loss, error,
    author_rule, predicted where known.
    """
    key = ["benchmark", "policy", "prm", "budget"]
    frame, out = study.table("strategy"), study.table("optimism")
    wide = pd.DataFrame()
    if len(frame):
        frame = frame[frame["level"] == "all"]
        wide = frame.pivot_table(index=key, columns="selection", values="accuracy", observed=True)
        wide = wide.reset_index().rename_axis(columns=None)
    if {"naive", "cross_fitted", "optimism"} <= set(out.columns):
        more = [name for name in ("author_rule", "predicted") if name in wide]
        if more:
            out = out.merge(wide[[*key, *more]], on=key, how="left")
    elif {"naive", "cross_fitted"} <= set(wide.columns):
        out = wide.assign(optimism=wide["naive"] - wide["cross_fitted"])
    else:
        return pd.DataFrame()
    return ordered(study, out)


def _tell(given: Given) -> Told:
    frame, study = given.frame, given.study
    finding = (
        "Choosing the best strategy and judging it on the same problems reads "
        f"{100 * frame['optimism'].mean():.1f} points too high on average, {100 * frame['optimism'].max():.1f} at most."
    )
    if "learning_loss" in frame:
        finding += (
            f" On average {100 * frame['learning_loss'].mean():.1f} points of it are learning loss: a choice from four "
            "fifths of these problems is worth less than the best one."
        )
    columns = [
        POLICY, PRM, N, C("thetas", "Strategies", "count"), C("naive", "Naive, %", "percent"),
        C("cross_fitted", "Cross-fitted, %", "percent"), C("optimism", "Optimism, points", "points"),
        C("low", "95 % low", "points"), C("high", "95 % high", "points"),
        C("learning_loss", "Of it learning loss, points", "points"), C("error", "Monte-Carlo error, points", "points"),
        C("author_rule", "Authors' rule, %", "percent"), C("predicted", "Levels without labels, %", "percent"),
    ]  # fmt: skip
    blocks = each(study, frame, "optimism", columns, lambda b, k: _figure(frame, b, k))
    method = (
        "The cross-fitted number is the honest one. Folds are drawn anew until it is known to 0.3 points (95 %). "
        "That is the table's Monte-Carlo error. Learning loss is told by what a choice from half of the problems "
        "loses against one from four fifths. In a single row it is noisy, and may be negative. The authors' rule "
        "fixes the method by policy size and never looks. The last column is cross-fitted over levels that were "
        "predicted without labels: what a deployment could do."
    )
    return Told(finding, blocks, method)


def _figure(frame: pd.DataFrame, benchmark: str, key: str) -> Figure:
    """Optimism of the naive choice by N, one point per policy and PRM."""
    sns = seaborn()
    frame = frame[frame["benchmark"] == benchmark]
    budgets = sorted(set(frame["budget"]))
    figure = canvas(PHONE_SAFE, 330)
    axes = figure.subplots()
    sns.stripplot(
        frame, x="budget", y="optimism", order=budgets, ax=axes, color=ORANGE, size=6, jitter=False,
        alpha=0.6,
    )  # fmt: skip
    means = [float(frame.loc[frame["budget"] == b, "optimism"].mean()) for b in budgets]
    bar = axes.plot(range(len(budgets)), means, color=INK, marker="_", ms=26, lw=0, mew=2)[0]
    dot = axes.plot([], [], color=ORANGE, marker="o", ms=6, lw=0, alpha=0.6)[0]
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


SECTION = Section(
    title="What choosing on the test set would add",
    short="Choosing on the test set",
    group=TRUST,
    place=20,
    part=PAPER,
    view=lambda results, context: _view(results.study),
    tell=_tell,
    absent="Not there: no table has the naive choice beside the cross-fitted one.",
)

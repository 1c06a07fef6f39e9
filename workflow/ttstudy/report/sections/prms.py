"""Gain over one answer by PRM, the best judge of steps first."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ttstudy.kinds.methods import GREEDY
from ttstudy.report.answer import points
from ttstudy.report.blocks import ACCURACY, METHOD, POLICY, PRM, N, each
from ttstudy.report.cells import Column as C
from ttstudy.report.figures.parts import ONE, PHONE_SAFE, in_points, plain, wrapped
from ttstudy.report.figures.style import LOOKS, SIZE, SIZE_MARKERS, Figure, canvas, render, seaborn
from ttstudy.report.section import DECIDES, PAPER, Given, Section, Told
from ttstudy.report.views import StudyTables, ordered


def _view(study: StudyTables) -> pd.DataFrame:
    """Accuracy at each method's largest N by PRM, with its step AUC, less the policy's single answer."""
    frame = ordered(study, study.table("prm_effect"))
    if len(frame):
        frame.insert(3, "auc", frame["prm"].map(study.auc).astype(float))
    return frame


def _tell(given: Given) -> Told:
    frame, study = given.frame, given.study
    # Only policies that every PRM was used with compare PRMs fairly.
    used = frame.groupby("policy", observed=True)["prm"].nunique()
    shared = set(used.index[used == frame["prm"].nunique()])
    fair = frame[frame["policy"].isin(shared)] if shared else frame
    mean = fair.groupby("prm", observed=True)["gain"].mean()
    order = [name for name in study.prms if name in mean.index]
    ends = list(dict.fromkeys((order[0], order[-1])))
    basis = ("best AUC on validation rollouts", "worst") if study.auc else ("first in the configuration", "last")
    whose = "that all PRMs were used with" if shared else "of each PRM"
    short, one = study.one
    finding = f"At the largest N, the mean gain over {short} is {points(mean[ends[0]])} with {ends[0]} ({basis[0]})"
    finding += f" and {points(mean[ends[1]])} with {ends[1]} ({basis[1]})." if len(ends) > 1 else "."
    finding += f" The mean is over the policies {whose}."
    columns = [
        PRM, C("auc", "Step AUC", "auc"), METHOD, POLICY, N, *ACCURACY,
        C("cot", f"{short}, %", "percent"), C("gain", "Gain, points", "points"),
    ]  # fmt: skip
    blocks = each(
        study, frame, "prms", columns,
        lambda b, k: _figure(frame, b, study.policies, study.prms, study.auc, k, study.one),
    )  # fmt: skip
    method = (
        "AUC comes from the training log: right against wrong steps on validation rollouts, never on the benchmark."
        if study.auc
        else "The AUC of these PRMs on steps of known worth is not known here."
    )
    return Told(finding, blocks, method)


def _figure(
    frame: pd.DataFrame, benchmark: str, policies: Sequence[str], prms: Sequence[str], auc: dict[str, float], key: str,
    one: tuple[str, str] = ONE,
) -> Figure:  # fmt: skip
    """Gain over the single answer at the largest N by PRM, PRMs in their order, one panel per method."""
    seaborn()
    frame = frame[frame["benchmark"] == benchmark]
    methods = [name for name in LOOKS if name in set(frame["method"])]
    shown = [name for name in prms if name in set(frame["prm"])]
    figure = canvas(max(PHONE_SAFE, 70 + 285 * len(methods)), 400)
    grid = figure.subplots(1, len(methods), sharey=True, squeeze=False)[0]
    for axes, method in zip(grid, methods, strict=True):
        part = frame[frame["method"] == method]
        axes.axhline(0, color=LOOKS[GREEDY].colour, lw=1)
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
        axes.set_title(f"{LOOKS[method].label}, N = {int(part['budget'].max())}")
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


SECTION = Section(
    title="What a better PRM buys",
    short="The PRM",
    group=DECIDES,
    place=30,
    part=PAPER,
    view=lambda results, context: _view(results.study),
    tell=_tell,
    absent="No PRM was used in this study.",
)

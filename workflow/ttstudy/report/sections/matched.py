"""Every method beside best-of-N, at equal N and at equal FLOPs."""

from __future__ import annotations

import pandas as pd

from ttstudy.kinds.methods import GUIDED
from ttstudy.report.blocks import METHOD, POLICY, PRM, N, each, in_words, joined, shown
from ttstudy.report.cells import Column as C
from ttstudy.report.figures.parts import PHONE_SAFE, in_points
from ttstudy.report.figures.style import INK, LOOKS, MUTED, Figure, canvas, render, seaborn
from ttstudy.report.section import DECIDES, Given, Section, Told
from ttstudy.report.views import StudyTables, ordered

BASE, BASE_WORDS = shown(GUIDED), in_words(GUIDED)
MATCHES = {"budget": "equal N", "flops": "equal FLOPs"}


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
            leads = joined([f"{in_words(name)} {lead}" for name, lead in signed.items()])
            sentences.append(f"At {words}: {leads}.")
    columns = [
        POLICY, PRM, C("match", "Matched by", facet=True), N, METHOD, C("spent", "its N", "plain"),
        C("flops", "its FLOPs per problem", "exponent"), C("base_flops", f"{BASE}'s FLOPs", "exponent"),
        C("accuracy", "Accuracy, %", "percent"), C("base", f"{BASE}, %", "percent"),
        C("difference", "Difference, points", "points"), C("low", "95 % low", "points"),
        C("high", "95 % high", "points"), C("p", "p", "p"),
    ]  # fmt: skip
    blocks = each(study, frame, "matched", columns, lambda b, k: _figure(top, b, k))
    method = (
        f"At equal N, both draw N candidates. At equal FLOPs, {BASE_WORDS} draws N, and the method the largest N that "
        "was run and costs no more by the full count of the ledger. There a search shares the prefixes that it has "
        f"read; responses of {BASE_WORDS} are each read whole. Intervals and p are of one row, not corrected for their "
        "number."
    )
    return Told(" ".join(sentences), blocks, method)


def _figure(frame: pd.DataFrame, benchmark: str, key: str) -> Figure | None:
    """Lead of each method over best-of-N, a point per policy, at equal N and at equal FLOPs."""
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
        f"Accuracy on {benchmark} less that of {BASE}, for each policy: where both draw equally many candidates, and "
        "where both may spend equally many FLOPs."
    )
    return render(figure, key, f"Methods at equal N and at equal FLOPs on {benchmark}", description, frame)


SECTION = Section(
    title="Methods at equal N and at equal FLOPs",
    short="Equal N, equal FLOPs",
    group=DECIDES,
    place=15,
    view=lambda results, context: _view(results.study),
    tell=_tell,
)

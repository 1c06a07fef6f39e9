"""What decides it: difficulty, subjects, the PRM, score and vote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttstudy.report import views
from ttstudy.report.answer import percent, points
from ttstudy.report.cells import Column as C
from ttstudy.report.figures import choices, parts
from ttstudy.report.sections.parts import (
    ACCURACY,
    BENCHMARK,
    DIFFERENCE,
    METHOD,
    POLICY,
    PRM,
    Block,
    N,
    Results,
    Section,
    cell,
    each,
    named_table,
    shown,
)


def levels(results: Results, context: Mapping[str, Any]) -> Section:
    """Difficulty levels, and the best method on each."""
    frame, best, study = views.levels(results.study), views.best_methods(results.study), results.study
    title = "Difficulty, and which method suits it"
    if not len(frame):
        return Section("levels", title, "Difficulty was not measured in this study.")
    blocks = each(
        study, frame, "levels",
        [POLICY, C("level", "Level", facet=True), C("problems", "Problems", "count"),
         C("share", "Share, %", "percent"),
         C("pass_at_1", "Mean Pass@1, %", "percent")],
        lambda b, k: choices.levels(frame, b, k),
    )  # fmt: skip
    finding = "Each policy has its own levels, by its own Pass@1 on a pilot that is not used again."
    if len(best):
        sure = int(best["significant"].sum())
        finding += f" In {sure} of {len(best)} cells the best method's lead over the second is beyond chance"
        ties = int((best["difference"] < parts.TIE).sum())
        finding += f"; in {ties} the best two are equal." if ties else "."
        columns = [
            PRM, POLICY, C("level", "Level", facet=True), N, C("problems", "Problems", "count"),
            C("method", "Best method", facet=True), C("accuracy", "Accuracy, %", "percent"), C("second", "Second"),
            *DIFFERENCE, C("significant", "Beyond chance", "flag", facet=True),
        ]  # fmt: skip
        blocks += each(
            study, best, "best", columns, lambda b, k: choices.best_methods(best, b, study.policies, study.prms, k)
        )
    method = (
        "Easy, medium and hard are bands of Pass@1. Methods are compared at the largest N that all of them "
        "have; the lead is "
        "paired over the problems of the level. The best of four is also the luckiest: read unhatched cells as "
        "leads that one "
        "test each supports, not as a law."
    )
    return Section("levels", title, finding, blocks, method)


def groups(results: Results, context: Mapping[str, Any]) -> Section | None:
    """Only where a benchmark names subjects or levels of its own."""
    frame, study = views.groups(results.study), results.study
    if not len(frame):
        return None
    parts = []
    for (benchmark, kind), part in frame.groupby(["benchmark", "kind"], sort=False, observed=True):
        mean = part.groupby("group", sort=False, observed=True)["single"].mean().dropna()
        if len(mean):
            parts.append(
                f"on {benchmark}, by {kind}, from {percent(mean.min())} ({kind} {mean.idxmin()}) to "
                f"{percent(mean.max())} ({kind} {mean.idxmax()})"
            )
    short, one = study.one
    finding = f"Mean accuracy of the policies' one {one}: {'; '.join(parts)}." if parts else ""
    columns = [
        BENCHMARK, POLICY, C("kind", "By", facet=True), C("group", "Subject or level"),
        C("problems", "Problems", "count"), C("single", f"{short}, %", "percent"),
        C("majority", "Majority, largest N, %", "percent"),
        C("guided", f"Best-of-N with {study.reference_prm}, largest N, %", "percent"),
    ]  # fmt: skip
    columns = [column for column in columns if column.name not in frame or frame[column.name].notna().any()]
    caption = "Accuracy by the benchmark's own subjects and levels"
    method = "These are the benchmark's own labels, the same for every policy. Groups are small: read leads with care."
    return Section("groups", caption, finding, [Block(named_table("groups-data", caption, columns, frame))], method)


def prms(results: Results, context: Mapping[str, Any]) -> Section:
    """Gain over one answer by PRM, the best judge of steps first."""
    frame, study = views.prm_effect(results.study), results.study
    title = "What a better PRM buys"
    if not len(frame):
        return Section("prms", title, "No PRM was used in this study.")
    # Only policies that every PRM was used with compare PRMs fairly.
    used = frame.groupby("policy", observed=True)["prm"].nunique()
    shared = set(used.index[used == frame["prm"].nunique()])
    fair = frame[frame["policy"].isin(shared)] if shared else frame
    mean = fair.groupby("prm", observed=True)["gain"].mean()
    order = [name for name in study.prms if name in mean.index]
    parts = [f"{name} {points(mean[name])}" for name in order]
    basis = (
        "from the best AUC on validation rollouts to the worst" if study.auc else "in the order of the configuration"
    )
    whose = "the policies that all of them share" if shared else "the policies of each"
    short, one = study.one
    finding = f"Mean gain over {short} at the largest N, over {whose}, PRMs {basis}: {', '.join(parts)}."
    columns = [
        PRM, C("auc", "Step AUC", "auc"), METHOD, POLICY, N, *ACCURACY,
        C("cot", f"{short}, %", "percent"), C("gain", "Gain, points", "points"),
    ]  # fmt: skip
    blocks = each(
        study, frame, "prms", columns,
        lambda b, k: choices.prm_effect(frame, b, study.policies, study.prms, study.auc, k, study.one),
    )  # fmt: skip
    method = (
        "AUC comes from the training log: right against wrong steps on validation rollouts, never on the benchmark."
        if study.auc
        else "The AUC of these PRMs on steps of known worth is not known here."
    )
    return Section("prms", title, finding, blocks, method)


def votes(results: Results, context: Mapping[str, Any]) -> Section:
    """Accuracy under each rule by which answers are chosen."""
    frame, study = views.votes(results.study), results.study
    title = "How answers are chosen: score and vote"
    if not len(frame):
        return Section("votes", title, "No answers were voted on with a PRM.")
    worst = frame.loc[frame["range"].idxmax()]
    finding = (
        f"The rule moves accuracy by {100 * frame['range'].median():.1f} points in the median cell and by "
        f"{100 * worst['range']:.1f} at most ({worst['policy']}, {worst['prm']}, {shown(worst['method'])})."
    )
    rules = [C("majority", "Majority", "percent")] + [
        C(f"{s}_{v}", f"{s.title()}, {'max' if v == 'prm_max' else 'vote'}", "percent")
        for s in ("min", "last", "avg") for v in ("prm_max", "prm_vote")
    ]  # fmt: skip
    columns = [*cell(study), PRM, METHOD, N, *rules]
    columns.append(C("range", "Range, points", "span"))
    caption = "Accuracy in % by PRM score (min, last or mean over steps) and vote (best answer, or sum by answer)"
    method = "At each method's largest N. Differences of a few points are within the intervals of the accuracy table."
    return Section("votes", title, finding, [Block(named_table("votes-data", caption, columns, frame))], method)

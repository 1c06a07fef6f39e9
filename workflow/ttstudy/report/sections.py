"""The sections of the report: for each, a sentence made from the data, figures and tables, or why there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ttstudy.figures import plots
from ttstudy.figures.style import METHOD, Figure
from ttstudy.report import views
from ttstudy.report.answer import percent, points
from ttstudy.report.cells import Column, Table


@dataclass(frozen=True)
class Block:
    """A figure with the table behind it, a table alone, or worked cases."""

    table: Table | None = None
    figure: Figure | None = None
    cases: Sequence[Any] = ()


@dataclass(frozen=True)
class Section:
    """One section: `finding` is the sentence under the heading, `method` says how it was made."""

    key: str
    title: str
    finding: str
    blocks: Sequence[Block] = field(default_factory=list)
    method: str = ""


C = Column
_BENCHMARK, _POLICY, _PRM = (
    C("benchmark", "Benchmark", facet=True),
    C("policy", "Policy", facet=True),
    C("prm", "PRM", facet=True),
)
_METHOD, _N = C("method", "Method", facet=True), C("budget", "N", "plain")
_ACCURACY = [
    C("accuracy", "Accuracy, %", "percent"),
    C("low", "95 % low", "percent"),
    C("high", "95 % high", "percent"),
]
_DIFFERENCE = [
    C("difference", "Difference, points", "points"),
    C("low", "95 % low", "points"),
    C("high", "95 % high", "points"),
]


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """Methods by the names that figures use."""
    frame = frame.copy()
    for column in ("method", "second"):
        if column in frame:
            frame[column] = [METHOD[name][0] if name in METHOD else str(name) for name in frame[column]]
    return frame


def _table(key: str, caption: str, columns: Sequence[Column], frame: pd.DataFrame, **more: Any) -> Table:
    return Table(key, caption, [c for c in columns if c.name in frame], _named(frame), **more)


def _each(
    study: views.Study,
    frame: pd.DataFrame,
    key: str,
    columns: Sequence[Column],
    draw: Callable[[str, str], Figure | None],
    what: str = "The numbers",
) -> list[Block]:
    """A figure and its data per benchmark; a table without a figure is captioned by `what` it shows."""
    blocks = []
    for number, benchmark in enumerate(study.benchmarks):
        part = frame[frame["benchmark"] == benchmark]
        if len(part):
            figure = draw(benchmark, f"{key}-{number}")
            caption = figure.title if figure else f"{what} on {benchmark}"
            blocks.append(
                Block(_table(f"{key}-{number}-data", caption, columns, part, folded=figure is not None), figure)
            )
    return blocks


def _joined(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 2 else list(names))


@dataclass(frozen=True)
class Results:
    """Everything computed once from the tables, shared by the sections and by the top of the report."""

    study: views.Study
    cot: pd.DataFrame
    scaling: pd.DataFrame
    costs: pd.DataFrame
    frontier: pd.DataFrame
    matrix: pd.DataFrame

    @classmethod
    def of(cls, study: views.Study) -> Results:
        """Compute the views."""
        return cls(
            study, *(make(study) for make in (views.cot, views.scaling, views.costs, views.frontier, views.matrix))
        )


def headline(results: Results) -> list[Block]:
    """The headline figure of each benchmark, with its data."""
    points_ = results.frontier
    columns = [
        _POLICY, C("kind", "Kind", facet=True), _METHOD, _N, C("flops", "FLOPs per problem", "exponent"), *_ACCURACY,
        C("pareto", "On the Pareto front", "flag"),
    ]  # fmt: skip
    if not len(points_):
        return []
    policies, one = results.study.policies, results.study.one
    return _each(results.study, points_, "headline", columns, lambda b, k: plots.headline(points_, b, policies, k, one))


CONTENTS = {
    "Small against large": {
        "small-large": "Small + TTS against large", "scaling": "Accuracy against N", "cot": "One greedy answer",
        "gains": "CoT, majority, optimal", "flops": "What it costs", "published": "Published beside ours",
    },
    "What decides it": {
        "levels": "Difficulty and method", "groups": "Subjects and levels", "prms": "The PRM",
        "votes": "Score and vote",
    },
    "How far to trust it": {
        "flaws": "PRM diagnostics", "optimism": "Choosing on the test set", "adaptive": "Predicted difficulty",
        "graders": "Where graders disagree", "counts": "Cut and unanswered", "training": "Models and training",
    },
}  # fmt: skip
"""Order of the sections, in groups, with the short titles of the table of contents; others come last in their order."""


def build(results: Results, context: Mapping[str, Any]) -> list[Section]:
    """All sections between the claims and the explorer, in the order of the report."""
    from ttstudy.report import flaws

    makers = (
        _cot, _scaling, _small_large, _gains, _published, _prms, _levels, _groups, _votes, _flops, _optimism, _adaptive,
        _training, _counts, _graders,
    )  # fmt: skip
    built = [section for make in makers if (section := make(results, context)) is not None]
    built.append(flaws.section(results.study))
    order = {key: place for place, key in enumerate(key for group in CONTENTS.values() for key in group)}
    return sorted(built, key=lambda section: order.get(section.key, len(order)))


def contents(sections: Sequence[Section]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The table of contents of these sections: (group, [(key, short title)])."""
    titles = {section.key: section.title for section in sections}
    groups = [
        (name, [(key, short) for key, short in group.items() if key in titles]) for name, group in CONTENTS.items()
    ]
    known = {key for group in CONTENTS.values() for key in group}
    rest = [(key, title) for key, title in titles.items() if key not in known]
    return [(name, group) for name, group in [*groups, ("More", rest)] if group]


def _cot(results: Results, context: Mapping[str, Any]) -> Section:
    frame, (short, one) = results.cot, results.study.one
    title = f"One {one}, by policy size" if frame.get("parameters", pd.Series()).notna().any() else f"One {one}"
    if not len(frame):
        return Section("cot", title, "No chain-of-thought (CoT) answers were graded in this study.")
    parts = []
    for benchmark in results.study.benchmarks:
        part = frame[frame["benchmark"] == benchmark]
        if len(part) > 1:
            worst, best = part.loc[part["accuracy"].idxmin()], part.loc[part["accuracy"].idxmax()]
            parts.append(
                f"ranges from {percent(worst['accuracy'])} ({worst['policy']}) to {percent(best['accuracy'])} "
                f"({best['policy']}) "
                f"on {benchmark}"
            )
        elif len(part):
            parts.append(f"is {percent(part['accuracy'].iloc[0])} ({part['policy'].iloc[0]}) on {benchmark}")
    columns = [
        _BENCHMARK,
        _POLICY,
        C("parameters", "Parameters", "size"),
        C("problems", "Problems", "count"),
        *_ACCURACY,
    ]
    sized = frame[frame["parameters"].notna()]
    figure = plots.cot(sized, "cot", results.study.one) if len(sized) else None
    caption = figure.title if figure else f"Accuracy of one {one}"
    block = Block(_table("cot-data", caption, columns, frame, folded=figure is not None), figure)
    method = "Chain of thought (CoT) is one response at temperature 0. This is what test-time scaling has to beat."
    if "majority" in set(results.study.singles["method"]):
        method = (
            "Where no greedy response was recorded, the baseline is one sampled response: its accuracy is the mean "
            "Pass@1 of the pool, at the temperature that the responses were drawn with. This is what test-time scaling "
            "has to beat."
        )
    word = {"CoT": "Greedy accuracy"}.get(short, f"Accuracy of one {one}")
    return Section("cot", title, f"{word} {_joined(parts)}.", [block], method)


def _scaling(results: Results, context: Mapping[str, Any]) -> Section:
    frame, study = results.scaling, results.study
    title = "Accuracy against N"
    if not len(frame):
        return Section("scaling", title, "No method that draws more than one response was run.")
    run = [METHOD[m][0] for m in views.CURVES if m in set(frame["method"])]
    finding = f"{_joined(run)} for every policy and PRM, from N = {frame['budget'].min()} to {frame['budget'].max()}."
    prm = study.reference_prm
    tops = frame[(frame["prm"] == prm) & frame["method"].isin(views.CURVES)] if prm else frame[:0]
    if len(tops):
        best = tops.loc[tops["accuracy"].idxmax()]
        finding += (
            f" The highest point with {prm}: {best['policy']}, {METHOD[best['method']][0]} at N = {best['budget']}, "
            f"{percent(best['accuracy'])} on {best['benchmark']}."
        )
    columns = [_POLICY, _PRM, _METHOD, _N, C("problems", "Problems", "count"), *_ACCURACY]
    blocks = _each(
        study, frame, "scaling", columns,
        lambda b, k: plots.scaling(frame, results.cot, b, study.policies, study.prms, k, study.one),
    )  # fmt: skip
    method = (
        f"Answers are chosen by one rule everywhere: score {study.score}, vote {study.vote.replace('_', ' ')}. "
        "Bands are 95 % "
        "intervals over problems. Coverage is the share of problems with at least one right response among N: "
        "no vote can do better."
    )
    recorded = [name for name in context.get("recorded", []) if name in study.policies]
    if recorded:
        whose = "" if len(recorded) == len(study.policies) else f" of {_joined(recorded)}"
        finding += (
            f" The responses{whose} are recorded: beam search and DVTS are not possible with them, since nothing can "
            "go on from one of their steps."
        )
    endpoints = [name for name in context.get("endpoints", []) if name in study.policies]
    if endpoints:
        finding += (
            f" {_joined(endpoints)} answered from behind an endpoint, which cannot go on from a step: beam search and "
            "DVTS are not possible there."
        )
    return Section("scaling", title, finding, blocks, method)


def _small_large(results: Results, context: Mapping[str, Any]) -> Section:
    frame, study = results.matrix, results.study
    short, one = study.one
    title = "Small with test-time scaling against large without"
    if not len(frame):
        return Section(
            "small-large", title, "Not there: it needs outcomes per problem of one answer and of a method with a PRM."
        )
    prm = study.reference_prm
    here = frame[(frame["prm"] == prm) & (frame["policy"] != frame["larger"])]
    ahead, apart = here[here["low"] > 0], here[(here["difference"] > 0) & (here["p_holm"] < 0.05)]
    behind = int((here["high"] < 0).sum())
    finding = (
        f"With {prm}, the smaller policy is ahead of the larger one's {one} in {len(ahead)} of "
        f"{len(here)} pairs "
        f"(intervals above zero), {len(apart)} of them after Holm's correction; it is behind in {behind}."
        if len(here)
        else "There are no two policies of different, known sizes to compare."
    )
    own = frame[(frame["prm"] == prm) & (frame["policy"] == frame["larger"])]
    better = own[own["low"] > 0]
    if len(own):
        finding += f" Against its own {one}, TTS with {prm} is ahead for {len(better)} of {len(own)} policies."
    columns = [
        C("policy", "Policy with TTS", facet=True), _PRM, C("larger", f"{short} of", facet=True),
        C("ratio", "Size ratio", "ratio"), C("tts", "TTS, %", "percent"), C("cot", f"{short}, %", "percent"),
        *_DIFFERENCE,
        C("p_holm", "p, Holm", "p"), C("method", "Method, most often"), _N,
        C("tts_flops", "TTS FLOPs per problem", "exponent"), C("cot_flops", f"{short} FLOPs per problem", "exponent"),
    ]  # fmt: skip
    blocks = _each(
        study, frame, "matrix", columns,
        lambda b, k: plots.matrix(frame, b, str(prm), study.policies, k, study.one)
        if len(here[here["benchmark"] == b]) else None,
    )  # fmt: skip
    method = (
        "TTS is the compute-optimal strategy at the policy's largest N: method, score and vote are chosen per "
        "difficulty level "
        "on four fifths of the problems and judged on the last fifth, over and over, so a lucky choice does not count. "
        "Differences are paired problem by problem (BCa bootstrap, sign-flip test). On the diagonal a policy "
        f"meets its own {one}. "
        f"Holm's correction is over all pairs of a smaller and a larger policy of one PRM. The figure shows {prm}, "
        f"{'the PRM with the best AUC on validation rollouts' if study.auc else 'the first PRM configured'}; "
        "the table has all."
    )
    return Section("small-large", title, finding, blocks, method)


def _gains(results: Results, context: Mapping[str, Any]) -> Section:
    frame, study = views.gains(results.study), results.study
    short, one = study.one
    title = f"{short}, majority vote and compute-optimal scaling"
    if not len(frame):
        return Section("gains", title, "Not there: the table of compute-optimal strategies is missing or empty.")
    top = frame.loc[frame["gain"].idxmax()] if frame["gain"].notna().any() else None
    finding = (
        f"The largest relative gain over {short} is {100 * top['gain']:+.1f} % ({top['policy']} on {top['benchmark']})."
        if top is not None
        else f"No policy has a {short} accuracy above zero to relate gains to."
    )
    columns = [
        _POLICY, C("parameters", "Parameters", "size"), C("cot", f"{short}, %", "percent"),
        C("majority", "Majority, %", "percent"), C("majority_budget", "Majority N", "plain"),
        C("tts", "TTS, %", "percent"),
        C("tts_low", "95 % low", "percent"), C("tts_high", "95 % high", "percent"), C("budget", "TTS N", "plain"),
        C("gain", f"Gain over {short}, %", "gain"), C("efficiency", "Efficiency over majority", "ratio"),
        C("efficiency_kind", "which is"), C("efficiency_low", "95 % low", "ratio"),
        C("efficiency_high", "95 % high", "ratio"),
    ]  # fmt: skip
    blocks = _each(study, frame, "gains", columns, lambda b, k: plots.gains(frame, b, k, study.one))
    blocks = [Block(Table(**{**vars(b.table), "folded": False}), b.figure) if b.table else b for b in blocks]
    method = (
        f"Compute-optimal scaling takes the best method for each difficulty and N with {study.reference_prm}, "
        f"chosen by cross-fitting. Gain is TTS / {short} − 1. Efficiency follows the authors' rule: the N at which the "
        "majority vote is best, divided by the N at which the compute-optimal curve (linear between its budgets) is as "
        "good; at least, where its smallest N is better already. It counts samples, not FLOPs."
    )
    return Section("gains", title, finding, blocks, method)


def _published(results: Results, context: Mapping[str, Any]) -> Section | None:
    """Only where the study names published models to be shown."""
    frame = views.beside_published(results.study, context.get("published", pd.DataFrame()))
    if not len(frame):
        return None
    theirs = frame[frame["source"] != "this study"]
    finding = (
        f"{_joined(sorted(set(theirs['model']), key=str.casefold))} were not run: their accuracies are the published "
        "ones, without intervals, under the prompts and graders of those who published them."
    )
    columns = [
        _BENCHMARK, C("model", "Model"), C("what", "What"), *_ACCURACY, C("source", "Source", facet=True),
    ]  # fmt: skip
    title = "Published numbers beside ours"
    caption = "Accuracies of this study and published ones"
    method = "Two numbers from different hands differ in more than the model: read them as a place, not as a contest."
    return Section("published", title, finding, [Block(_table("published-data", caption, columns, frame))], method)


def _prms(results: Results, context: Mapping[str, Any]) -> Section:
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
        _PRM, C("auc", "Step AUC", "auc"), _METHOD, _POLICY, _N, *_ACCURACY,
        C("cot", f"{short}, %", "percent"), C("gain", "Gain, points", "points"),
    ]  # fmt: skip
    blocks = _each(
        study, frame, "prms", columns,
        lambda b, k: plots.prm_effect(frame, b, study.policies, study.prms, study.auc, k, study.one),
    )  # fmt: skip
    method = (
        "AUC comes from the training log: right against wrong steps on validation rollouts, never on the benchmark."
        if study.auc
        else "The AUC of these PRMs on steps of known worth is not known here."
    )
    return Section("prms", title, finding, blocks, method)


def _levels(results: Results, context: Mapping[str, Any]) -> Section:
    frame, best, study = views.levels(results.study), views.best_methods(results.study), results.study
    title = "Difficulty, and which method suits it"
    if not len(frame):
        return Section("levels", title, "Difficulty was not measured in this study.")
    blocks = _each(
        study, frame, "levels",
        [_POLICY, C("level", "Level", facet=True), C("problems", "Problems", "count"),
         C("share", "Share, %", "percent"),
         C("pass_at_1", "Mean Pass@1, %", "percent")],
        lambda b, k: plots.levels(frame, b, k),
    )  # fmt: skip
    finding = "Each policy has its own levels, by its own Pass@1 on a pilot that is not used again."
    if len(best):
        sure = int(best["significant"].sum())
        finding += f" In {sure} of {len(best)} cells the best method's lead over the second is beyond chance."
        columns = [
            _PRM, _POLICY, C("level", "Level", facet=True), _N, C("problems", "Problems", "count"),
            C("method", "Best method", facet=True), C("accuracy", "Accuracy, %", "percent"), C("second", "Second"),
            *_DIFFERENCE, C("significant", "Beyond chance", "flag", facet=True),
        ]  # fmt: skip
        blocks += _each(
            study, best, "best", columns, lambda b, k: plots.best_methods(best, b, study.policies, study.prms, k)
        )
    method = (
        "Easy, medium and hard are bands of Pass@1. Methods are compared at the largest N that all of them "
        "have; the lead is "
        "paired over the problems of the level. The best of four is also the luckiest: read unhatched cells as "
        "leads that one "
        "test each supports, not as a law."
    )
    return Section("levels", title, finding, blocks, method)


def _groups(results: Results, context: Mapping[str, Any]) -> Section | None:
    """Only where a benchmark names subjects or levels of its own."""
    frame, study = views.groups(results.study), results.study
    if not len(frame):
        return None
    parts = []
    for (benchmark, kind), part in frame.groupby(["benchmark", "kind"], sort=False, observed=True):
        mean = part.groupby("group", sort=False, observed=True)["single"].mean().dropna()
        if len(mean):
            parts.append(
                f"on {benchmark}, by {kind}, from {percent(mean.min())} ({mean.idxmin()}) to {percent(mean.max())} "
                f"({mean.idxmax()})"
            )
    short, one = study.one
    finding = f"One {one}, over all policies, ranges {'; '.join(parts)}." if parts else ""
    columns = [
        _BENCHMARK, _POLICY, C("kind", "By", facet=True), C("group", "Subject or level"),
        C("problems", "Problems", "count"), C("single", f"{short}, %", "percent"),
        C("majority", "Majority, largest N, %", "percent"),
        C("guided", f"Best-of-N with {study.reference_prm}, largest N, %", "percent"),
    ]  # fmt: skip
    columns = [column for column in columns if column.name not in frame or frame[column.name].notna().any()]
    caption = "Accuracy by the benchmark's own subjects and levels"
    method = "These are the benchmark's own labels, the same for every policy. Groups are small: read leads with care."
    return Section("groups", caption, finding, [Block(_table("groups-data", caption, columns, frame))], method)


def _votes(results: Results, context: Mapping[str, Any]) -> Section:
    frame, study = views.votes(results.study), results.study
    title = "How answers are chosen: score and vote"
    if not len(frame):
        return Section("votes", title, "No answers were voted on with a PRM.")
    worst = frame.loc[frame["range"].idxmax()]
    finding = (
        f"The rule moves accuracy by {100 * frame['range'].median():.1f} points in the median cell and by "
        f"{100 * worst['range']:.1f} at most ({worst['policy']}, {worst['prm']}, {METHOD[worst['method']][0]})."
    )
    rules = [C("majority", "Majority", "percent")] + [
        C(f"{s}_{v}", f"{s.title()}, {'max' if v == 'prm_max' else 'vote'}", "percent")
        for s in ("min", "last", "avg") for v in ("prm_max", "prm_vote")
    ]  # fmt: skip
    columns = [*([_BENCHMARK] if len(study.benchmarks) > 1 else []), _POLICY, _PRM, _METHOD, _N, *rules]
    columns.append(C("range", "Range, points", "points"))
    caption = "Accuracy in % by PRM score (min, last or mean over steps) and vote (best answer, or sum by answer)"
    method = "At each method's largest N. Differences of a few points are within the intervals of the accuracy table."
    return Section("votes", title, finding, [Block(_table("votes-data", caption, columns, frame))], method)


def _flops(results: Results, context: Mapping[str, Any]) -> Section:
    frame, study = results.costs, results.study
    title = "What it costs"
    if not len(frame):
        return Section("flops", title, "The FLOPs ledger of this study is missing or empty.")
    scaled = frame[(frame["prm"] != "none") & (frame["flops_total"] > 0)]
    finding = "Costs per problem, every generated token counted."
    unknown = sorted(set(frame.loc[frame["flops_total"].isna(), "policy"]))
    if unknown:
        finding = (
            f"FLOPs of {_joined(unknown)} are not known: the responses came without token counts, or the models "
            "without parameter counts. What is missing below is not known, never zero."
        )
    elif len(scaled):
        prm_share = scaled["flops_prm"] / scaled["flops_total"]
        finding = (
            f"The full count is {scaled['over_paper'].median():.2g} times the paper's in the median cell with "
            "a PRM, and "
            f"{scaled['over_paper'].max():,.3g} times at most; the PRM takes {percent(prm_share.median())} of "
            "it in the median."
        )
    priced = frame[frame["flops_total"].notna()]
    aside = priced[priced["flops_attention"].isna()]
    if len(aside):
        finding += (
            f" {len(aside)} cells, of {_joined(sorted(set(aside['policy'])))}, are without the attention of a model "
            "whose layers no checkpoint tells: their totals are so much too small."
        )
    elif len(priced):
        share = priced["flops_attention"] / priced["flops_total"]
        finding += f" Attention is {percent(share.median())} of the full count in the median, "
        finding += f"{percent(share.max())} at most."
    columns = [
        *([_BENCHMARK] if len(study.benchmarks) > 1 else []), _POLICY, _PRM, _METHOD, _N,
        C("response_tokens", "Tokens generated", "amount"), C("discarded_tokens", "of them discarded", "amount"),
        C("prm_tokens", "PRM tokens", "amount"), C("flops_policy", "Policy FLOPs", "exponent"),
        C("flops_prompt", "Prompt FLOPs", "exponent"), C("flops_prm", "PRM FLOPs", "exponent"),
        C("flops_prm_reencoded", "PRM FLOPs, prefixes read anew", "exponent"),
        C("flops_total", "All FLOPs", "exponent"), C("flops_attention", "of them attention", "exponent"),
        C("flops_paper", "FLOPs as the paper counts", "exponent"),
        C("over_paper", "All / paper", "ratio"),
    ]  # fmt: skip
    blocks = []
    prm = study.reference_prm
    for number, benchmark in enumerate(study.benchmarks):
        if prm and len(scaled[(scaled["benchmark"] == benchmark) & (scaled["prm"] == prm)]):
            figure = plots.flops(frame, benchmark, prm, study.policies, f"flops-{number}")
            parts = [
                _POLICY,
                _METHOD,
                _N,
                *(C(p, f"{p} FLOPs", "exponent") for p in ("prompt", "kept", "discarded", "PRM")),
            ]
            table = _table(f"flops-{number}-data", figure.title, [*parts, C("flops_total", "All FLOPs", "exponent")],
                           figure.data, folded=True)  # fmt: skip
            blocks.append(Block(table, figure))
    blocks.append(Block(_table("ledger-data", "The ledger, per problem", columns, frame)))
    method = (
        "A forward pass costs 2 FLOPs per parameter and token, and attention 4 per layer, unit of width, token and key "
        "that the token meets. The paper counts 2ND on the policy's response tokens; the full count adds prompts, the "
        "PRM and attention, and includes tokens of beams that were dropped. The PRM's attention in a search is the "
        "policy's keys per token, for the tokens that the PRM read."
    )
    return Section("flops", title, finding, blocks, method)


def _optimism(results: Results, context: Mapping[str, Any]) -> Section:
    frame, study = views.optimism(results.study), results.study
    title = "What choosing on the test set would add"
    if not len(frame):
        return Section("optimism", title, "Not there: no table has the naive choice beside the cross-fitted one.")
    finding = (
        "Choosing the best strategy and judging it on the same problems reads "
        f"{100 * frame['optimism'].mean():.1f} points too high on average, {100 * frame['optimism'].max():.1f} at most."
    )
    columns = [
        _POLICY, _PRM, _N, C("thetas", "Strategies", "count"), C("naive", "Naive, %", "percent"),
        C("cross_fitted", "Cross-fitted, %", "percent"), C("optimism", "Optimism, points", "points"),
        C("low", "95 % low", "points"), C("high", "95 % high", "points"),
        C("author_rule", "Authors' rule, %", "percent"), C("predicted", "Levels without labels, %", "percent"),
    ]  # fmt: skip
    blocks = _each(study, frame, "optimism", columns, lambda b, k: plots.optimism(frame, b, k))
    method = (
        "The cross-fitted number is the honest one. The authors' rule fixes the method by policy size and never looks. "
        "The last column is cross-fitted over levels that were predicted without labels: what a deployment could do."
    )
    return Section("optimism", title, finding, blocks, method)


SCHEMES = {"levels": "N by predicted level", "decided": "stop when decided", "likely": "stop at 95 %"}


def _adaptive(results: Results, context: Mapping[str, Any]) -> Section:
    frame, study = views.adaptive(results.study), results.study
    title = "Budgets that adapt to the problem"
    if not len(frame):
        return Section("adaptive", title, "Not there: this study has no table of adaptive budgets.")
    sure = frame[frame["low"] > 0]
    finding = (
        f"At the same mean number of responses, adapting is better beyond chance in {len(sure)} of {len(frame)} cells"
        + (f", by up to {points(sure['difference'].max())}." if len(sure) else ".")
    )
    frame = frame.assign(scheme=frame["scheme"].map(SCHEMES).fillna(frame["scheme"]))
    columns = [
        _POLICY, _PRM, _METHOD, C("scheme", "Scheme", facet=True), _N, C("spent", "Mean N used", "amount"),
        C("accuracy", "Adaptive, %", "percent"), C("fixed", "Fixed, %", "percent"), *_DIFFERENCE,
    ]  # fmt: skip
    blocks = _each(study, frame, "adaptive", columns, lambda b, k: None)
    levels = views.predicted_levels(study)
    if len(levels):
        names = [
            _POLICY, _PRM, C("level", "True level", facet=True),
            *(C(level, f"predicted {level}", "count") for level in views.LEVELS),
            C("misbinned", "True level wrong, %", "percent"),
        ]  # fmt: skip
        blocks += _each(study, levels, "predicted", names, lambda b, k: None, "Predicted and true levels")
    method = (
        "Levels are predicted without an answer key, from the pilot's agreement"
        + (" and the PRM's scores of it" if len(levels) and (levels["prm"] != "none").any() else "")
        + ". N by predicted level: each level gets one N, chosen on other problems, their mean at most the fixed N. "
        "Stopping: a vote ends once the answers left to draw cannot change it, or once the leader leads with 95 %; it "
        "is compared with a fixed N that draws as many on average. The last table counts problems by true and "
        "predicted level, with the probability that the pilot itself put a problem into a wrong one."
    )
    return Section("adaptive", title, finding, blocks, method)


def _training(results: Results, context: Mapping[str, Any]) -> Section:
    frame, title = results.study.table("training"), "Models and their training"
    if not len(frame):
        return Section("training", title, "No model was trained by this study; its checkpoints came from elsewhere.")
    counts = frame["kind"].value_counts()
    policies, prms, sizes = counts.get("policy", 0), counts.get("prm", 0), frame["parameters"].dropna()
    who = f"{policies} {'policy' if policies == 1 else 'policies'} and {prms} {'PRM' if prms == 1 else 'PRMs'}"
    finding = f"{who}, " + (
        f"{sizes.min():,.0f} to {sizes.max():,.0f} parameters." if len(sizes) else "of sizes that are not known here."
    )
    columns = [
        C("model", "Model"), C("kind", "Kind", facet=True), C("parameters", "Parameters", "count"),
        C("tokens", "Training tokens", "exponent"), C("flops", "Training FLOPs (6ND)", "exponent"),
        C("cpu_seconds", "CPU seconds", "seconds"), C("loss", "Final loss, nats", "number"),
        C("auc", "Step AUC", "auc"),
    ]  # fmt: skip
    return Section(
        "training", title, finding, [Block(_table("training-data", "Training of every model", columns, frame))]
    )


def _counts(results: Results, context: Mapping[str, Any]) -> Section:
    frame, title = results.study.table("counts"), "Cut, unanswered and timed out"
    if not len(frame):
        return Section("counts", title, "Not there: this study did not count cut, unanswered and timed-out responses.")
    frame = views._sorted(results.study, frame).copy()
    kinds = [c for c in ("cut", "no_answer", "timed_out") if c in frame]
    total = frame["responses"].sum() if "responses" in frame else 0
    words = {"cut": "were cut off", "no_answer": "gave no answer", "timed_out": "timed out in grading"}
    shares = [f"{percent(frame[c].sum() / total)} {words[c]}" for c in kinds] if total else []
    finding = (
        f"Of {total:,.0f} responses, {_joined(shares)}. A response without an answer, or not graded in time, "
        "counts as wrong."
        if shares
        else ""
    )
    for c in kinds:
        frame[f"{c}_share"] = frame[c] / frame["responses"].where(frame["responses"] > 0)
    columns = [
        *([_BENCHMARK] if len(results.study.benchmarks) > 1 else []), _POLICY, _PRM, _METHOD, _N,
        C("responses", "Responses", "count"), C("finished", "Finished", "count"), C("cut", "Cut off", "count"),
        C("cut_share", "Cut off, %", "percent"), C("no_answer", "No answer", "count"),
        C("no_answer_share", "No answer, %", "percent"), C("timed_out", "Timed out", "count"),
    ]  # fmt: skip
    caption = "Responses that were cut off, gave no answer, or timed out in grading"
    return Section("counts", title, finding, [Block(_table("counts-data", caption, columns, frame))])


def _graders(results: Results, context: Mapping[str, Any]) -> Section:
    frame, title = results.study.table("graders"), "Where graders disagree"
    if not len(frame):
        return Section("graders", title, "Not there: this study's responses were graded by one grader only.")
    names = {"strict": "the strict grader", "reference": "the official code's grader"}
    grader, other = (names.get(frame[key].iloc[0], str(frame[key].iloc[0])) for key in ("grader", "other"))
    total, differ = frame["responses"].sum(), frame["differ"].sum()
    finding = f"This study uses {grader}. {other.capitalize()} agrees with it on all {total:,.0f} responses."
    if differ:
        finding = (
            f"This study uses {grader}. On {differ:,.0f} of {total:,.0f} responses ({percent(differ / total)}) {other} "
            f"says otherwise: {frame['only_other'].sum():,.0f} it alone takes for right, "
            f"{frame['only_grader'].sum():,.0f} it alone takes for wrong."
        )
    every = views.grader_effects(results.study)
    effects = every[every["changed"] > 0] if len(every) else every
    if len(effects):
        first = effects.iloc[0]
        where = f"{first['policy']}, {METHOD.get(first['method'], [first['method']])[0]}, N = {first['budget']}"
        finding += (
            f" {len(effects):,.0f} of {len(every):,.0f} accuracies under the headline rule would change, the most "
            f"by {points(first['difference'])} ({where})."
        )
    elif len(every):
        finding += " No accuracy under the headline rule would change."
    cells = [*([_BENCHMARK] if len(results.study.benchmarks) > 1 else []), _POLICY]
    summed = frame.groupby(["benchmark", "policy"], sort=False)[
        ["responses", "differ", "only_other", "only_grader", "timed_out", "other_timed_out"]
    ].sum()
    summed = views._sorted(results.study, summed.reset_index())
    summed["differ_share"] = summed["differ"] / summed["responses"].where(summed["responses"] > 0)
    by_policy = [
        *cells, C("responses", "Responses", "count"), C("differ", "Differ", "count"),
        C("differ_share", "Differ, %", "percent"), C("only_other", "Right for the other only", "count"),
        C("only_grader", "Right for this study only", "count"), C("timed_out", "Timed out", "count"),
        C("other_timed_out", "Timed out, other", "count"),
    ]  # fmt: skip
    by_cell = [
        *cells, _PRM, _METHOD, _N, C("accuracy", "Accuracy, %", "percent"), C("other", "Under the other, %", "percent"),
        C("difference", "Difference, points", "points"), C("changed", "Problems changed", "count"),
    ]  # fmt: skip
    by_answer = [
        *cells, C("problem_id", "Problem"), C("gold", "Gold answer"), C("answer", "Answer"),
        C("correct", "Right here", "flag"), C("other_answer", "As the other reads it"),
        C("other_correct", "Right for the other", "flag"), C("responses", "Responses", "count"),
    ]  # fmt: skip
    answers = results.study.table("grader_answers")
    blocks = [Block(_table("graders-data", "Responses on which the graders differ, by policy", by_policy, summed))]
    if len(effects):
        caption = "Accuracies that the other grader would change"
        blocks.append(Block(_table("graders-effect", caption, by_cell, effects)))
    if len(answers):
        answers = answers.sort_values("responses", ascending=False, kind="stable").head(_MOST_ANSWERS)
        caption = "Answers on which the graders differ, the most frequent first"
        blocks.append(Block(_table("graders-answers", caption, by_answer, answers, folded=True)))
    method = (
        "Both graders see the same responses: the greedy one, the pool, and the answers of every search. The "
        "difference is the other grader's accuracy minus this study's. It has two causes: other verdicts, and other "
        "votes, since the official code counts two spellings of one answer as two answers."
    )
    return Section("graders", title, finding, blocks, method)


_MOST_ANSWERS = 500

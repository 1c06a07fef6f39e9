"""The PRMs' flaws: rates, calibration, failures of search, worked cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ttstudy.kinds.flaws import CAUSES, FLAWS, MENDED, PRUNED
from ttstudy.report import views
from ttstudy.report.answer import percent
from ttstudy.report.blocks import METHOD, POLICY, PRM, Block, N, named_table
from ttstudy.report.cells import Column as C
from ttstudy.report.figures.parts import PHONE_SAFE, plain, wrapped
from ttstudy.report.figures.parts import percent as in_percent
from ttstudy.report.figures.style import INK, MUTED, SIZE, SIZE_MARKERS, Figure, canvas, render, seaborn
from ttstudy.report.section import TRUST, Given, Section, Told

EVERYONE = "all"
TOLD = {name: flaw for name, flaw in FLAWS.items() if not flaw.of_prefixes}
"""Flaws that are drawn and summed up; the table has all."""
_NOTES = " ".join(flaw.look.note for flaw in FLAWS.values() if flaw.look.note)
METHOD_TEXT = (
    "A step is right when all steps up to it are. On the miniature this is checked exactly, elsewhere it is what "
    f"the labels say. Only steps up to the first error count. Intervals are over problems. {_NOTES} F1 is "
    "ProcessBench's, with each threshold chosen on other problems than those it judges. A search fails where a tree "
    "returns no right answer. Its last round with a right candidate is pruned again with right steps scored 1 and "
    "wrong ones 0. That shows whether it is the PRM's fault. Then it is pruned with one flaw repaired at a time. Flaws "
    "may share a failure. Worked cases are the clearest ones, not typical ones."
)


def _causes() -> dict[str, str]:
    """Headings of the columns of causes."""
    by = [f"by {FLAWS[name].look.words}" for name in MENDED]
    texts = ("Policy: no right step was drawn", "PRM: right paths were dropped", f"of these, {by[0]}", *by[1:])
    return dict(zip(CAUSES, texts, strict=True))


@dataclass(frozen=True)
class Case:
    """A solution with its scores: `steps` are (text, score, class of its colour, whether it is the first error)."""

    title: str
    source: str
    problem: str
    steps: Sequence[tuple[str, str, str, bool]]


def _tell(given: Given) -> Told:
    rows, study = given.frame, given.study
    everyone = rows[rows["policy"] == EVERYONE]
    blocks: list[Block] = []
    benchmarks = list(dict.fromkeys(rows["benchmark"]))
    for number, benchmark in enumerate(benchmarks):
        blocks += _of_benchmark(study, everyone[everyone["benchmark"] == benchmark], benchmark, number)
    names = [C("benchmark", "Labelled steps of", facet=True), PRM]
    skill, failures = study.table("prm_skill"), study.table("failures")
    if len(skill):
        shares = [
            C("solutions", "Solutions", "count"), C("wrong_solutions", "with an error", "count"),
            C("auc", "Step AUC", "auc"), C("f1", "ProcessBench F1, %", "percent"), C("low", "95 % low", "percent"),
            C("high", "95 % high", "percent"), C("threshold", "Threshold", "number"),
            C("f1_at_half", "F1 at 0.5, %", "percent"), C("error_found", "Errors found, %", "percent"),
            C("right_passed", "Right ones passed, %", "percent"), C("calibration_error", "Calibration error", "auc"),
        ]  # fmt: skip
        blocks.append(Block(named_table("prm-skill-data", "Finding the first error", [*names, POLICY, *shares], skill)))
    values = [
        C("flaw", "Flaw", facet=True), C("value", "Rate or slope", "number"), C("low", "95 % low", "number"),
        C("high", "95 % high", "number"), C("count", "Cases", "count"),
    ]  # fmt: skip
    told = rows.assign(flaw=rows["flaw"].map({name: flaw.look.label for name, flaw in FLAWS.items()}))
    caption = "Flaws by PRM and policy"
    blocks.append(Block(named_table("diagnostics-data", caption, [*names, POLICY, *values], told, folded=True)))
    if len(failures):
        blocks.append(_failures(failures, names))
    if cases := _cases(study):
        blocks.append(Block(cases=cases))
    return Told(_finding(everyone, failures), blocks, METHOD_TEXT)


def _of_benchmark(study: views.StudyTables, rows: pd.DataFrame, benchmark: str, number: int) -> list[Block]:
    """Rates and calibration on one benchmark or labelled set."""
    prms = [prm for prm in study.prms if prm in set(rows["prm"])]
    prms += [prm for prm in dict.fromkeys(rows["prm"]) if prm not in prms]
    blocks = [Block(figure=_rates(rows, prms, benchmark, f"flaws-{number}"))]
    bins = study.table("calibration")
    bins = bins[(bins["benchmark"] == benchmark) & (bins["policy"] == EVERYONE)] if len(bins) else bins
    if len(bins):
        figure = _calibration(bins, prms, benchmark, f"calibration-{number}")
        columns = [
            PRM, C("bin", "Tenth", "plain"), C("steps", "Steps", "count"),
            C("score", "Mean score", "auc"), C("right", "Right, %", "percent"), C("low", "95 % low", "percent"),
            C("high", "95 % high", "percent"),
        ]  # fmt: skip
        table = named_table(f"calibration-{number}-data", figure.title, columns, bins, folded=True)
        blocks.append(Block(table, figure))
    return blocks


def _failures(failures: pd.DataFrame, names: Sequence[C]) -> Block:
    """Share of failed trees by cause, a column each; the numbers with intervals are in the table to save."""
    keys = ["benchmark", "prm", "policy", "method", "budget", "trees", "failures"]
    wide = failures.pivot(index=keys, columns="cause", values="share").reset_index()
    order = {key: place for place, key in enumerate(dict.fromkeys(map(tuple, failures[keys].to_numpy().tolist())))}
    wide = wide.iloc[sorted(range(len(wide)), key=lambda i: order[tuple(wide[keys].iloc[i].tolist())])]
    columns = [
        *names, POLICY, METHOD, N,
        C("trees", "Trees", "count"), C("failures", "without a right answer", "count"),
        *(C(cause, f"{text}, %", "percent") for cause, text in _causes().items()),
    ]  # fmt: skip
    caption = "Why searches fail: share of the trees without a right answer"
    return Block(named_table("failures-data", caption, columns, wide))


def _finding(rows: pd.DataFrame, failures: pd.DataFrame) -> str:
    """The range of each flaw over PRMs, and how many failures are the PRM's."""
    parts = []
    for name, flaw in TOLD.items():
        part, text = rows[rows["flaw"] == name].sort_values("value", kind="stable"), flaw.look.label
        if part.empty:
            continue
        write = percent if flaw.share else (lambda value: f"{value:+.2f}".replace("-", "−"))
        ends = [f"{write(row['value'])} ({row['prm']})" for _, row in part.iloc[[0, -1]].iterrows()]
        parts.append(f"{text[:1].upper() + text[1:]}: {' to '.join(dict.fromkeys(ends))}.")
    finding = " ".join(parts)
    mine = failures[(failures["policy"] == EVERYONE)] if len(failures) else failures
    if len(mine):
        weight = mine["share"] * mine["failures"]
        total = mine.loc[mine["cause"] == PRUNED, "failures"].sum()
        mended = [f"without {flaw.look.words}" for name, flaw in FLAWS.items() if name in MENDED and flaw.share]
        texts = ["are the PRM's", f"would be mended {mended[0]}", *mended[1:]]
        causes = [PRUNED, *(name for name in MENDED if FLAWS[name].share)]
        shares = [
            f"{percent(weight[mine['cause'] == cause].sum() / total)} {text}"
            for cause, text in zip(causes, texts, strict=True)
        ]
        finding += f" Of {total:,} search trees without a right answer, {shares[0]}."
        finding += " In these, right paths were drawn and dropped."
        finding += f" Of all of them, {', '.join(shares[1:])}." if shares[1:] else ""
    return finding


def _case(name: str) -> str:
    """Name of a flaw, and what its case shows."""
    look = FLAWS[name].look
    return f"{look.words[:1].upper()}{look.words[1:]}: {look.case}"


def _cases(study: views.StudyTables) -> list[Case]:
    found = []
    for row in study.table("cases").to_dict("records"):
        scores, error = [float(score) for score in row["step_scores"]], int(row["first_error"])
        steps = [
            (str(text), f"{score:.2f}", f"s{min(4, int(score * 5))}", index == error)
            for index, (text, score) in enumerate(zip(row["steps"], scores, strict=True))
        ]
        source = f"{row['prm']} on a solution of {row['policy']} ({row['benchmark']}, sample {row['sample']})"
        found.append(Case(_case(str(row["flaw"])), source, str(row["problem"]), steps))
    return found


def _rates(frame: pd.DataFrame, prms: Sequence[str], benchmark: str, key: str) -> Figure:
    """Each flaw of each PRM over all policies, with its interval; one panel per flaw, one row per PRM."""
    seaborn()
    shown = [flaw for flaw in TOLD if flaw in set(frame["flaw"])]
    figure = canvas(max(PHONE_SAFE, 90 + 205 * len(shown)), 95 + 34 * len(prms))
    grid = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axes, flaw in zip(grid, shown, strict=True):
        part = frame[frame["flaw"] == flaw].set_index("prm").reindex(prms)
        for row, prm in enumerate(prms):
            value, low, high = part.loc[prm, ["value", "low", "high"]].astype(float)
            if value == value:
                style = {"color": SIZE[row % len(SIZE)], "marker": SIZE_MARKERS[row % len(SIZE_MARKERS)]}
                axes.errorbar(value, row, xerr=[[max(0.0, value - low)], [max(0.0, high - value)]], lw=1.6, **style)
        axes.axvline(0, color=MUTED, lw=1)
        axes.set_title(wrapped(FLAWS[flaw].look.label, 24), fontsize=10.5)
        if FLAWS[flaw].share:
            axes.set_xlim(-0.02, 1.02)
            in_percent(axes, "x")
        axes.margins(y=0.15)
    grid[0].set_yticks(range(len(prms)), [plain(wrapped(name, 16)) for name in prms])
    grid[0].invert_yaxis()
    description = f"Flaws of each PRM on {benchmark}, over all policies; bars are 95 % intervals over problems."
    return render(figure, key, f"What each PRM gets wrong on {benchmark}", description, frame)


_DASHES = ("-", (0, (5, 1.6)), (0, (1, 1.2)), (0, (6, 1.4, 1, 1.4)))


def _calibration(frame: pd.DataFrame, prms: Sequence[str], benchmark: str, key: str) -> Figure:
    """Share of right steps by tenths of the score, one line per PRM; the diagonal is a calibrated PRM."""
    seaborn()
    figure = canvas(PHONE_SAFE, 430)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=INK, lw=1, ls=(0, (2, 2)), label="calibrated")
    for number, prm in enumerate(prms):
        part = frame[frame["prm"] == prm]
        if len(part):
            error = [(part["right"] - part["low"]).clip(lower=0), (part["high"] - part["right"]).clip(lower=0)]
            axes.errorbar(
                part["score"], part["right"], error, color=SIZE[number % len(SIZE)], elinewidth=0.8, label=plain(prm),
                marker=SIZE_MARKERS[number % len(SIZE_MARKERS)], ls=_DASHES[number % len(_DASHES)],
            )  # fmt: skip
    axes.set_xlabel("Mean score of the steps in a tenth of the scale")
    axes.set_ylabel("Share of them that are right")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    in_percent(axes)
    figure.legend(loc="outside upper left", ncols=3)
    description = (
        f"Calibration of each PRM's step scores on {benchmark}: share of right steps against the mean score, by tenths "
        "of the score. Bars are 95 % intervals over problems."
    )
    return render(figure, key, f"How far a step's score can be taken at its word on {benchmark}", description, frame)


SECTION = Section(
    title="PRM diagnostics: what the reward models get wrong",
    short="PRM diagnostics",
    group=TRUST,
    place=10,
    view=lambda results, context: results.study.table("diagnostics"),
    tell=_tell,
    absent="Not there: no steps of this study are labelled right or wrong.",
)

"""A smaller policy with test-time scaling against a larger one without, paired problem by problem."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ttstudy.analysis.definitions import TTS, WIN
from ttstudy.kinds.methods import METHODS
from ttstudy.report.blocks import DIFFERENCE, PRM, N, each
from ttstudy.report.cells import Column as C
from ttstudy.report.figures.parts import MAYBE, ON_LIGHT, ONE, PHONE_SAFE, plain, wrapped
from ttstudy.report.figures.style import WIDE, Figure, canvas, render, seaborn
from ttstudy.report.section import AGAINST, PAPER, Given, Section, Told


def _tell(given: Given) -> Told:
    frame, study = given.frame, given.study
    short, one = study.one
    prm = study.reference_prm
    here = frame[(frame["prm"] == prm) & (frame["policy"] != frame["larger"])]
    ahead = here[here["low"] > 0]
    won = here[here["won"]]
    behind = int((here["high"] < 0).sum())
    finding = (
        f"With {prm}, {len(won)} of {len(here)} pairs of a smaller policy with TTS and a larger one's {one} are won. "
        f"The interval lies above zero in {len(ahead)}, below it in {behind}."
        if len(here)
        else "There are no two policies of different, known sizes to compare."
    )
    own = frame[(frame["prm"] == prm) & (frame["policy"] == frame["larger"])]
    before = int(ahead["ahead"].sum())
    if before:
        finding += f" In {before} of the {len(ahead)} the smaller policy's own {one} is ahead already, without TTS."
    better = own[own["low"] > 0]
    if len(own):
        finding += f" Against its own {one}, TTS with {prm} is ahead for {len(better)} of {len(own)} policies."
    alone = own[[METHODS[name].judged != "prm" for name in own["method"]]]
    if len(alone):
        finding += (
            f" For {len(alone)} of {len(own)} policies the method chosen most often is a vote without a PRM. What they "
            "gain is no PRM's."
        )
    columns = [
        C("policy", "Policy with TTS", facet=True), PRM, C("larger", f"{short} of", facet=True),
        C("ratio", "Size ratio", "ratio"), C("tts", "TTS, %", "percent"), C("cot", f"{short}, %", "percent"),
        *DIFFERENCE,
        C("p_holm", "p, Holm", "p"), C("method", "Method, most often"), N,
        C("tts_flops", "TTS FLOPs per problem", "exponent"), C("cot_flops", f"{short} FLOPs per problem", "exponent"),
    ]  # fmt: skip
    blocks = each(
        study, frame, "matrix", columns,
        lambda b, k: _figure(frame, b, str(prm), study.policies, k, study.one)
        if len(here[here["benchmark"] == b]) else None,
    )  # fmt: skip
    method = (
        f"TTS is {TTS}. So a lucky choice does not count. "
        "Differences are paired problem by problem (Tango's score interval, sign-flip test). On the diagonal a policy "
        f"meets its own {one}. "
        f"{WIN}. The figure shows {prm}, "
        f"{'the PRM with the best AUC on validation rollouts' if study.auc else 'the first PRM configured'}. "
        "The table has all."
    )
    return Told(finding, blocks, method)


def _figure(
    frame: pd.DataFrame, benchmark: str, prm: str, policies: Sequence[str], key: str, one: tuple[str, str] = ONE
) -> Figure:
    """Difference between each policy with TTS (rows) and each policy's single answer (columns), in points."""
    from matplotlib.patches import Patch

    sns = seaborn()
    frame = frame[(frame["benchmark"] == benchmark) & (frame["prm"] == prm)]
    rows = [name for name in policies if name in set(frame["policy"])]
    columns = [name for name in policies if name in set(frame["larger"])]
    wide = frame.pivot(index="policy", columns="larger", values="difference").reindex(index=rows, columns=columns) * 100
    cells = {(r.policy, r.larger): r for r in frame.itertuples(index=False)}

    def label(row: str, column: str) -> str:
        if (row, column) not in cells:
            return ""
        cell = cells[row, column]
        low, high = (f"{100 * v:+.0f}".replace("-", "−") for v in (cell.low, cell.high))
        return f"{100 * cell.difference:+.1f}".replace("-", "−") + f"\n{low} to {high}"

    text = [[label(row, column) for column in columns] for row in rows]
    cell_width = min(105, max(66, (WIDE - 195) // max(1, len(columns))))
    figure = canvas(max(PHONE_SAFE, 190 + cell_width * len(columns)), 155 + 52 * len(rows))
    axes = figure.subplots()
    colours = sns.diverging_palette(28, 245, s=85, l=66, as_cmap=True)  # light enough for dark text at both ends
    sns.heatmap(
        wide, ax=axes, annot=pd.DataFrame(text, wide.index, wide.columns), fmt="", cbar=False, center=0, vmin=-60,
        vmax=60, cmap=colours, linewidths=2, linecolor="none", annot_kws={"fontsize": 11, "color": ON_LIGHT},
    )  # fmt: skip
    axes.grid(False)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            if (row, column) in cells and cells[row, column].low <= 0 <= cells[row, column].high:
                axes.fill_between([j + 0.03, j + 0.97], i + 0.03, i + 0.97, **MAYBE, alpha=0.5)
    patches = [
        Patch(facecolor=colours(1.0), label="with TTS ahead, points and 95 % interval"),
        Patch(facecolor=colours(0.0), label="behind"),
        Patch(**MAYBE | {"lw": 0.8}, label="may be chance"),
    ]
    figure.legend(handles=patches, loc="outside upper left", ncols=3, handlelength=1.4, columnspacing=1.2)
    axes.set(xlabel=f"{one[0]} of …", ylabel="TTS of …")
    axes.xaxis.set_label_position("top")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_xticks(axes.get_xticks(), [plain(wrapped(name, cell_width // 7)) for name in columns], rotation=0)
    axes.set_yticks(axes.get_yticks(), [plain(wrapped(name, 22)) for name in rows], rotation=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    description = (
        f"Accuracy of each policy with test-time scaling ({prm}) less that of one {one[1]} of the policy above, in "
        "percentage points with 95 % intervals, paired over problems. Hatched: the interval includes zero."
    )
    return render(figure, key, f"Small with TTS against larger with {one[0]}, {prm}, {benchmark}", description, frame)


SECTION = Section(
    title="Small with test-time scaling against large without",
    short="Small + TTS against large",
    group=AGAINST,
    place=10,
    part=PAPER,
    view=lambda results, context: results.matrix,
    tell=_tell,
    absent="Not there: it needs outcomes per problem of one answer and of a method with a PRM.",
)

"""How far the accuracy of one run lies from that of another, beside what other problems would change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ttstudy.analysis.definitions import CELL
from ttstudy.kinds.methods import METHODS
from ttstudy.report.blocks import METHOD, PRM, Block, N, Results, cell, named_table, shown
from ttstudy.report.cells import Column as C
from ttstudy.report.section import TRUST, Given, Section, Told


def _view(results: Results, _context: Mapping[str, Any]) -> pd.DataFrame:
    """Cells by the headline's score and vote at each method's largest N that was drawn twice, with spread."""
    spread, scaling = results.study.headline(results.study.table("spread")), results.scaling
    if not len(spread) or not len(scaling):
        return pd.DataFrame()
    told = [name for name in ("draws", "run_sd", "problem_sd", "training_sd") if name in spread]
    frame = scaling.merge(spread[[*CELL, *told]], on=CELL)
    budgeted = [name for name, method in METHODS.items() if method.budgeted]
    frame = frame[frame["run_sd"].notna() & frame["method"].isin(budgeted)]
    largest = frame.groupby(["benchmark", "policy", "prm", "method"], observed=True)["budget"].transform("max")
    return frame[frame["budget"] == largest].reset_index(drop=True)


def _tell(given: Given) -> Told:
    frame = given.frame
    most = frame.loc[frame["run_sd"].idxmax()]
    finding = (
        f"Drawn again on the same problems, an accuracy moves by {100 * frame['run_sd'].median():.1f} points (standard "
        f"deviation) in the median cell. At most it moves by {100 * most['run_sd']:.1f} ({most['policy']}, "
        f"{shown(most['method'])}, N = {most['budget']}). Other problems of the same kind would move it by "
        f"{100 * frame['problem_sd'].median():.1f}."
    )
    columns = [
        *cell(given.study), PRM, METHOD, N, C("accuracy", "Accuracy, %", "percent"), C("draws", "Draws", "count"),
        C("run_sd", "One run, ± points", "span"), C("problem_sd", "Problems, ± points", "span"),
        C("training_sd", "Training seeds, ± points", "span"),
    ]  # fmt: skip
    method = (
        "One run: the standard deviation of the accuracy of a single run at this N. 19 of 20 runs lie within twice of "
        "it around their mean. It is taken from draws that share no response: parts of a pool, trees of a search, or "
        "runs (`runs.searches`). The accuracy is the mean over all draws, so it moves less. Problems: what another set "
        "of as many problems would change. Intervals in this report cover both, since the draws of different problems "
        "are independent. What training a model again would change is in none. It is told of policies that differ by "
        "their training seed alone, where there are some. Cells drawn once are left out."
    )
    caption = "How far one run lies from another, at the largest N that was drawn more than once"
    return Told(finding, [Block(named_table("runs-data", caption, columns, frame))], method)


SECTION = Section(
    title="How far one run lies from another",
    short="Run to run",
    group=TRUST,
    place=25,
    view=_view,
    tell=_tell,
    absent="Not there: nothing was drawn twice. `runs.searches` in the study's file repeats searches.",
)

"""The paper's numbers beside a study's own, for the policies and benchmarks that bear the paper's names."""

from __future__ import annotations

import pandas as pd

from ttstudy.analysis.definitions import tts
from ttstudy.kinds.methods import GREEDY, VOTED
from ttstudy.report import views
from ttstudy.report.cells import Column, Table
from ttstudy.report.figures.style import LOOKS
from ttstudy.report.views import of_reference

TABLES = ("Table 3", "Table 5", "Table 6")
"""Where the paper gives accuracies; its figures repeat them."""
_COLUMNS = [
    Column("where", "In the paper", facet=True), Column("benchmark", "Benchmark", facet=True),
    Column("policy", "Policy", facet=True), Column("method", "Method", facet=True), Column("budget", "N", "plain"),
    Column("published", "Published, %", "percent"), Column("ours", "Ours, %", "percent"),
    Column("low", "95 % low", "percent"), Column("high", "95 % high", "percent"),
    Column("difference", "Ours less published, points", "points"), Column("inside", "Published within ours", "flag"),
    Column("version", "Version"), Column("estimate", "Estimate"), Column("samples", "Samples"),
    Column("source", "Measured by"),
]  # fmt: skip
_METHODS = {
    "cot": LOOKS[GREEDY].label,
    "reference": LOOKS[GREEDY].label,
    "majority": LOOKS[VOTED].label,
    "tts": "Compute-optimal TTS",
}


def beside(study: views.StudyTables, published: pd.DataFrame) -> pd.DataFrame:
    """Every published accuracy of which the study has its own, by policy and benchmark whatever the case of letters.

    `published` is reports/published.csv. TTS is the cross-fitted strategy with the reference PRM; where the paper names
    no N, the study's largest stands. Columns: where, benchmark, policy, method, budget, published, ours, low, high,
    difference, inside (whether the published number lies within our interval), version, estimate, samples, source.
    """
    wanted = published[
        (published["quantity"] == "accuracy") & published["where"].isin(TABLES) & published["method"].isin(_METHODS)
    ]
    accuracy, strategy = study.table("accuracy"), study.table("strategy")
    if len(accuracy):
        accuracy = accuracy[accuracy["level"] == "all"]
    if len(strategy):
        strategy = of_reference(study, tts(strategy))
    rows = []
    for row in wanted.itertuples(index=False):
        frame, method = (strategy, None) if row.method == "tts" else (
            accuracy, VOTED if row.method == "majority" else GREEDY
        )  # fmt: skip
        if not len(frame):
            continue
        mine = frame[
            (frame["benchmark"].str.casefold() == str(row.benchmark).casefold())
            & (frame["policy"].str.casefold() == str(row.policy).casefold())
        ]
        mine = mine if method is None else mine[mine["method"] == method]
        mine = mine if pd.isna(row.budget) else mine[mine["budget"] == int(row.budget)]
        if not len(mine):
            continue
        best, share = mine.loc[mine["budget"].idxmax()], float(row.value) / 100
        rows.append({
            "where": row.where, "benchmark": best["benchmark"], "policy": best["policy"],
            "method": _METHODS[row.method], "budget": int(best["budget"]), "published": share,
            "ours": best["accuracy"], "low": best["low"], "high": best["high"],
            "difference": best["accuracy"] - share, "inside": bool(best["low"] <= share <= best["high"]),
            **{name: _text(getattr(row, name)) for name in ("version", "estimate", "samples", "source")},
        })  # fmt: skip
    return pd.DataFrame(rows)


def statement(study: views.StudyTables, published: pd.DataFrame) -> tuple[str, Table | None]:
    """A sentence, and the table where there is one."""
    frame = beside(study, published)
    if not len(frame):
        return "No policy here is one of the paper’s: no number of its own stands beside a published one.", None
    inside = int(frame["inside"].sum())
    sentence = (
        f"{inside} of {len(frame)} published accuracies lie within our 95 % interval; the published ones have an error "
        "of their own, which the paper does not give."
    )
    return sentence, Table("beside-data", "Published accuracies beside ours", _COLUMNS, frame)


_UNLIKE = [
    Column("where", "In the paper", facet=True), Column("benchmark", "Benchmark"), Column("policy", "Model"),
    Column("share", "Accuracy, %", "percent"), Column("version", "Version"), Column("estimate", "Estimate"),
    Column("samples", "Samples"), Column("source", "Measured by"), Column("unlike", "Why it is unlike"),
]  # fmt: skip


def unlike(published: pd.DataFrame) -> Table | None:
    """The published accuracies that stand beside ones of another version, or of another estimate."""
    rows = published[published["unlike"].map(_text) != ""]
    if not len(rows):
        return None
    names = ["version", "estimate", "samples", "source", "unlike"]
    texts = {name: rows[name].map(_text) for name in names}
    caption = "Where the paper compares unlike with unlike"
    return Table("unlike-data", caption, _UNLIKE, rows.assign(**texts, share=rows["value"].astype(float) / 100))


def _text(value: object) -> str:
    """A cell of the published numbers as text, empty where it is missing."""
    return value if isinstance(value, str) else "" if pd.isna(value) else f"{value:.15g}"

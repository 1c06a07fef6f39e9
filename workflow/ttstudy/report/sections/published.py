"""Published numbers beside ours, where the study names published models to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ttstudy.report import views
from ttstudy.report.blocks import ACCURACY, BENCHMARK, Block, Results, joined, named_table
from ttstudy.report.cells import Column as C
from ttstudy.report.section import AGAINST, Given, Section, Told

_PUBLISHED = {"cot": "CoT", "majority": "majority vote", "tts": "TTS", "trained_reasoner": "trained to reason",
              "reference": "one answer"}  # fmt: skip
"""What a published accuracy is of."""
_ORIGIN = ["version", "estimate", "samples", "origin"]
"""Columns that tell what a published accuracy was measured on, how, and by whom."""


def _view(results: Results, context: Mapping[str, Any]) -> pd.DataFrame:
    """Published accuracies and this study's own on the same benchmarks, best first.

    The context's `published` is of `ttstudy.data.published.accuracies`. Columns: benchmark, model, what, accuracy, low,
    high (missing for published numbers), source, and of published ones version, estimate, samples, origin.
    """
    published, study = context.get("published", pd.DataFrame()), results.study
    if not len(published) or not published["benchmark"].isin(study.benchmarks).any():
        return pd.DataFrame()
    keys = ["benchmark", "model", "method", "accuracy"]
    theirs = published[published["benchmark"].isin(study.benchmarks)].groupby(keys, sort=False)[["where", *_ORIGIN]]
    theirs = theirs.agg(lambda names: ", ".join(dict.fromkeys(name for name in names if name))).reset_index()
    what = theirs["method"].map(_PUBLISHED).fillna("as published")
    theirs = theirs.assign(source="published: " + theirs["where"], what=what)
    ours = [views.cot(study).rename(columns={"policy": "model"}).assign(what=study.one[0])]
    tts = views.gains(study)
    if len(tts):
        tts = tts[["benchmark", "policy", "tts", "tts_low", "tts_high", "budget"]].copy()
        tts.columns = ["benchmark", "model", "accuracy", "low", "high", "budget"]
        ours.append(tts.assign(what="TTS, N = " + tts["budget"].astype(str)))
    ours = pd.concat(ours, ignore_index=True).assign(source="this study")
    frame = pd.concat([ours, theirs], ignore_index=True)
    frame = frame.reindex(columns=["benchmark", "model", "what", "accuracy", "low", "high", "source", *_ORIGIN])
    frame[_ORIGIN] = frame[_ORIGIN].fillna("")
    place = {name: i for i, name in enumerate(study.benchmarks)}
    frame = frame.assign(place=frame["benchmark"].map(place)).sort_values(
        ["place", "accuracy", "model"], ascending=[True, False, True], kind="stable"
    )
    return frame.drop(columns="place").reset_index(drop=True)


def _tell(given: Given) -> Told:
    frame = given.frame
    theirs = frame[frame["source"] != "this study"]
    finding = (
        f"{joined(sorted(set(theirs['model']), key=str.casefold))} were not run: their accuracies are the published "
        "ones. They have no intervals, and the prompts and graders of those who published them."
    )
    columns = [
        BENCHMARK, C("model", "Model"), C("what", "What"), *ACCURACY, C("source", "Source", facet=True),
        C("version", "Version"), C("estimate", "Estimate"), C("samples", "Samples"),
        C("origin", "Measured by"),
    ]  # fmt: skip
    caption = "Accuracies of this study and published ones"
    method = "Two numbers from different hands differ in more than the model: read them as a place, not as a contest."
    return Told(finding, [Block(named_table("published-data", caption, columns, frame))], method)


SECTION = Section(
    title="Published numbers beside ours",
    short="Published beside ours",
    group=AGAINST,
    place=60,
    view=_view,
    tell=_tell,
)

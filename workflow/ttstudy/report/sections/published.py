"""Published numbers beside ours, where the study names published models to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ttstudy.report import views
from ttstudy.report.blocks import ACCURACY, BENCHMARK, Block, Results, joined, named_table
from ttstudy.report.cells import Column as C
from ttstudy.report.section import AGAINST, Given, Section, Told


def _view(results: Results, context: Mapping[str, Any]) -> pd.DataFrame:
    return views.beside_published(results.study, context.get("published", pd.DataFrame()))


def _tell(given: Given) -> Told:
    frame = given.frame
    theirs = frame[frame["source"] != "this study"]
    finding = (
        f"{joined(sorted(set(theirs['model']), key=str.casefold))} were not run: their accuracies are the published "
        "ones, without intervals, under the prompts and graders of those who published them."
    )
    columns = [
        BENCHMARK, C("model", "Model"), C("what", "What"), *ACCURACY, C("source", "Source", facet=True),
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

"""Files of recorded responses: whose output they are, what was left out, what is not known."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from ttstudy.kinds.sources import SOURCES
from ttstudy.report.blocks import Block, Results, joined, named_table
from ttstudy.report.cells import Column as C
from ttstudy.report.section import TRUST, Given, Section, Told


def _view(_results: Results, context: Mapping[str, Any]) -> pd.DataFrame:
    """One row for each recorded policy whose table says what its files were."""
    rows = []
    for each in context.get("taken_in", []):
        if each["form"] is None:  # a table of an earlier version
            continue
        ends = Counter(json.loads(each["unknown_ends"] or "{}"))
        rows.append(
            {
                "policy": each["policy"],
                "form": SOURCES[each["form"]].label if each["form"] in SOURCES else "one response a row",
                "rows": int(each["rows"]),
                "left_out": int(each["left_out"]),
                "uneven": each["uneven"],
                "ends": ", ".join(f"{name} ({count:,})" for name, count in ends.most_common(6)),
                "unknown": ends.total(),
            }
        )
    return pd.DataFrame(rows)


def _tell(given: Given) -> Told:
    frame = given.frame
    left = int(frame["left_out"].sum())
    finding = f"Of {frame['rows'].sum():,} rows of recorded responses, "
    finding += (
        f"{left:,} could not be used and {'was' if left == 1 else 'were'} left out, as `skip_broken` allows. The log "
        "of the step `recorded` names each."
        if left
        else "none was left out."
    )
    if unknown := int(frame["unknown"].sum()):
        finding += f" How {unknown:,} responses ended is not known: {joined(list(frame['ends'][frame['ends'] != '']))}."
    if short := list(frame.loc[frame["uneven"], "policy"]):
        finding += (
            f" Problems may have fewer responses of {joined(short)} than N (`uneven`): all that a problem has are "
            "taken then."
        )
    columns = [
        C("policy", "Policy"), C("form", "Read as"), C("rows", "Rows", "count"), C("left_out", "Left out", "count"),
        C("ends", "Ends that are not known"),
    ]  # fmt: skip
    return Told(finding, [Block(named_table("taken-in-data", "Files of recorded responses", columns, frame))])


SECTION = Section(
    title="Files of recorded responses", short="Recorded files", group=TRUST, place=55, view=_view, tell=_tell
)

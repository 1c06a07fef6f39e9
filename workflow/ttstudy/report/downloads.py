"""Tables packed inside the page, to be saved as CSV or Parquet without a network."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pandas as pd

from ttstudy.dag import rehearsed
from ttstudy.report.cells import csv_bytes, pack_bytes
from ttstudy.report.page import TEMPLATES
from ttstudy.vocabulary import HEADLINE_TABLES

ROOM = 6_000_000
"""Bytes that packed downloads may take."""
_ORDER = (
    "accuracy", *HEADLINE_TABLES, "strategy", "ledger", "claims", "training", "difficulty", "counts", "optimism",
    "adaptive", "predicted", "efficiency", "graders",
    "grader_accuracy", "grader_answers", "benchmark",
    "outcomes",
)  # fmt: skip
CAPTIONS = TEMPLATES.parent / "captions"
"""A text for each table."""
_NOT_OFFERED = ("explorer", "nodes")


def _about(name: str) -> str:
    """What a table holds, in the words of its caption; nothing where it has none."""
    path = CAPTIONS / f"{name}.rst"
    return " ".join(path.read_text(encoding="utf-8").replace("``", "").split()) if path.is_file() else ""


def packed(tables: Mapping[str, pd.DataFrame], room: int = ROOM) -> list[dict[str, Any]]:
    """Every table as packed CSV and Parquet, smallest first, as long as they fit into `room` bytes.

    Where Parquet does not fit, CSV, which takes more, is not tried.
    """
    names = [n for n in (*_ORDER, *sorted(set(tables) - set(_ORDER))) if n in tables and n not in _NOT_OFFERED]
    made = {}
    for name in sorted(names, key=lambda n: (len(tables[n]) * len(tables[n].columns), n)):
        frame = tables[name]
        saved = f"{rehearsed.WORD}-{name}" if rehearsed.name() else name
        entry: dict[str, Any] = {"name": saved, "rows": len(frame), "columns": list(map(str, frame.columns))}
        entry |= {"csv": None, "parquet": None, "about": _about(name)}
        buffer = io.BytesIO()
        frame.reset_index(drop=True).to_parquet(buffer, engine="pyarrow", compression="zstd", index=False)
        for kind, content in (("parquet", buffer.getvalue), ("csv", lambda frame=frame: csv_bytes(frame))):
            if len(frame) * len(frame.columns) > 40 * room or (kind == "csv" and entry["parquet"] is None):
                continue
            text = pack_bytes(content())
            if len(text) <= room:
                room -= len(text)
                entry[kind] = text
        made[name] = entry
    return [made[name] for name in names]

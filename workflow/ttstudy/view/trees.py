"""Search trees for a page: the nodes of one problem, as lines in the order in which a reader goes through them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc

from ttstudy.view import rows

COLUMNS = ("problem_id", "tree", "node", "parent", "depth", "text", "score", "kept", "finish")
SHOWN = 2000
"""Characters of a step that a tree shows."""


class Line(NamedTuple):
    """One node of a tree, as deep as it lies."""

    node: int
    depth: int
    text: str
    more: int
    """Characters that are not shown."""
    score: float | None
    kept: bool
    finish: str
    below: int
    """Nodes that grew from it."""
    on_way: bool
    """Whether it leads to the response that was asked for."""
    last: bool
    """Whether it is that response's last step."""


def read(path: Path, problem: str) -> dict[int, list[dict[str, Any]]]:
    """The nodes of a problem's trees, by tree. No more than its rows of the table is in memory."""
    wanted = [np.zeros(0, dtype=np.int64)]
    for start, batch in rows.batches(path, ["problem_id"], size=65536):
        mine = pc.equal(batch.column("problem_id").cast("string"), problem)
        wanted.append(np.flatnonzero(mine.fill_null(False).to_numpy(zero_copy_only=False)) + start)
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows.read(path, np.concatenate(wanted), COLUMNS).values():
        found[int(row["tree"])].append(row)
    return dict(found)


def lines(nodes: Sequence[Mapping[str, Any]], chosen: int = -1) -> list[Line]:
    """The nodes of one tree, each before what grew from it; `chosen`: the last step of the response to be marked."""
    by_number = {int(row["node"]): row for row in nodes}
    below: dict[int, list[int]] = defaultdict(list)
    for number, row in by_number.items():
        parent = int(row["parent"])
        below[parent if parent in by_number else -1].append(number)
    way, at = set(), chosen
    while at in by_number and at not in way:
        way.add(at)
        at = int(by_number[at]["parent"])
    out, todo = [], [(number, 1) for number in reversed(below[-1])]
    while todo:  # a path may be thousands of steps long
        number, depth = todo.pop()
        row = by_number[number]
        text = str(row["text"] or "")
        score = row["score"]
        known = None if score is None or score != score else float(score)
        out.append(
            Line(number, depth, text[:SHOWN], max(0, len(text) - SHOWN), known, bool(row["kept"]), str(row["finish"]),
                 len(below[number]), number in way, number == chosen)
        )  # fmt: skip
        todo += [(child, depth + 1) for child in reversed(below[number])]
    return out

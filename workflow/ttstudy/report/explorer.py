"""The sample explorer's data: responses and search trees by policy, PRM and method, packed inside the report."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ttstudy.report.cells import pack

LARGEST = 6_000_000
"""Bytes that the packed samples may take in the report."""
GROUP = ["benchmark", "policy", "method", "prm", "budget"]


@dataclass(frozen=True)
class Explorer:
    """`index` names the groups and where each one's data is; `blocks` are those data; `note` says what was left out."""

    index: list[dict[str, Any]]
    blocks: dict[str, str]
    note: str = ""


def build(samples: pd.DataFrame, nodes: pd.DataFrame, largest: int = LARGEST) -> Explorer:
    """Pack samples and trees; where they exceed `largest` bytes, the same share of problems is left out everywhere."""
    if not len(samples):
        return Explorer([], {})
    samples, nodes = (frame if "budget" in frame else frame.assign(budget=0) for frame in (samples, nodes))
    groups = [(key, part) for key, part in samples.groupby(GROUP, sort=False, observed=True)]
    trees = dict(list(nodes.groupby(GROUP, sort=False, observed=True))) if len(nodes) else {}
    share = 1.0
    while True:
        index, blocks, shown, there = [], {}, 0, 0
        for number, (key, part) in enumerate(groups):
            names = list(dict.fromkeys(part["problem_id"]))
            kept = names[: max(1, math.ceil(share * len(names)))]
            shown, there = shown + len(kept), there + len(names)
            name = f"samples-{number}"
            blocks[name] = pack([_problem(part, trees.get(key), problem) for problem in kept])
            index.append(dict(zip(GROUP, map(str, key), strict=True)) | {"data": name, "problems": kept})
        size = sum(map(len, blocks.values()))
        if size <= largest or shown <= len(groups):
            break
        share *= min(0.9, 0.95 * largest / size)
    left = there - shown
    note = (
        f"{left} of {there} (problem, policy, PRM, method, N) entries are left out to keep this file small."
        if left
        else ""
    )
    return Explorer(index, blocks, note)


def _problem(part: pd.DataFrame, tree: pd.DataFrame | None, problem: str) -> dict[str, Any]:
    rows = part[part["problem_id"] == problem]
    first = rows.iloc[0]
    out: dict[str, Any] = {
        "id": str(problem),
        "problem": _text(first["problem"]),
        "gold": _text(first["gold"]),
        "responses": [_response(row) for row in rows.to_dict("records")],
    }
    if tree is not None:
        mine = tree[tree["problem_id"] == problem]
        if len(mine):
            out["nodes"] = [
                [
                    int(r["tree"]),
                    int(r["node"]),
                    int(r["parent"]),
                    int(r["depth"]),
                    _text(r["text"]),
                    _number(r["score"]),
                ]
                + [bool(r["kept"]), _text(r["finish"])]
                for r in mine.to_dict("records")
            ]
    return out


def _response(row: dict[str, Any]) -> dict[str, Any]:
    steps = _list(row.get("steps"))
    return {
        "sample": int(row["sample"]),
        "steps": [_text(step) for step in steps] or [_text(row.get("response"))],
        "scores": [_number(score) for score in _list(row.get("step_scores"))],
        "answer": None if _absent(row.get("answer")) else _text(row["answer"]),
        "correct": not _absent(row["correct"]) and bool(row["correct"]),
        "finish": _text(row.get("finish")),
    }


def _list(value: Any) -> list[Any]:
    return [] if value is None or isinstance(value, float | str) else list(value)


def _absent(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _text(value: Any) -> str:
    return "" if _absent(value) else str(value)


def _number(value: Any) -> float | None:
    if _absent(value):
        return None
    number = float(value)
    return round(number, 4) if math.isfinite(number) else None

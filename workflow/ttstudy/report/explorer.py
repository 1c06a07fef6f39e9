"""The sample explorer's data: responses and search trees by policy, PRM and method, packed inside the report."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ttstudy.answers.extraction import KINDS
from ttstudy.kinds.methods import METHODS, SEARCHES
from ttstudy.kinds.scores import SCORES
from ttstudy.report.cells import pack

LARGEST = 5_000_000
"""Bytes that the packed samples may take in the report."""
GROUP = ["benchmark", "policy", "method", "prm", "budget"]


WORDS = {
    "methods": {name: method.look.label for name, method in METHODS.items()},
    "searches": list(SEARCHES),
    "scores": {name: score.look.label for name, score in SCORES.items()},
}
"""What the page's script says of methods and scores, by name."""


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
    trees = dict(list(nodes.groupby(GROUP, sort=False, observed=True))) if len(nodes) else {}
    groups = [
        (key, _problems(part, trees.get(key))) for key, part in samples.groupby(GROUP, sort=False, observed=True)
    ]
    there = sum(len(problems) for _, problems in groups)
    share = 1.0
    while True:
        kept = [problems[: max(1, math.ceil(share * len(problems)))] for _, problems in groups]
        packed = [pack(problems) for problems in kept]
        size, shown = sum(map(len, packed)), sum(map(len, kept))
        if size <= largest or shown <= len(groups):
            break
        share *= min(0.9, 0.95 * largest / size)
    index = [
        dict(zip(GROUP, map(str, key), strict=True))
        | {"data": f"samples-{number}", "problems": [problem["id"] for problem in kept[number]]}
        for number, (key, _) in enumerate(groups)
    ]
    left = there - shown
    note = (
        f"{left} of {there} (problem, policy, PRM, method, N) entries are left out to keep this file small."
        if left
        else ""
    )
    return Explorer(index, {f"samples-{number}": text for number, text in enumerate(packed)}, note)


def _problems(part: pd.DataFrame, tree: pd.DataFrame | None) -> list[dict[str, Any]]:
    """One group's problems with their responses and the nodes of their search tree, in the order of the samples."""
    out: dict[str, dict[str, Any]] = {}
    for row in part.to_dict("records"):
        problem = str(row["problem_id"])
        if problem not in out:
            head = {"id": problem, "problem": _text(row["problem"]), "gold": _text(row["gold"])}
            out[problem] = head | {"responses": []}
        out[problem]["responses"].append(_response(row))
    columns = ["problem_id", "tree", "node", "parent", "depth", "text", "score", "kept", "finish"]
    for row in [] if tree is None else tree[columns].itertuples(index=False):
        found = out.get(str(row.problem_id))
        if found is not None:
            node = [int(row.tree), int(row.node), int(row.parent), int(row.depth), _text(row.text), _number(row.score)]
            found.setdefault("nodes", []).append([*node, bool(row.kept), _text(row.finish)])
    return list(out.values())


def _response(row: dict[str, Any]) -> dict[str, Any]:
    steps, scores = _list(row.get("steps")), [_number(score) for score in _list(row.get("step_scores"))]
    known = [score for score in scores if score is not None]
    return {
        "sample": int(row["sample"]),
        "steps": [_text(step) for step in steps] or [_text(row.get("response"))],
        "scores": scores,
        "score": {name: round(float(score.of(known)), 6) for name, score in SCORES.items()} if known else {},
        "answer": None if _absent(row.get("answer")) else _text(row["answer"]),
        "why": _why(row),
        "correct": not _absent(row["correct"]) and bool(row["correct"]),
        "finish": _text(row.get("finish")),
    }


def _why(row: dict[str, Any]) -> str:
    """Why this text is the answer, and where it stands; "" where that is not known."""
    kind = _text(row.get("found"))
    if not kind:
        return ""
    return f"{KINDS.get(kind, kind)}, from character {int(row['place']) + 1:,}"


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

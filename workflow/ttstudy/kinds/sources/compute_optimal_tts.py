"""The official code of arXiv 2502.06703: a folder with `config.json` and `question_Q/record_R.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ttstudy.kinds.sources._source import SCORES, Place, Row, Source, has, need, numbers

_MARK = "ки"
"""What the code puts after each step."""
_LARGEST = 1_000_000
"""Bytes of a `config.json`."""


def _samples(row: Row, place: Place) -> Iterator[dict[str, Any]]:
    need(row, "question", "groundtruth")
    if not isinstance(row.get("output"), list):
        raise ValueError("output is not a list of paths")
    question = place.file.parent
    prm, greedy = _run(question.parent / "config.json")
    for path in row["output"]:
        yield {
            "problem_id": question.name,
            "problem": row["question"],
            "answer": row["groundtruth"],
            "greedy": greedy,
        } | _path(path, prm)


@lru_cache(maxsize=64)
def _run(path: Path) -> tuple[str, bool]:
    """The PRM's name, and whether the run's responses are greedy; ValueError where they are beams of a search."""
    try:
        config = json.loads(path.read_bytes()[:_LARGEST])
        method, generation = config.get("method"), config.get("gen_config") or {}
        greedy = method == "cot" and generation.get("temperature") == 0
    except (OSError, ValueError, AttributeError):
        raise ValueError(f"{path} is not a readable JSON file; give the folder of a finished run") from None
    if method not in ("cot", "best_of_n"):
        raise ValueError(
            f"{path} says method {str(method)[:40]!r}; only cot and best_of_n are independent samples, which can be "
            "voted on at every N"
        )
    return str(config.get("RM") or "prm").rstrip("/").rsplit("/", 1)[-1], greedy


def _path(path: Any, prm: str) -> dict[str, Any]:
    """One path of a record: response, steps, scores and tokens."""
    if not isinstance(path, Mapping) or not isinstance(path.get("text"), str):
        raise ValueError("a path of its output has no text")
    text = path["text"]
    parts = text.split(f"{_MARK}\n") if _MARK in text else text.split("\n\n")
    steps = [step.removesuffix(_MARK).strip() for step in parts if step.removesuffix(_MARK).strip()]
    row: dict[str, Any] = {"response": "\n\n".join(steps), "steps": steps}
    if isinstance(path.get("completion_tokens"), int):
        row["tokens"] = path["completion_tokens"]
    if path.get("value") is not None:
        values = numbers(path["value"], "value")
        # Its blank steps have a score too, its CoT none.
        if len(values) not in (0, len(steps)):
            raise ValueError(f"value has {len(values)} numbers for {len(steps)} steps")
        row |= {SCORES + prm: values} if values else {}
    return row


SOURCE = Source(
    label="the official code (compute-optimal-tts)",
    about="the folder of a finished CoT or best-of-N run, with `config.json` and `question_*` in it",
    source="GitHub RyanLiu112/compute-optimal-tts, src/reason/evaluation/evaluate.py",
    recognises=lambda row: has(row, "question", "groundtruth", "output"),
    samples=_samples,
)

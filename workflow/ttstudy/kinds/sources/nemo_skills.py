"""NeMo-Skills: a file for each seed, `output-rs0.jsonl` and so on, with one generation of each problem."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ttstudy.kinds.sources._source import SCORES, Place, Row, Source, by_text, has, kept, need, texts


def _samples(row: Row, place: Place) -> Iterator[dict[str, Any]]:
    need(row, "problem", "expected_answer")
    responses = texts(row, "generation")
    told = next((row[name] for name in ("id", "problem_id", "unique_id") if row.get(name) not in (None, "")), None)
    # Seeds of one run hold the same problems, not always in the same order.
    known = str(told) if told is not None else by_text(str(row["problem"]))
    one = {"problem_id": known, "problem": row["problem"], "answer": row["expected_answer"]}
    one |= kept(row, tokens="num_generated_tokens", finish="finish_reason", level="level", subject="type")
    one |= kept(row, **{f"{SCORES}rm": "reward_model_score"})
    one |= {"greedy": True} if place.file.name.split(".", 1)[0] == "output-greedy" else {}
    for text in responses:
        yield {**one, "response": text}


SOURCE = Source(
    label="NeMo-Skills",
    about="`output-rs*.jsonl`, one file for each seed; `output-greedy.jsonl` holds the greedy responses",
    source="GitHub NVIDIA/NeMo-Skills, nemo_skills/inference/generate.py",
    recognises=lambda row: has(row, "generation", "expected_answer", "problem"),
    samples=_samples,
)

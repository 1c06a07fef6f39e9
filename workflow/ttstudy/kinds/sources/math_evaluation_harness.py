"""math-evaluation-harness, and what has its layout: Qwen2.5-Math, ToRA, rho."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ttstudy.kinds.sources._source import SCORES, Place, Row, Source, each, has, kept, need, texts


def _samples(row: Row, place: Place) -> Iterator[dict[str, Any]]:
    need(row, "question", "gt")
    responses = texts(row, "code")
    scores = each(row, "pred_score", len(responses), "responses")
    finish = each(row, "finish_reason", len(responses), "responses")
    problem = {"problem_id": str(row.get("idx", place.number)), "problem": row["question"], "answer": row["gt"]}
    problem |= kept(row, level="level", subject="subject") or kept(row, subject="type")
    for number, text in enumerate(responses):
        one = {**problem, "response": text}
        if scores is not None:  # an outcome reward model's, on a scale of its own
            one[f"{SCORES}rm"] = scores[number]
        if finish is not None:
            one["finish"] = finish[number]
        yield one


SOURCE = Source(
    label="math-evaluation-harness (Qwen2.5-Math, ToRA, rho)",
    about="`question`, `gt` and a list `code` of responses of each problem; `pred_score` is read as `scores.rm`",
    source="GitHub ZubinGou/math-evaluation-harness, math_eval.py; QwenLM/Qwen2.5-Math, evaluation/math_eval.py",
    recognises=lambda row: has(row, "question", "gt", "code"),
    samples=_samples,
)

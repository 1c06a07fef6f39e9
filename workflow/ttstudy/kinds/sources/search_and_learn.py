"""search-and-learn: one problem a row with its completions, and a list of step scores for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ttstudy.kinds.sources._source import SCORES, Place, Row, Source, each, has, kept, need, numbers, texts


def _samples(row: Row, place: Place) -> Iterator[dict[str, Any]]:
    need(row, "problem", "answer")
    completions = texts(row, "completions")
    scores = each(row, "scores", len(completions), "completions")
    tokens = each(row, "completion_tokens", len(completions), "completions")
    ids = [row[key] for key in ("unique_id", "problem_id", "id") if row.get(key) not in (None, "")]
    problem = {"problem_id": str(ids[0] if ids else place.number), "problem": row["problem"], "answer": row["answer"]}
    for number, text in enumerate(completions):
        one: dict[str, Any] = {**problem, "response": text, **kept(row, level="level", subject="subject")}
        if tokens is not None:
            one["tokens"] = tokens[number]
        if scores is not None:
            one |= _scored(text, numbers(scores[number], f"scores of completion {number}"), f"completion {number}")
        yield one


def _scored(text: str, scores: list[float], which: str) -> dict[str, Any]:
    """Steps and scores: the steps are the parts of the text that the PRM must have scored, by their number."""
    double, single = text.split("\n\n"), text.split("\n")
    cuts = [double, *([part for part in parts if part.strip()] for parts in (double, single))]
    steps = next((parts for parts in cuts if len(parts) == len(scores)), None)
    if steps is None:
        raise ValueError(
            f"{which} has {len(scores)} scores, but {len(cuts[1])} parts between blank lines and {len(cuts[2])} lines"
        )
    return {"steps": steps, f"{SCORES}prm": scores}


SOURCE = Source(
    label="search-and-learn",
    about="best-of-N: `completions`, `scores` and `completion_tokens` of each problem",
    source="GitHub huggingface/search-and-learn, src/sal/search/best_of_n.py",
    recognises=lambda row: has(row, "problem", "answer", "completions"),
    samples=_samples,
    may_be_searched=True,
)

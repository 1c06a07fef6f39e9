"""lighteval: `details_TASK_*.parquet` of `--save-details`, of both layouts that there have been."""

from __future__ import annotations

import json
from ast import literal_eval
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from ttstudy.kinds.sources._source import Place, Row, Source, has


def _samples(row: Row, place: Place) -> Iterator[dict[str, Any]]:
    if "doc" in row:
        doc, answered = _object(row["doc"], "doc"), _object(row["model_response"], "model_response")
        problem, number = doc.get("query"), doc.get("id")
        responses = _list(answered.get("text_post_processed")) or _list(answered.get("text"))
        golds, indices = _list(doc.get("choices")), _list(doc.get("gold_index"))
        golds = [golds[index] for index in map(int, indices) if index < len(golds)] or golds
        drawn = [_list(tokens) for tokens in _list(answered.get("output_tokens"))]
    else:
        problem, number, responses = row["example"], None, _list(row["predictions"])
        golds = _list(row["gold"])
        drawn = [_list(tokens) for tokens in _list(row.get("cont_tokens"))]
    if not isinstance(problem, str) or not responses or not all(isinstance(text, str) for text in responses):
        raise ValueError("it holds no question with texts as responses; only tasks that generate text can be read")
    if not golds:
        raise ValueError("it holds no gold answer")
    tokens = [len(each) for each in drawn] if len(drawn) == len(responses) and all(drawn) else []
    # Several golds are several ways to write one answer.
    one = {"problem_id": str(place.number if number in (None, "") else number), "problem": problem, "answer": golds[0]}
    for index, text in enumerate(responses):
        yield {**one, "response": text, **({"tokens": tokens[index]} if tokens else {})}


def _list(value: Any) -> list[Any]:
    """A value that older versions wrote as the text of a list."""
    if isinstance(value, str) and value[:1] == "[":
        for read in (json.loads, literal_eval):
            with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
                value = read(value)
                break
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is not an object")
    return value


SOURCE = Source(
    label="lighteval",
    about="`details_*.parquet` of `--save-details`, of tasks that generate text",
    source="GitHub huggingface/lighteval, src/lighteval/logging/info_loggers.py (class Detail)",
    recognises=lambda row: has(row, "doc", "model_response") or has(row, "example", "predictions", "gold"),
    samples=_samples,
)

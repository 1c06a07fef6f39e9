"""lm-evaluation-harness: the log that `--log_samples` writes, a document a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ttstudy.kinds.sources._source import Place, Row, Source, has

_PROBLEM = ("problem", "question", "query", "input", "prompt", "text")
"""Fields of a document that hold its question, in any case, by the tasks that there are; else its prompt."""


def _samples(row: Row, place: Place) -> Iterator[dict[str, Any]]:
    responses = row["resps"]
    while isinstance(responses, list) and len(responses) == 1 and isinstance(responses[0], list):
        responses = responses[0]  # one request of a document, with one response or several repeats
    whole = isinstance(responses, list) and bool(responses) and all(isinstance(text, str) for text in responses)
    # A request for likelihoods has no options of drawing, and what it gives looks like two texts.
    if not whole or _arguments(row) and not any(isinstance(item, Mapping) for item in _arguments(row)):
        raise ValueError("resps holds no texts; only tasks that generate text can be read")
    doc = row["doc"] if isinstance(row["doc"], Mapping) else {"problem": row["doc"]}
    lower = {str(name).lower(): value for name, value in doc.items()}
    problem, options = next((lower[name] for name in _PROBLEM if isinstance(lower.get(name), str)), None), _options(row)
    problem = problem if problem is not None else _prompt(row)
    if problem is None:
        raise ValueError(f"its doc has no question (it has: {', '.join(map(str, list(doc)[:12]))})")
    greedy = len(responses) == 1 and (options.get("do_sample") is False or options.get("temperature") in (0, "0"))
    for text in responses:
        yield {
            "problem_id": str(row["doc_id"]),
            "problem": problem,
            "answer": row["target"],
            "response": text,
            "greedy": greedy,
        }


def _arguments(row: Row) -> list[Any]:
    """What the model was asked: the prompt, and how to draw; older logs have lists, newer ones objects."""
    given = row.get("arguments")
    first: Any = next(iter(given.values()), None) if isinstance(given, Mapping) else given[0] if given else None
    return list(first.values()) if isinstance(first, Mapping) else list(first) if isinstance(first, list) else []


def _options(row: Row) -> Mapping[str, Any]:
    return next((item for item in _arguments(row) if isinstance(item, Mapping)), {})


def _prompt(row: Row) -> str | None:
    return next((item for item in _arguments(row) if isinstance(item, str)), None)


SOURCE = Source(
    label="lm-evaluation-harness",
    about="`samples_TASK_*.jsonl` of `--log_samples`, of tasks that generate text; of several filters the first",
    source="GitHub EleutherAI/lm-evaluation-harness, lm_eval/evaluator.py and lm_eval/loggers/evaluation_tracker.py",
    recognises=lambda row: has(row, "doc_id", "doc", "target", "resps"),
    samples=_samples,
    same="filter",
)

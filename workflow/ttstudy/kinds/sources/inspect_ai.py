"""inspect_ai: logs as JSON (`--log-format json`) or as `.eval`, of which each sample is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ttstudy.kinds.sources._source import Place, Row, Source, has

_ATTACHED = "attachment://"


def _samples(row: Row, place: Place) -> Iterator[dict[str, Any]]:
    if "samples" not in row:
        yield from _sample(row)
        return
    if not isinstance(row["samples"], list) or not row["samples"]:
        raise ValueError("the log holds no samples; its evaluation did not end")
    for sample in row["samples"]:
        yield from _sample(sample)


def _sample(row: Row) -> Iterator[dict[str, Any]]:
    attached = row.get("attachments") if isinstance(row.get("attachments"), Mapping) else {}
    output = row["output"] if isinstance(row.get("output"), Mapping) else {}
    choices = output.get("choices")
    if not isinstance(choices, list) or not choices:
        what = "it ended with an error" if row.get("error") else "the model said nothing"
        raise ValueError(f"sample {str(row.get('id'))[:40]!r} has no output: {what}")
    target = row.get("target")
    answer = next(iter(target), None) if isinstance(target, list) else target
    usage = output.get("usage") if isinstance(output.get("usage"), Mapping) else {}
    one = {"problem_id": str(row["id"]), "problem": _text(_asked(row["input"]), attached), "answer": answer}
    for choice in choices:
        said = choice["message"]["content"] if isinstance(choice.get("message"), Mapping) else None
        found = {**one, "response": _text(said, attached), "finish": choice.get("stop_reason")}
        if len(choices) == 1 and usage is not None:
            found |= {"tokens": usage.get("output_tokens"), "prompt_tokens": usage.get("input_tokens")}
        yield found


def _asked(given: Any) -> Any:
    """The problem: the last thing that the user said, where the input is a conversation."""
    if not isinstance(given, list):
        return given
    turns = [message for message in given if isinstance(message, Mapping) and message.get("role") == "user"]
    return turns[-1].get("content") if turns else None


def _text(content: Any, attached: Any) -> str:
    """A message's text; thoughts stand in their marks before it."""
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, Mapping)]
        thoughts = [str(part.get("reasoning") or "") for part in parts if part.get("type") == "reasoning"]
        said = [str(part.get("text") or "") for part in parts if part.get("type") == "text"]
        return "".join(f"<think>{_text(each, attached)}</think>\n" for each in thoughts if each) + "\n".join(
            _text(each, attached) for each in said
        )
    if not isinstance(content, str):
        raise ValueError("a message has no text")
    if content.startswith(_ATTACHED):
        return str(attached.get(content.removeprefix(_ATTACHED), ""))
    return content


SOURCE = Source(
    label="inspect_ai",
    about="logs, `.eval` or `.json`; epochs are samples",
    source="GitHub UKGovernmentBEIS/inspect_ai, src/inspect_ai/log/_log.py (EvalLog, EvalSample)",
    recognises=lambda row: has(row, "eval", "samples") or has(row, "id", "epoch", "input", "target", "output"),
    samples=_samples,
)

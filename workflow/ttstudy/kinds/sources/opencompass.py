"""OpenCompass: the predictions of a model on one data set, an object by the problems' numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ttstudy.kinds.sources._source import Place, Row, Source, by_text, has, need, texts


def _samples(row: Row, place: Place) -> Iterator[dict[str, Any]]:
    need(row, "origin_prompt", "gold")
    problem = _asked(row["origin_prompt"])
    one = {"problem_id": by_text(problem), "problem": problem, "answer": row["gold"]}
    for text in texts(row, "prediction"):
        yield {**one, "response": text}


def _asked(prompt: Any) -> str:
    """The last turn of the user, whom it calls HUMAN; of a model without a chat the prompt as it is."""
    if isinstance(prompt, list):
        turns = [turn.get("prompt") for turn in prompt if isinstance(turn, Mapping) and turn.get("role") == "HUMAN"]
        prompt = turns[-1] if turns else None
    if not isinstance(prompt, str):
        raise ValueError("its origin_prompt has no text of the user")
    return prompt


SOURCE = Source(
    label="OpenCompass",
    about="`predictions/MODEL/DATASET*.json`; problems are told apart by their prompts",
    source="GitHub open-compass/opencompass, opencompass/openicl/icl_inferencer/icl_base_inferencer.py",
    recognises=lambda row: has(row, "origin_prompt", "prediction"),
    samples=_samples,
)

"""Rollouts of verl (`trainer.rollout_data_dir`, `validation_data_dir`), its generations, and OpenRLHF's inference."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ttstudy.kinds.sources._source import SCORES, Place, Row, Source, by_text, has, kept, need, texts

_GOLD = ("gts", "ground_truth", "gt", "label", "labels", "answer")
_CHATS = [
    tuple(map(re.compile, marks))
    for marks in (
        (r"<\|im_start\|>user\s*\n", r"<\|im_start\|>assistant\b"),
        (r"<\|start_header_id\|>user<\|end_header_id\|>", r"<\|start_header_id\|>assistant<\|end_header_id\|>"),
        (r"<｜User｜>", r"<｜Assistant｜>"),
        (r"<start_of_turn>user\s*\n", r"<start_of_turn>model\b"),
        (r"<\|user\|>", r"<\|assistant\|>"),
        (r"\[INST\]", r"\[/INST\]"),
        # Templates whose special tokens were left out, with or without the line break that one of them had been.
        (r"(?:^|\n|(?<=[.!?)\"'\w])(?=user\n\n))user\s*?\n", r"(?:^|\n|(?=assistant\s*$))assistant\s*?(?:\n|$)"),
        (r"(?:^|\n|(?<=[.!?>)] ))(?:User|Human):|(?:^|\s|</s>)(?:USER|HUMAN):", r"(?:^|\s)(?:Assistant|ASSISTANT):"),
        (r"(?:^|\n)### (?:Instruction|User|Question):", r"(?:^|\n)### (?:Response|Assistant|Answer):"),
    )
]
"""What begins a user's and an assistant's turn, by chat template; the first of these that a prompt has is its own."""
_ENDS = re.compile(r"\s*(?:<\|im_end\|>|<\|eot_id\|>|<end_of_turn>|<\|end\|>|</s>)?\s*$")


def _last_turn(prompt: str) -> str:
    """The user's last turn of a prompt as a chat template wrote it; a prompt without marks, or an empty turn, whole."""
    for user, assistant in _CHATS:
        begun = [found.end() for found in user.finditer(prompt)]
        answered = [found.start() for found in assistant.finditer(prompt, begun[-1])] if begun else []
        if answered:
            return _ENDS.sub("", prompt[begun[-1] : answered[-1]]).strip() or prompt
    return prompt


def _asked(prompt: Any) -> str:
    """The user's last turn of a prompt: of a conversation, or of its text."""
    if isinstance(prompt, list):
        turns = [turn.get("content") for turn in prompt if isinstance(turn, Mapping) and turn.get("role") == "user"]
        prompt = turns[-1] if turns else None
        if not isinstance(prompt, str):
            raise ValueError("its conversation has no text of the user")
        return prompt
    return _last_turn(str(prompt))


def _samples(row: Row, place: Place) -> Iterator[dict[str, Any]]:
    if "responses" in row:
        yield from _generated(row)
        return
    need(row, "input")
    gold = next((row[name] for name in _GOLD if row.get(name) not in (None, "", [])), None)
    if gold is None:
        raise ValueError(f"no gold answer under {', '.join(_GOLD)}; name its column with `columns`")
    problem = _asked(row["input"])
    one = {"problem_id": by_text(problem), "problem": problem}
    one |= {"answer": gold, **kept(row, **{f"{SCORES}reward": "reward"})}
    for text in texts(row, "output"):
        yield {**one, "response": text}


def _generated(row: Row) -> Iterator[dict[str, Any]]:
    """What verl's generation adds to a row of its data sets: `responses`."""
    need(row, "prompt", "reward_model")
    problem, checked = _asked(row["prompt"]), row["reward_model"]
    gold = checked.get("ground_truth") if isinstance(checked, Mapping) else None
    if gold is None:
        raise ValueError("its reward_model has no ground_truth")
    for text in texts(row, "responses"):
        yield {"problem_id": by_text(problem), "problem": problem, "answer": gold, "response": text}


SOURCE = Source(
    label="verl or OpenRLHF rollouts",
    about="`input`, `output` and `gts` of each response (OpenRLHF: `label`), `reward` read as `scores.reward`; or "
    "`prompt`, `reward_model` and `responses` of `main_generation` (DeepScaleR, rllm)",
    source="GitHub verl-project/verl, verl/trainer/ppo/ray_trainer.py (_dump_generations); OpenRLHF/OpenRLHF, "
    "openrlhf/cli/batch_inference.py",
    recognises=lambda row: has(row, "prompt", "reward_model", "responses")
    or (has(row, "input", "output") and any(name in row for name in (*_GOLD, "reward", "score"))),
    samples=_samples,
    agree="step",
)

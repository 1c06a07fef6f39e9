"""Rollouts of verl (`trainer.rollout_data_dir`, `validation_data_dir`) and of OpenRLHF's batch inference."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ttstudy.kinds.sources._source import SCORES, Place, Row, Source, by_text, has, kept, need, texts

_GOLD = ("gts", "ground_truth", "gt", "label", "labels", "answer")
_TURN = re.compile(
    r"(?:^|\n|<\|im_start\|>|<\|start_header_id\|>)(?:user|User|human|Human)(?:<\|end_header_id\|>)?:?\s*\n?(.*?)\s*"
    r"(?:<\|im_end\|>|<\|eot_id\|>)?\s*(?:\n|<\|im_start\|>|<\|start_header_id\|>)(?:assistant|Assistant)\b.*$",
    re.DOTALL,
)
"""The user's last turn of a prompt as a chat template wrote it, with its marks or with special tokens left out."""


def _samples(row: Row, place: Place) -> Iterator[dict[str, Any]]:
    need(row, "input")
    gold = next((row[name] for name in _GOLD if row.get(name) not in (None, "", [])), None)
    if gold is None:
        raise ValueError(f"no gold answer under {', '.join(_GOLD)}; name its column with `columns`")
    prompt = str(row["input"])
    found = _TURN.search(prompt)
    problem = found[1] if found and found[1].strip() else prompt
    one = {"problem_id": by_text(problem), "problem": problem}
    one |= {"answer": gold, **kept(row, **{f"{SCORES}reward": "reward"})}
    for text in texts(row, "output"):
        yield {**one, "response": text}


SOURCE = Source(
    label="verl or OpenRLHF rollouts",
    about="`input`, `output` and `gts` of each response (OpenRLHF: `label`); `reward` is read as `scores.reward`",
    source="GitHub verl-project/verl, verl/trainer/ppo/ray_trainer.py (_dump_generations); OpenRLHF/OpenRLHF, "
    "openrlhf/cli/batch_inference.py",
    recognises=lambda row: has(row, "input", "output") and any(name in row for name in (*_GOLD, "reward", "score")),
    samples=_samples,
)

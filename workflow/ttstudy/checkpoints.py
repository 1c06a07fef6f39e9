"""What a checkpoint folder says of itself, read without loading a weight."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

from ttstudy.study import StudyError


def parameters(folder: Path) -> int:
    """Number of weights in a folder's safetensors files (tied weights are stored, and counted, once)."""
    total = 0
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            try:
                (size,) = struct.unpack("<Q", stream.read(8))
                header = json.loads(stream.read(size))
            except (struct.error, ValueError, MemoryError, OverflowError):
                raise StudyError(f"{path}: not a whole safetensors file; copy or download it again") from None
        total += sum(math.prod(item["shape"]) for name, item in header.items() if name != "__metadata__")
    return total


def describe(marker: Path, pretraining_tokens: float | None = None) -> dict[str, Any]:
    """`parameters`, `tokens`, `flops` (6ND), `loss` and `auc` of a model by its `training.json` or `config.json`.

    Tokens are those of its own training; of a given checkpoint they are `pretraining_tokens`, or 0 for unknown.
    """
    count = parameters(marker.parent)
    if marker.name == "training.json":
        try:
            record = json.loads(marker.read_text())
        except ValueError:
            raise StudyError(f"{marker}: not valid JSON; delete the folder and run again") from None
        return {
            "parameters": count,
            "tokens": float(record["tokens"]),
            "flops": 6.0 * count * record["tokens"],
            "loss": record.get("loss"),
            "auc": record.get("validation", {}).get("auc"),
        }
    tokens = float(pretraining_tokens or 0)
    return {"parameters": count, "tokens": tokens, "flops": 6.0 * count * tokens, "loss": None, "auc": None}

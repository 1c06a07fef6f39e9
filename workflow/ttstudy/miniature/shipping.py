"""Shipped checkpoints: used as they are where they match a definition; anything else is trained."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ttstudy.specs import digest8

SHIPPED = Path(__file__).resolve().parents[2] / "checkpoints"
"""workflow/checkpoints, one folder per model."""


def find_shipped(definition: Mapping[str, Any], folder: Path = SHIPPED) -> Path | None:
    """The shipped checkpoint that was trained by exactly this definition, or None."""
    wanted = digest8(definition)
    for record in sorted(folder.glob("*/training.json")):
        if json.loads(record.read_text(encoding="utf-8")).get("digest") == wanted:
            return record.parent
    return None


def write_whole(output: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a folder beside `output`, then put it in `output`'s place: never half a checkpoint."""
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        write(temporary)
        shutil.rmtree(output, ignore_errors=True)
        os.replace(temporary, output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def copy_or_train(
    definition: Mapping[str, Any], output: Path, train: Callable[[Path], object], retrain: bool = False
) -> Path | None:
    """Copy the shipped checkpoint of a definition to `output`, or train it there; returns what was copied."""
    shipped = None if retrain else find_shipped(definition)
    if shipped is None:
        write_whole(output, train)
    else:
        write_whole(output, lambda folder: shutil.copytree(shipped, folder, dirs_exist_ok=True))
    return shipped

"""Shipped checkpoints: used as they are where they match a definition; anything else is trained."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttstudy.dag import stamps
from ttstudy.dag.specs.records import digest8
from ttstudy.errors import StudyError
from ttstudy.run import integrity, progress, steps

if TYPE_CHECKING:
    from ttstudy.dag.specs.inputs import TrainPolicySpec

Progress = Callable[[int, int, float], None]
"""As in `ttstudy.miniature.training`, which a copy need not import: (tokens so far, tokens in all, mean loss)."""

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
        integrity.write_checksums(temporary)
        stamps.on_checkpoint(temporary, output / "training.json")
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


def training_step(
    spec: TrainPolicySpec, log_path: Path | None, group: str, train: Callable[[Path, Progress], object]
) -> None:
    """Write the checkpoint of a training step: copied, or trained.

    `group` (policies or prms) is where the definition stands in a study; `train` gets a folder to fill and a callback
    (tokens, tokens in all, loss). StudyError names the key of a definition that cannot be used.
    """
    retrain = bool(os.environ.get("TTSTUDY_RETRAIN"))
    with steps.log(log_path) as log:

        def with_bar(folder: Path) -> None:
            total = int(spec.training["tokens"])
            with progress.bar(f"train {spec.name}", total, log) as update:
                train(folder, lambda seen, _, loss: update(min(seen, total), seen))

        try:
            shipped = copy_or_train(spec.definition(), Path(spec.outputs["output"]).parent, with_bar, retrain)
        except (ValueError, KeyError, TypeError) as error:
            raise StudyError(f"{group}.{spec.name}.definition: {error}") from error
        if log is not None:
            source = f"the shipped checkpoint {shipped}" if shipped else "trained"
            print(f"{spec.name}: {source}", file=log)

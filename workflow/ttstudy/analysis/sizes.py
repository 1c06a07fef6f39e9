"""Sizes and training of models, as their checkpoints and the configuration know them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ttstudy.dag.specs.analysis import Sized
from ttstudy.models.checkpoint import parameters, read_json


def size(model: Sized) -> float | None:
    """Parameters of a model: as its checkpoint says, else as the configuration does, else None (not known)."""
    counted = 0 if model.checkpoint is None else parameters(Path(model.checkpoint.path).parent)
    return counted or model.parameters


def shape(model: Sized) -> tuple[int, int] | None:
    """(layers, attention heads times their size) of a model as its config.json says; None where none does.

    Every layer counts as one of full attention.
    """
    path = None if model.checkpoint is None else Path(model.checkpoint.path).parent / "config.json"
    if path is None or not path.is_file():
        return None
    config = read_json(path)
    keys = ("num_hidden_layers", "num_attention_heads", "head_dim", "hidden_size")
    layers, heads, head, hidden = (n if isinstance(n := config.get(key), int) and n > 0 else None for key in keys)
    if layers is None or heads is None or (head is None and hidden is None):
        return None
    return layers, heads * (head or (hidden or 0) // heads)


def describe(model: Sized) -> dict[str, Any]:
    """`parameters`, `tokens`, `flops` (6ND), `loss` and `auc` of a model, None for what is not known.

    Of a mixture of experts the active parameters count in 6ND. Tokens are those of its own training where its
    `training.json` says them.
    """
    count, tokens = size(model), model.pretraining_tokens
    known: dict[str, Any] = {}
    marker = None if model.checkpoint is None else Path(model.checkpoint.path)
    if marker is not None and marker.name == "training.json":
        record = read_json(marker)
        tokens = record["tokens"]
        known = {"loss": record.get("loss"), "auc": record.get("validation", {}).get("auc")}
    active = model.active_parameters or count
    return {
        "parameters": count,
        "tokens": None if tokens is None else float(tokens),
        "flops": None if tokens is None or active is None else 6.0 * active * tokens,
    } | ({"loss": None, "auc": None} | known)

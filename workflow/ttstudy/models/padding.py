"""Checkpoints with small attention heads, rewritten for kernels that know larger ones only; the function is the same.

A head of d numbers becomes one of D: the new rows of its query, key and value are zero, the new columns of the output
projection too. Queries grow by sqrt(D / d), since attention divides by the square root of the head's size. Rotary
embedding turns pair i by position * theta^(-2i/d); with theta^(D/d) in the place of theta the first d/2 pairs of the
larger head turn as before, so the halves are laid out at their beginnings.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttstudy.errors import StudyError
from ttstudy.models.checkpoint import Checkpoint

if TYPE_CHECKING:
    import torch

KERNELS = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256)
"""Head sizes that vLLM's CPU attention has; its GPU attention has these too, and others."""
_FAMILIES = ("llama", "mistral", "qwen2")


def padded_size(config: Mapping[str, Any], path: Path) -> int | None:
    """Size that the heads of the checkpoint in `path` must grow to by its config.json; None where they can stay.

    StudyError for Qwen2, which vLLM gives heads of hidden_size / num_attention_heads whatever head_dim says.
    """
    if config.get("model_type") not in _FAMILIES:
        return None
    size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    if size >= KERNELS[0]:
        return None
    if config["model_type"] == "qwen2":
        raise StudyError(
            f"{path}: vLLM's CPU attention has no heads of {size} numbers, and its Qwen2 cannot have them padded to "
            f"{KERNELS[0]}; run this checkpoint with engine transformers"
        )
    return KERNELS[0]


def pad_heads(source: Path, target: Path, size: int) -> Path:
    """Write to `target` the checkpoint of `source` with attention heads of `size`, in float32; link the rest."""
    import torch
    from safetensors.torch import save_file

    checkpoint = Checkpoint(source, pickles=False)
    config = checkpoint.config
    old = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]

    def grown(weight: torch.Tensor) -> torch.Tensor:
        """[heads * old, ...] to [heads * size, ...]: each half of a head at the beginning of the larger half."""
        halves = weight.float().reshape(-1, 2, old // 2, *weight.shape[1:])
        result = torch.zeros(len(halves), 2, size // 2, *weight.shape[1:])
        result[:, :, : old // 2] = halves
        return result.reshape(-1, *weight.shape[1:])

    weights = {}
    for name in sorted(checkpoint.keys()):
        weight = checkpoint.tensor(name)
        part = name.split(".")[-2] if "." in name else ""
        if part in ("q_proj", "k_proj", "v_proj"):
            weight = grown(weight) * ((size / old) ** 0.5 if part == "q_proj" else 1.0)
        elif part == "o_proj" and name.endswith("weight"):
            weight = grown(weight.T).T
        weights[name] = weight.float().contiguous()
    target.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        if file.suffix != ".safetensors" and file.name not in ("config.json", "model.safetensors.index.json"):
            os.symlink(file.resolve(), target / file.name)
    save_file(weights, target / "model.safetensors", {"format": "pt"})
    turned = {"rope_theta": float(config.get("rope_theta") or 10000.0) ** (size / old)}
    if rope := config.get("rope_parameters"):
        theta = float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0)
        turned = {"rope_parameters": {**rope, "rope_theta": theta ** (size / old)}}
    config = {**config, **turned, "head_dim": size, "dtype": "float32"}
    config.pop("torch_dtype", None)
    (target / "config.json").write_text(json.dumps(config, indent=1))
    return target

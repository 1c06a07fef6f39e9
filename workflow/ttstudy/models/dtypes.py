"""Types of numbers that weights have, by name."""

from __future__ import annotations

from typing import Any

import torch


def dtype_of(name: str | None) -> torch.dtype:
    """Torch type of weights by name (None is float32); ValueError for one that a backbone cannot have."""
    types = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if (name or "float32") not in types:
        raise ValueError(f"Unknown dtype {name!r}; there are {', '.join(types)}.")
    return types[name or "float32"]


def stored_dtype(config: dict[str, Any]) -> str | None:
    """Name of the type that a checkpoint's weights are stored in, as its config.json says (old or new key)."""
    return config.get("dtype") or config.get("torch_dtype")

"""What a model really runs on: engine, device and numbers, as the record beside a result tells them."""

from __future__ import annotations

import sys
from typing import NamedTuple


class Running(NamedTuple):
    """An engine that was opened, the device that its weights are on, and the type of its numbers."""

    engine: str
    device: str
    dtype: str


def named(device: str, count: int = 1) -> str:
    """A torch device in words: `cpu`, or `cuda`, the GPU's model and how many of them."""
    torch = sys.modules.get("torch")
    if not device.startswith("cuda") or torch is None or not torch.cuda.is_available():
        return device.partition(":")[0]
    number = int(device.partition(":")[2] or 0)
    many = f" x {count}" if count > 1 else ""
    return f"cuda, {torch.cuda.get_device_name(number)}{many}"

"""Products with a weight that stays: on a CPU in bfloat16 it is laid out once as oneDNN reads it, not at every call.

The same bits as `torch.nn.functional.linear`, 1.05 to 1.4 times as fast (reports/benchmarks/laptop.md).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_ROWS = 16
"""Rows that the layout is chosen for: the fewest of a product here; it serves any number."""


def laid_out(weight: Tensor) -> Tensor:
    """A weight [out, in] as `linear` takes it fastest."""
    if weight.device.type != "cpu" or weight.dtype != torch.bfloat16 or not _native():
        return weight
    return torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`torch.nn.functional.linear` with a weight that may be laid out."""
    if weight.layout == torch.strided:
        return F.linear(x, weight, bias)
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def _native() -> bool:
    """Whether oneDNN multiplies bfloat16 here."""
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())

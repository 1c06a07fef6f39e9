"""Heads of process reward models (each format's own): read from a checkpoint, and run on hidden states in fp32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ttstudy.kinds.formats import FORMATS, LM_KEY, Head, HeadFormat

if TYPE_CHECKING:
    from ttstudy.models.checkpoint import Checkpoint
    from ttstudy.prms.formats import Format

__all__ = ["LM_KEY", "Head", "load_head", "score"]

_ROWS = 16


def load_head(name: str, format: Format, checkpoint: Checkpoint, device: str) -> Head:
    """Head of format `name`; ValueError where the checkpoint lacks one of its tensors or a shape is wrong."""
    form = FORMATS[name]
    assert isinstance(form, HeadFormat), name
    kind = form.head
    parts = kind.parts(checkpoint, checkpoint.config["hidden_size"], format)
    return kind(*(part.to(device) for part in parts))


@torch.inference_mode()
def score(head: Head, hidden: Tensor) -> list[float]:
    """Scores of hidden states [n, hidden] of any precision.

    Rows are padded to a multiple of 16: a matrix product of few rows takes another path and rounds differently.
    """
    count = len(hidden)
    padded = torch.zeros(-(-count // _ROWS) * _ROWS, hidden.shape[1], device=hidden.device)
    padded[:count] = hidden
    scores: list[float] = head(padded)[:count].tolist()
    return scores

"""Hidden states of Llama, Mistral and Qwen2 backbones in plain torch, for many sequences that continue known ones.

Tokens of all sequences are packed into rows, so linear layers see no padding; attention reads keys and values by
index, so a sequence can continue any states computed before. On a CPU in fp32 the state of a token is bitwise the
same function of the ids before it, however sequences are batched, ordered, padded or continued and whatever the
number of threads, because of three rules: rows and keys are padded to a multiple of 16 (queries of 8), attention
is explicit matrix products, and its sum over keys runs in blocks of 128 from the left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ttstudy.models.architecture import Architecture, UnsupportedArchitectureError
from ttstudy.models.checkpoint import Checkpoint
from ttstudy.models.network import Network, mix
from ttstudy.prms.packing import QUERIES, Grid, Segment, pack

_SCORES = 2**25  # attention weights computed at a time


class States(Protocol):
    """Where keys and values of tokens are kept, by slot."""

    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> None:
        """Keep keys and values [n, heads, size] in slots [n]."""

    def read(self, layer: int, slots: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [n, heads, size] of slots [n]."""


class Backbone(Network):
    """A decoder-only network read at chosen tokens.

    Args:
        checkpoint: of an architecture that `architecture_of` accepts.
        device: torch device name.
        dtype: of weights and states.
    """

    def __init__(self, checkpoint: Checkpoint, device: str, dtype: torch.dtype) -> None:
        """Load the weights; ValueError where one is missing or has another shape."""
        architecture = architecture_of(checkpoint)
        super().__init__(architecture, checkpoint.weights(architecture), dtype, torch.device(device))

    @torch.inference_mode()
    def __call__(self, segments: Sequence[Segment], states: States) -> Tensor:
        """Final hidden states [n wanted, hidden] (after the last norm), segment by segment.

        The new tokens' keys and values are written into `states`, at the slots that each segment brings.
        """
        packed = pack(segments, self.config.window, self.device)
        shape = self.config
        self._rope_table(packed.width)
        cos, sin = (table.index_select(0, packed.positions)[:, None, None] for table in (self._cos, self._sin))
        x = self.embedding.index_select(0, packed.rows)
        for number, layer in enumerate(self.layers):
            qkv = self._qkv(layer, x).view(-1, shape.kv_heads, shape.groups + 2, shape.head_dim)
            turned = self._rotate(layer, qkv[:, :, :-1], cos, sin)
            count = len(packed.slots)
            states.write(number, packed.slots, turned[:count, :, -1], qkv[:count, :, -1])
            queries, grids = turned[:, :, :-1], packed.every
            if number == shape.layers - 1:  # from here on nothing reads the other tokens
                if packed.asked is None:
                    break
                grids = packed.asked
                x, queries = x.index_select(0, packed.wanted), queries.index_select(0, packed.wanted)
            parts = [self._attention(queries, *states.read(number, grid.keys_at), grid) for grid in grids.parts]
            mixed = (parts[0] if len(parts) == 1 else torch.cat(parts)).index_select(0, grids.back)
            x = self._finish_layer(layer, x, mixed)
        if packed.asked is None:
            return x.new_empty(0, shape.hidden)
        return self._rms(x, self.norm)[: packed.asked.count]

    def _attention(self, queries: Tensor, keys: Tensor, values: Tensor, grid: Grid) -> Tensor:
        """Mixed values [grid, heads * size], padding too, of queries [rows, kv heads, groups, size]."""
        kv, groups, size = queries.shape[1:]
        batch, _, width = grid.masked.shape
        keys, values = (part.view(batch, width, kv, size).transpose(1, 2).contiguous() for part in (keys, values))
        padded = queries.reshape(len(queries), -1).index_select(0, grid.at).view(batch, -1, kv, groups, size)
        padded = padded.permute(0, 2, 3, 1, 4).contiguous()
        if self.device.type == "cpu":
            mixed = _explicit_attention(padded, keys, values, grid.masked)
        else:
            seen = ~grid.masked[:, None].repeat(1, 1, groups, 1)
            mixed = scaled_dot_product_attention(padded.flatten(2, 3), keys, values, attn_mask=seen)
            mixed = mixed.view(padded.shape)
        return mixed.permute(0, 3, 1, 2, 4).reshape(-1, kv * groups * size)


def _explicit_attention(queries: Tensor, keys: Tensor, values: Tensor, masked: Tensor) -> Tensor:
    """Attention of queries [batch, kv heads, groups, t, size] to keys and values [batch, kv heads, s, size].

    `masked` [batch, t, s]. In pieces of queries, so that memory stays small.
    """
    batch, heads, groups, count, size = queries.shape
    width = keys.shape[2]
    step = max(QUERIES, _SCORES // (batch * heads * groups * width) // QUERIES * QUERIES)
    transposed = keys.transpose(2, 3)
    pieces = []
    for start in range(0, count, step):
        piece = queries[:, :, :, start : start + step]
        rows = piece.shape[3]
        scores = piece.reshape(batch, heads, groups * rows, size) @ transposed
        scores = scores.view(batch, heads, groups, rows, width).float() * size**-0.5
        scores.masked_fill_(masked[:, None, None, start : start + step], -math.inf)
        mixed = mix(scores.view(-1, groups * rows, width), values.flatten(0, 1))
        pieces.append(mixed.view(batch, heads, groups, rows, size))
    return torch.cat(pieces, dim=3)


def architecture_of(checkpoint: Checkpoint) -> Architecture:
    """What a PRM's backbone is; UnsupportedArchitectureError (a ValueError) for what only transformers can run."""
    if (kind := checkpoint.config.get("model_type")) == "qwen3":  # its PRMs have always been read by transformers
        raise UnsupportedArchitectureError(f"model type {kind!r}")
    return Architecture.of(checkpoint.config)

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
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ttstudy.models.architecture import Architecture, UnsupportedArchitectureError
from ttstudy.models.checkpoint import Checkpoint
from ttstudy.models.network import Network, mix, pad

_QUERIES = 8
_SCORES = 2**25  # attention weights computed at a time


class States(Protocol):
    """Where keys and values of tokens are kept, by slot."""

    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> None:
        """Keep keys and values [n, heads, size] in slots [n]."""

    def read(self, layer: int, slots: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [n, heads, size] of slots [n]."""


@dataclass(frozen=True, slots=True)
class Segment:
    """New tokens of a sequence that continues known states.

    `wanted`: indices into `ids` of the tokens whose hidden states are asked for. `known`: slots of all the tokens
    before them. `slots`: where the states of the new tokens go; none keeps them for this call only.
    """

    ids: Sequence[int]
    wanted: Sequence[int]
    known: Sequence[int] | np.ndarray = ()
    slots: Sequence[int] | np.ndarray = ()


class _Passing:
    """States of one call only: a slot is a row."""

    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> None:
        self.keys, self.values = keys, values

    def read(self, layer: int, slots: Tensor) -> tuple[Tensor, Tensor]:
        return self.keys.index_select(0, slots), self.values.index_select(0, slots)


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
    def __call__(self, segments: Sequence[Segment], states: States | None = None) -> Tensor:
        """Final hidden states [n wanted, hidden] (after the last norm), segment by segment.

        With `states`, each segment brings its slots and the new tokens' keys and values are written there.
        """
        packed = _pack(segments, self.config.window, self.device, of_rows=states is None)
        states = states or _Passing()
        shape = self.config
        self._rope_table(packed.width)
        cos, sin = (table.index_select(0, packed.positions)[:, None, None] for table in (self._cos, self._sin))
        x = self.embedding.index_select(0, packed.rows)
        for number, layer in enumerate(self.layers):
            qkv = self._qkv(layer, x).view(-1, shape.kv_heads, shape.groups + 2, shape.head_dim)
            turned = self._rotate(layer, qkv[:, :, :-1], cos, sin)
            count = len(packed.slots)
            states.write(number, packed.slots, turned[:count, :, -1], qkv[:count, :, -1])
            queries, grid = turned[:, :, :-1], packed.every
            if number == shape.layers - 1:  # from here on nothing reads the other tokens
                if packed.asked is None:
                    break
                grid = packed.asked
                x, queries = x.index_select(0, packed.wanted), queries.index_select(0, packed.wanted)
            mixed = self._attention(queries, *states.read(number, packed.keys_at), grid)
            x = self._finish_layer(layer, x, mixed)
        if packed.asked is None:
            return x.new_empty(0, shape.hidden)
        return self._rms(x, self.norm)[: packed.asked.count]

    def _attention(self, queries: Tensor, keys: Tensor, values: Tensor, grid: _Grid) -> Tensor:
        """Mixed values [rows, heads * size] of queries [rows, kv heads, groups, size]."""
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
        mixed = mixed.permute(0, 3, 1, 2, 4).reshape(-1, kv * groups * size)
        return mixed.index_select(0, grid.back)


@dataclass(frozen=True, slots=True)
class _Grid:
    """Queries of the sequences side by side.

    `at` [sequences * queries] rows, `masked` [sequences, queries, keys] what they do not see, `back` [rows] where
    each row's query is; `count` rows are not padding.
    """

    at: Tensor
    masked: Tensor
    back: Tensor
    count: int


@dataclass(frozen=True, slots=True)
class _Packed:
    """Tensors of one forward pass: per row its id (`rows`) and position, the rest as in `Segment`."""

    rows: Tensor
    positions: Tensor
    slots: Tensor
    wanted: Tensor
    keys_at: Tensor
    width: int
    every: _Grid
    asked: _Grid | None


def _pack(segments: Sequence[Segment], window: int | None, device: torch.device, of_rows: bool) -> _Packed:
    """Index tensors of a batch. `of_rows`: a new token's slot is its row."""
    lengths = [len(segment.ids) for segment in segments]
    ends = np.cumsum(lengths)
    rows, positions = np.zeros((2, pad(ends[-1])), dtype=np.int64)
    slots = np.arange(ends[-1]) if of_rows else np.concatenate([segment.slots for segment in segments])
    width = pad(max(len(s.known) + len(s.ids) for s in segments))
    keys_at = np.full((len(segments), width), slots[0], dtype=np.int64)
    for number, (segment, length, end) in enumerate(zip(segments, lengths, ends, strict=True)):
        known = len(segment.known)
        rows[end - length : end] = segment.ids
        positions[end - length : end] = np.arange(known, known + length)
        keys_at[number, :known] = segment.known
        keys_at[number, known : known + length] = slots[end - length : end]

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device)

    def grid(counts: Sequence[int], positions: np.ndarray) -> _Grid:
        """Queries of each sequence padded to one width; padding reads row 0 and is thrown away."""
        queries = pad(max(counts), _QUERIES)
        number = np.repeat(np.arange(len(counts)), counts)
        row = np.arange(sum(counts))
        place = number * queries + row - np.repeat(np.cumsum(counts) - counts, counts)
        at, where = np.zeros((2, len(counts) * queries), dtype=np.int64)
        at[place], where[place] = row, positions[: len(row)]
        back = np.zeros(len(positions), dtype=np.int64)
        back[: len(row)] = place
        distance = where.reshape(-1, queries, 1) - np.arange(width)
        masked = distance < 0 if window is None else (distance < 0) | (distance >= window)
        return _Grid(tensor(at), tensor(masked), tensor(back), len(row))

    counts = [len(segment.wanted) for segment in segments]
    wanted = np.zeros(pad(sum(counts)), dtype=np.int64)
    wanted[: sum(counts)] = np.concatenate(
        [np.asarray(s.wanted, dtype=np.int64) + end - n for s, end, n in zip(segments, ends, lengths, strict=True)]
    )
    every, asked = grid(lengths, positions), grid(counts, positions[wanted]) if len(wanted) else None
    return _Packed(
        rows=tensor(rows),
        positions=tensor(positions),
        slots=tensor(slots),
        wanted=tensor(wanted),
        keys_at=tensor(keys_at.ravel()),
        width=width,
        every=every,
        asked=asked,
    )


def _explicit_attention(queries: Tensor, keys: Tensor, values: Tensor, masked: Tensor) -> Tensor:
    """Attention of queries [batch, kv heads, groups, t, size] to keys and values [batch, kv heads, s, size].

    `masked` [batch, t, s]. In pieces of queries, so that memory stays small.
    """
    batch, heads, groups, count, size = queries.shape
    width = keys.shape[2]
    step = max(_QUERIES, _SCORES // (batch * heads * groups * width) // _QUERIES * _QUERIES)
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

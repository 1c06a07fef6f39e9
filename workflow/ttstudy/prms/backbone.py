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

from ttstudy.models.checkpoint import ModelConfig, UnsupportedArchitectureError, model_config
from ttstudy.models.loading import Checkpoint
from ttstudy.models.network import Network

_ROWS, _QUERIES, _KEYS, _BLOCK = 16, 8, 16, 128
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
        checkpoint: of a type that `layout_of` accepts.
        device: torch device name.
        dtype: of weights and states.
    """

    def __init__(self, checkpoint: Checkpoint, device: str, dtype: torch.dtype) -> None:
        """Load the weights; ValueError where one is missing or has another shape."""
        layout, self.window = layout_of(checkpoint)
        prefix = checkpoint.backbone_prefix()
        shapes = tensor_shapes(checkpoint).items()
        weights = {prefix + name: checkpoint.tensor(prefix + name, shape) for name, shape in shapes}
        super().__init__(layout, weights, dtype, torch.device(device))

    @torch.inference_mode()
    def __call__(self, segments: Sequence[Segment], states: States | None = None) -> Tensor:
        """Final hidden states [n wanted, hidden] (after the last norm), segment by segment.

        With `states`, each segment brings its slots and the new tokens' keys and values are written there.
        """
        packed = _pack(segments, self.window, self.device, of_rows=states is None)
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
    rows, positions = np.zeros((2, _up(ends[-1], _ROWS)), dtype=np.int64)
    slots = np.arange(ends[-1]) if of_rows else np.concatenate([segment.slots for segment in segments])
    width = _up(max(len(s.known) + len(s.ids) for s in segments), _KEYS)
    keys_at = np.full((len(segments), width), slots[0], dtype=np.int64)
    for number, (segment, length, end) in enumerate(zip(segments, lengths, ends, strict=True)):
        known = len(segment.known)
        rows[end - length : end] = segment.ids
        positions[end - length : end] = np.arange(known, known + length)
        keys_at[number, :known] = segment.known
        keys_at[number, known : known + length] = slots[end - length : end]

    def grid(counts: Sequence[int], positions: np.ndarray) -> _Grid:
        """Queries of each sequence padded to one width; padding reads row 0 and is thrown away."""
        queries = _up(max(counts), _QUERIES)
        number = np.repeat(np.arange(len(counts)), counts)
        row = np.arange(sum(counts))
        place = number * queries + row - np.repeat(np.cumsum(counts) - counts, counts)
        at, where = np.zeros((2, len(counts) * queries), dtype=np.int64)
        at[place], where[place] = row, positions[: len(row)]
        back = np.zeros(len(positions), dtype=np.int64)
        back[: len(row)] = place
        distance = where.reshape(-1, queries, 1) - np.arange(width)
        masked = distance < 0 if window is None else (distance < 0) | (distance >= window)
        return _Grid(*(torch.from_numpy(part).to(device) for part in (at, masked, back)), len(row))

    counts = [len(segment.wanted) for segment in segments]
    wanted = np.zeros(_up(sum(counts), _ROWS), dtype=np.int64)
    wanted[: sum(counts)] = np.concatenate(
        [np.asarray(s.wanted, dtype=np.int64) + end - n for s, end, n in zip(segments, ends, lengths, strict=True)]
    )
    every, asked = grid(lengths, positions), grid(counts, positions[wanted]) if len(wanted) else None
    indices = (torch.from_numpy(part).to(device) for part in (rows, positions, slots, wanted, keys_at.ravel()))
    return _Packed(*indices, width, every, asked)


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


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
        weights = scores.softmax(-1).to(values.dtype).view(batch, heads, groups * rows, width)
        mixed = weights[..., :_BLOCK] @ values[:, :, :_BLOCK]
        for block in range(_BLOCK, width, _BLOCK):
            mixed = mixed + weights[..., block : block + _BLOCK] @ values[:, :, block : block + _BLOCK]
        pieces.append(mixed.view(batch, heads, groups, rows, size))
    return torch.cat(pieces, dim=3)


def layout_of(checkpoint: Checkpoint) -> tuple[ModelConfig, int | None]:
    """Shape of a backbone, and the width of its attention window or None.

    Raises UnsupportedArchitectureError (a ValueError) for what only transformers can run.
    """
    config = checkpoint.config
    kind = config.get("model_type")
    if kind not in ("llama", "mistral", "qwen2"):
        raise UnsupportedArchitectureError(f"model type {kind!r}")
    window = config.get("sliding_window", 4096) if kind == "mistral" else None
    layout = model_config(checkpoint.folder, {**config, "sliding_window": None})
    return layout, window if window is not None and window < layout.context else None


def tensor_shapes(checkpoint: Checkpoint) -> dict[str, tuple[int, ...]]:
    """Names (without `model.`) and shapes of all tensors of a backbone."""
    layout, _ = layout_of(checkpoint)
    config = checkpoint.config
    hidden, inner = layout.hidden, layout.feed_forward
    wide, narrow = layout.heads * layout.head_dim, layout.kv_heads * layout.head_dim
    of_llama = layout.model_type == "llama"
    qkv_bias = layout.model_type == "qwen2" or (of_llama and config.get("attention_bias", False))
    matrices = {
        "self_attn.q_proj": (wide, hidden, qkv_bias),
        "self_attn.k_proj": (narrow, hidden, qkv_bias),
        "self_attn.v_proj": (narrow, hidden, qkv_bias),
        "self_attn.o_proj": (hidden, wide, of_llama and config.get("attention_bias", False)),
        "mlp.gate_proj": (inner, hidden, of_llama and config.get("mlp_bias", False)),
        "mlp.up_proj": (inner, hidden, of_llama and config.get("mlp_bias", False)),
        "mlp.down_proj": (hidden, inner, of_llama and config.get("mlp_bias", False)),
    }
    shapes: dict[str, tuple[int, ...]] = {
        "embed_tokens.weight": (layout.vocabulary, hidden),
        "norm.weight": (hidden,),
    }
    for number in range(layout.layers):
        at = f"layers.{number}."
        shapes[at + "input_layernorm.weight"] = shapes[at + "post_attention_layernorm.weight"] = (hidden,)
        for name, (rows, columns, has_bias) in matrices.items():
            shapes[f"{at}{name}.weight"] = (rows, columns)
            if has_bias:
                shapes[f"{at}{name}.bias"] = (rows,)
    return shapes

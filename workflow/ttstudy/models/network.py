"""Forward pass of Llama-family decoders over a KV cache; a row's bits depend on that row alone.

Rules that make it so on a CPU (measured, see reports/benchmarks/engine.md): the number of rows of every
matrix product is a multiple of 16; attention is explicit products and a softmax, its length padded to a
multiple of 16 and summed in blocks of 128; no elementwise kernel whose vector body and scalar tail round
differently (silu, sigmoid, complex numbers).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ttstudy.models.architecture import (
    DOWN,
    EMBEDDING,
    GATE_UP,
    HEAD,
    NORM,
    NORM_IN,
    NORM_MID,
    OUT,
    QK_NORM,
    QKV,
    Architecture,
)
from ttstudy.models.linear import laid_out, linear

ROWS = 16
"""Rows of a matrix product and lengths of attention are padded to multiples of this."""

_BLOCK = 128
"""Attention weights meet the values in blocks of this many positions: MKL cuts a longer sum into even parts,
so that its rounding would depend on the padding after it (seen at 192 against 256)."""

_SCORES = 1 << 24
"""Largest number of attention scores held at once in a prefill; longer prompts go through in query blocks."""


def pad(count: int, multiple: int = ROWS) -> int:
    """The smallest multiple that is at least `count`."""
    return -(-count // multiple) * multiple


@dataclass
class _Layer:
    """Weights of one layer, fused: `qkv` rows are, per KV head, its query heads, then key, then value."""

    norm_in: Tensor
    qkv: Tensor
    qkv_bias: Tensor | None
    out: Tensor
    out_bias: Tensor | None
    norm_mid: Tensor
    gate_up: Tensor
    gate_up_bias: Tensor | None
    down: Tensor
    down_bias: Tensor | None
    qk_norm: Tensor | None


@dataclass
class Cache:
    """Keys and values of many rows: per layer `keys` [rows, kv heads, head_dim, length] and `values`
    [rows, kv heads, length, head_dim]; keys lie transposed, as the scores' product reads them.
    """

    keys: list[Tensor]
    values: list[Tensor]

    @property
    def length(self) -> int:
        """Tokens that each row has room for."""
        return int(self.keys[0].shape[-1])

    def fork(self, rows: Tensor, source: Cache, source_rows: Tensor) -> None:
        """Copy whole rows out of another (shorter or equal) cache; several rows may share one source row."""
        length = source.length
        for mine, theirs in zip(self.keys, source.keys, strict=True):
            mine[..., :length].index_copy_(0, rows, theirs.index_select(0, source_rows))
        for mine, theirs in zip(self.values, source.values, strict=True):
            mine[:, :, :length].index_copy_(0, rows, theirs.index_select(0, source_rows))

    def close_gaps(self, rows: Tensor, first: int, length: int) -> None:
        """Move the first `length` tokens of `rows` (ascending) to rows `first` and up."""
        stop = first + rows.shape[0]
        for tensor in self.keys:
            tensor[first:stop, ..., :length] = tensor[..., :length].index_select(0, rows)
        for tensor in self.values:
            tensor[first:stop, :, :length] = tensor[:, :, :length].index_select(0, rows)

    def grow(self, length: int) -> None:
        """Make room for `length` tokens in every row, what is there kept."""
        extra = length - self.length
        for index, tensor in enumerate(self.keys):  # one at a time: the old one is freed before the next
            self.keys[index] = F.pad(tensor, (0, extra))
            self.values[index] = F.pad(self.values[index], (0, 0, 0, extra))

    def resize(self, rows: int) -> None:
        """Have `rows` rows: new ones are empty, those beyond go."""
        for side in (self.keys, self.values):
            for index, tensor in enumerate(side):
                side[index] = F.pad(tensor, (0, 0) * 3 + (0, max(0, rows - len(tensor))))[:rows].contiguous()


def dtype_of(name: str | None) -> torch.dtype:
    """Torch type of weights by name (None is float32); ValueError for one that a backbone cannot have."""
    types = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if (name or "float32") not in types:
        raise ValueError(f"Unknown dtype {name!r}; there are {', '.join(types)}.")
    return types[name or "float32"]


# -- pieces of every forward pass ----------------------------------------------------------------------------------


def rms(x: Tensor, weight: Tensor | None, epsilon: float) -> Tensor:
    """Root-mean-square norm of [..., size], computed in float32."""
    if x.dtype == torch.float32:
        return F.rms_norm(x, (x.shape[-1],), weight, epsilon)
    normed = F.rms_norm(x.float(), (x.shape[-1],), None, epsilon).to(x.dtype)
    return normed if weight is None else weight * normed


def mix(scores: Tensor, values: Tensor, out: Tensor | None = None) -> Tensor:
    """Values [batch, length, dim] weighted by the softmax of scores [batch, queries, length]; [batch, queries, dim]."""
    weights = torch.softmax(scores, -1, dtype=torch.float32).to(values.dtype)
    length = weights.shape[-1]
    if length <= _BLOCK:
        return torch.bmm(weights, values) if out is None else torch.bmm(weights, values, out=out)
    total = torch.bmm(weights[..., :_BLOCK], values[:, :_BLOCK]).float()
    for start in range(_BLOCK, length, _BLOCK):
        stop = start + _BLOCK
        total += torch.bmm(weights[..., start:stop], values[:, start:stop])
    return total.to(values.dtype) if out is None else out.copy_(total)


def rotary(architecture: Architecture, length: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Cosines and sines [length, head_dim] float32 of the rotary angles, both halves alike.

    Frequencies: default, linear, or llama3 scaling (Llama 3.1).
    """
    scaling, dim = architecture.rope_scaling, architecture.head_dim
    frequency = 1.0 / architecture.rope_theta ** (torch.arange(0, dim, 2, dtype=torch.int64).float() / dim)
    if scaling["rope_type"] == "linear":
        frequency = frequency / scaling["factor"]
    if scaling["rope_type"] == "llama3":
        low, high, factor = scaling["low_freq_factor"], scaling["high_freq_factor"], scaling["factor"]
        original = scaling.get("original_max_position_embeddings") or architecture.context
        wavelength = 2 * math.pi / frequency
        scaled = torch.where(wavelength > original / low, frequency / factor, frequency)
        smooth = (original / wavelength - low) / (high - low)
        smoothed = (1 - smooth) * scaled / factor + smooth * scaled
        medium = (wavelength <= original / low) & (wavelength >= original / high)
        frequency = torch.where(medium, smoothed, scaled)
    angles = torch.outer(torch.arange(length, device=device, dtype=torch.float32), frequency.to(device))
    angles = torch.cat([angles, angles], -1)
    return angles.cos(), angles.sin()


# -- weights -------------------------------------------------------------------------------------------------------


class _Fusing:
    """A checkpoint's tensors on their way to a device, those that read the same input fused."""

    def __init__(
        self, config: Architecture, weights: Mapping[str, Tensor], dtype: torch.dtype, device: torch.device
    ) -> None:
        self._config, self._weights, self._dtype, self._device = config, weights, dtype, device

    def tensor(self, name: str) -> Tensor:
        return self._weights[name].to(device=self._device, dtype=self._dtype)

    def layer(self, number: int) -> _Layer:
        """A layer's weights, and the biases that there are."""

        def part(name: str, kind: str = "weight") -> Tensor:
            return self.tensor(f"layers.{number}.{name}.{kind}")

        def qkv(kind: str) -> Tensor:
            config = self._config
            sizes = (config.groups, 1, 1)
            parts = [
                part(name, kind).view(config.kv_heads, size * config.head_dim, -1)
                for name, size in zip(QKV, sizes, strict=True)
            ]
            fused = torch.cat(parts, 1).flatten(0, 1)
            return fused if kind == "weight" else fused.flatten()

        def gate_up(kind: str) -> Tensor:
            # Both negated: silu(g) * u = (-g) * (-u) / (1 + exp(-g)), with no negation at run time.
            return -torch.cat([part(name, kind) for name in GATE_UP])

        config = self._config
        query, key = QK_NORM
        return _Layer(
            norm_in=part(NORM_IN),
            qkv=laid_out(qkv("weight")),
            qkv_bias=qkv("bias") if config.qkv_bias else None,
            out=laid_out(part(OUT)),
            out_bias=part(OUT, "bias") if config.out_bias else None,
            norm_mid=part(NORM_MID),
            gate_up=laid_out(gate_up("weight")),
            gate_up_bias=gate_up("bias") if config.mlp_bias else None,
            down=laid_out(part(DOWN)),
            down_bias=part(DOWN, "bias") if config.mlp_bias else None,
            qk_norm=torch.cat([part(query).expand(config.groups, -1), part(key)[None]]) if config.qk_norm else None,
        )


class Network:
    """A decoder-only model: token ids and positions in, float32 logits out."""

    def __init__(
        self, config: Architecture, weights: Mapping[str, Tensor], dtype: torch.dtype, device: torch.device
    ) -> None:
        """Fuse what `Checkpoint.weights` reads; without a language-model head where it holds none."""
        self.config = config
        self.dtype = dtype
        self.device = device
        self.length_step = ROWS
        """Attention lengths are multiples of this."""
        # Products of fewer than 400 multiplications go to another kernel of torch, with other rounding.
        while self.length_step * config.groups * config.head_dim < 400 and self.length_step < _BLOCK:
            self.length_step *= 2
        fusing = _Fusing(config, weights, dtype, device)
        self.embedding = fusing.tensor(EMBEDDING)
        self.head = laid_out(fusing.tensor(HEAD) if HEAD in weights else self.embedding)
        self.norm = fusing.tensor(NORM)
        self.layers = [fusing.layer(number) for number in range(config.layers)]
        self.parameters = sum(tensor.numel() for tensor in weights.values())
        self._scale = config.head_dim**-0.5
        self._cos = self._sin = torch.empty(0)
        self._rope_table(1024)

    @property
    def bytes_per_token(self) -> int:
        """Bytes of keys and values per token and row."""
        config = self.config
        return int(2 * config.layers * config.kv_heads * config.head_dim * self.dtype.itemsize)

    def new_cache(self, rows: int, length: int) -> Cache:
        """An empty cache; zeros, since what is masked still takes part in products and must be finite."""
        kv, dim = self.config.kv_heads, self.config.head_dim
        like = {"dtype": self.dtype, "device": self.device}
        return Cache(
            [torch.zeros(rows, kv, dim, length, **like) for _ in self.layers],
            [torch.zeros(rows, kv, length, dim, **like) for _ in self.layers],
        )

    def decode(
        self, cache: Cache, ids: Tensor, positions: Tensor, spans: list[tuple[int, int, int]]
    ) -> Tensor:
        """One token further in rows 0..n-1 of the cache; n a multiple of 16.

        `ids` and `positions` [n] int64: each row's last token and where it stands; `spans`: consecutive
        (first row, row after the last, attention length), each length a multiple of `length_step` above the
        positions of its rows. Returns logits [n, vocabulary] float32.
        """
        config = self.config
        kv, groups, dim = config.kv_heads, config.groups, config.head_dim
        n = ids.shape[0]
        longest = max(length for _, _, length in spans)
        self._rope_table(longest)
        cos = self._cos.index_select(0, positions).view(n, 1, 1, dim)
        sin = self._sin.index_select(0, positions).view(n, 1, 1, dim)
        mask = self._length_mask(positions, longest)
        rows = torch.arange(n, device=self.device)
        mixed = torch.empty(n * kv, groups, dim, dtype=self.dtype, device=self.device)
        x = self.embedding.index_select(0, ids)
        for layer, keys, values in zip(self.layers, cache.keys, cache.values, strict=True):
            qkv = self._qkv(layer, x).view(n, kv, groups + 2, dim)
            qk = self._rotate(layer, qkv[:, :, : groups + 1], cos, sin)
            keys[rows, :, :, positions] = qk[:, :, groups]
            values[rows, :, positions] = qkv[:, :, groups + 1]
            query = qk.view(n * kv, groups + 1, dim)[:, :groups]
            for start, stop, length in spans:
                heads = slice(start * kv, stop * kv)
                self._attend(
                    query[heads],
                    keys[start:stop, :, :, :length].view(-1, dim, length),
                    values[start:stop, :, :length].view(-1, length, dim),
                    mask[heads, :, :length],
                    out=mixed[heads],
                )
            x = self._finish_layer(layer, x, mixed.view(n, kv * groups * dim))
        return self._logits(x)

    def prefill(self, ids: Tensor, lengths: Tensor) -> tuple[Cache, Tensor]:
        """Run prompts [rows, length] int64; rows a multiple of 16, length of `length_step`.

        `lengths` [rows]: how many ids of each row are real, 1 or more. Returns the prompts' cache and the
        logits [rows, vocabulary] float32 after each one's last token.
        """
        config = self.config
        kv, groups, dim = config.kv_heads, config.groups, config.head_dim
        rows, length = ids.shape
        self._rope_table(length)
        cos = self._cos[:length].view(1, length, 1, 1, dim)
        sin = self._sin[:length].view(1, length, 1, 1, dim)
        x = self.embedding.index_select(0, ids.reshape(-1))
        last = torch.arange(rows, device=self.device) * length + lengths - 1
        cache = Cache([], [])
        for number, layer in enumerate(self.layers):
            qkv = self._qkv(layer, x).view(rows, length, kv, groups + 2, dim)
            qk = self._rotate(layer, qkv[:, :, :, : groups + 1], cos, sin)
            keys = qk[:, :, :, groups].permute(0, 2, 3, 1).contiguous()
            values = qkv[:, :, :, groups + 1].transpose(1, 2).contiguous()
            cache.keys.append(keys)
            cache.values.append(values)
            keys, values = keys.view(rows * kv, dim, length), values.view(rows * kv, length, dim)
            if number == config.layers - 1:  # what the last layer makes of earlier tokens is never read
                query = qk[:, :, :, :groups].reshape(rows * length, kv * groups * dim).index_select(0, last)
                mask = self._length_mask(lengths - 1, length)
                mixed = self._attend(query.view(rows * kv, groups, dim), keys, values, mask)
                mixed, x = mixed.view(rows, kv * groups * dim), x.index_select(0, last)
            else:
                query = qk[:, :, :, :groups].permute(0, 2, 3, 1, 4).reshape(rows * kv, groups, length, dim)
                mixed = self._attend_causal(query, keys, values)
                mixed = mixed.view(rows, kv, groups, length, dim).permute(0, 3, 1, 2, 4)
                mixed = mixed.reshape(rows * length, kv * groups * dim)
            x = self._finish_layer(layer, x, mixed)
        return cache, self._logits(x)

    def _qkv(self, layer: _Layer, x: Tensor) -> Tensor:
        return linear(self._rms(x, layer.norm_in), layer.qkv, layer.qkv_bias)

    def _rms(self, x: Tensor, weight: Tensor) -> Tensor:
        return rms(x, weight, self.config.norm_eps)

    def _rotate(self, layer: _Layer, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Rotary embedding of [..., heads, head_dim]; `sin` carries the sign of the half-swap."""
        if layer.qk_norm is not None:
            x = layer.qk_norm * rms(x, None, self.config.norm_eps)
        rotated = x * cos
        return rotated.addcmul_(x.roll(x.shape[-1] // 2, -1), sin)

    def _attend(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor,
        out: Tensor | None = None,
    ) -> Tensor:
        """Query [batch, queries, dim], keys [batch, dim, length], values [batch, length, dim]."""
        return mix(torch.baddbmm(mask, query, keys, alpha=self._scale), values, out)

    def _attend_causal(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Causal attention of query [batch, groups, length, dim]; [batch, groups, length, dim]."""
        batch, groups, length, dim = query.shape
        block = max(ROWS, min(length, _SCORES // max(1, batch * groups * length) // ROWS * ROWS))
        pieces = []
        for start in range(0, length, block):
            stop = min(length, start + block)
            mask = torch.full((stop - start, stop), -torch.inf, dtype=self.dtype, device=self.device)
            mask = mask.triu_(start + 1).repeat(groups, 1)
            piece = query[:, :, start:stop].reshape(batch, groups * (stop - start), dim)
            piece = self._attend(piece, keys[:, :, :stop], values[:, :stop], mask)
            pieces.append(piece.view(batch, groups, stop - start, dim))
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces, 2)

    def _finish_layer(self, layer: _Layer, x: Tensor, mixed: Tensor) -> Tensor:
        """What follows the attention: output projection and gated feed-forward, each with its residual."""
        x = x + linear(mixed, layer.out, layer.out_bias)
        gate_up = linear(self._rms(x, layer.norm_mid), layer.gate_up, layer.gate_up_bias)
        gate, up = gate_up.chunk(2, -1)  # both negated, see `fuse_gate_up`
        if gate.dtype == torch.float32:
            inner = (gate * up).div_(torch.exp(gate).add_(1.0))
        else:
            gate = gate.float()
            inner = (gate / torch.exp(gate).add_(1.0)).to(up.dtype) * up
        return linear(inner, layer.down, layer.down_bias).add_(x)

    def _logits(self, x: Tensor) -> Tensor:
        return linear(self._rms(x, self.norm), self.head).float()

    def _length_mask(self, positions: Tensor, length: int) -> Tensor:
        """Additive mask [rows * kv heads, 1, length] that shows each row positions 0..its own."""
        seen = torch.arange(length, device=self.device) <= positions[:, None]
        mask = torch.zeros(seen.shape, dtype=self.dtype, device=self.device).masked_fill_(~seen, -torch.inf)
        kv = self.config.kv_heads
        return mask.view(-1, 1, 1, length).expand(-1, kv, 1, length).reshape(-1, 1, length)

    def _rope_table(self, length: int) -> None:
        """Make the tables of cosines and signed sines reach `length` positions."""
        if self._cos.shape[0] >= length:
            return
        size = max(length, 2 * self._cos.shape[0])
        cos, sin = rotary(self.config, size, self.device)
        half = self.config.head_dim // 2
        self._cos, self._sin = cos.to(self.dtype), torch.cat([-sin[:, :half], sin[:, half:]], -1).to(self.dtype)

"""Forward pass of Llama-family decoders over a KV cache; a row's bits depend on that row alone.

Rules that make it so on a CPU (measured, see reports/timings/engine.md): the number of rows of every
matrix product is a multiple of 16; attention is explicit products and a softmax, its length padded to a
multiple of 16 and summed in blocks of 128; no elementwise kernel whose vector body and scalar tail round
differently (silu, sigmoid, complex numbers).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ttstudy.models.checkpoint import ModelConfig

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

    norm_in: torch.Tensor
    qkv: torch.Tensor
    qkv_bias: torch.Tensor | None
    out: torch.Tensor
    out_bias: torch.Tensor | None
    norm_mid: torch.Tensor
    gate_up: torch.Tensor
    gate_up_bias: torch.Tensor | None
    down: torch.Tensor
    down_bias: torch.Tensor | None
    qk_norm: torch.Tensor | None


@dataclass
class Cache:
    """Keys and values of many rows: per layer `keys` [rows, kv heads, head_dim, length] and `values`
    [rows, kv heads, length, head_dim]; keys lie transposed, as the scores' product reads them.
    """

    keys: list[torch.Tensor]
    values: list[torch.Tensor]

    @property
    def length(self) -> int:
        """Tokens that each row has room for."""
        return self.keys[0].shape[-1]

    def fork(self, rows: torch.Tensor, source: Cache, source_rows: torch.Tensor) -> None:
        """Copy whole rows out of another (shorter or equal) cache; several rows may share one source row."""
        length = source.length
        for mine, theirs in zip(self.keys, source.keys, strict=True):
            mine[..., :length].index_copy_(0, rows, theirs.index_select(0, source_rows))
        for mine, theirs in zip(self.values, source.values, strict=True):
            mine[:, :, :length].index_copy_(0, rows, theirs.index_select(0, source_rows))

    def close_gaps(self, rows: torch.Tensor, first: int, length: int) -> None:
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


class _Tensors:
    """A checkpoint's tensors on their way to a device, and the names of those that were asked for."""

    def __init__(self, weights: dict[str, torch.Tensor], dtype: torch.dtype, device: torch.device) -> None:
        self._weights, self._dtype, self._device = weights, dtype, device
        self.used: set[str] = set()

    def take(self, name: str) -> torch.Tensor | None:
        tensor = self._weights.get(name)
        self.used.add(name)
        return None if tensor is None else tensor.to(device=self._device, dtype=self._dtype)

    def need(self, name: str) -> torch.Tensor:
        tensor = self.take(name)
        if tensor is None:
            raise ValueError(f"The checkpoint lacks the tensor {name}; fetch it again.")
        return tensor

    def layer(self, config: ModelConfig, base: str, index: int) -> _Layer:
        """The layer whose tensors' names begin with `base`, fused."""
        qkv, gate_up = self._fused_qkv(config, base, "weight"), self._fused_gate_up(base, "weight")
        if qkv is None or gate_up is None:
            raise ValueError(f"The checkpoint lacks tensors of layer {index}; fetch it again.")
        q_norm, k_norm = self.take(f"{base}self_attn.q_norm.weight"), self.take(f"{base}self_attn.k_norm.weight")
        qk_norm = None
        if q_norm is not None and k_norm is not None:
            qk_norm = torch.cat([q_norm.expand(config.groups, config.head_dim), k_norm[None]])
        return _Layer(
            norm_in=self.need(f"{base}input_layernorm.weight"),
            qkv=qkv,
            qkv_bias=self._fused_qkv(config, base, "bias"),
            out=self.need(f"{base}self_attn.o_proj.weight"),
            out_bias=self.take(f"{base}self_attn.o_proj.bias"),
            norm_mid=self.need(f"{base}post_attention_layernorm.weight"),
            gate_up=gate_up,
            gate_up_bias=self._fused_gate_up(base, "bias"),
            down=self.need(f"{base}mlp.down_proj.weight"),
            down_bias=self.take(f"{base}mlp.down_proj.bias"),
            qk_norm=qk_norm,
        )

    def _fused_qkv(self, config: ModelConfig, base: str, kind: str) -> torch.Tensor | None:
        kv, groups, dim = config.kv_heads, config.groups, config.head_dim
        parts = [self.take(f"{base}self_attn.{name}_proj.{kind}") for name in "qkv"]
        if all(part is None for part in parts):
            return None
        shaped = [
            self.need(f"{base}self_attn.{name}_proj.{kind}").view(kv, count * dim, -1)
            for name, count in zip("qkv", (groups, 1, 1), strict=True)
        ]
        fused = torch.cat(shaped, 1).reshape(kv * (groups + 2) * dim, -1)
        return fused.contiguous() if kind == "weight" else fused.reshape(-1)

    def _fused_gate_up(self, base: str, kind: str) -> torch.Tensor | None:
        gate = self.take(f"{base}mlp.gate_proj.{kind}")
        if gate is None:
            return None
        # Both negated: silu(g) * u = (-g) * (-u) / (1 + exp(-g)), with no negation at run time.
        return -torch.cat([gate, self.need(f"{base}mlp.up_proj.{kind}")])


class Network:
    """A decoder-only model: token ids and positions in, float32 logits out."""

    def __init__(
        self, config: ModelConfig, weights: dict[str, torch.Tensor], dtype: torch.dtype, device: torch.device
    ) -> None:
        """Fuse a checkpoint's tensors; ValueError names a missing one."""
        self.config = config
        self.dtype = dtype
        self.device = device
        self.length_step = ROWS
        """Attention lengths are multiples of this."""
        # Products of fewer than 400 multiplications go to another kernel of torch, with other rounding.
        while self.length_step * config.groups * config.head_dim < 400 and self.length_step < _BLOCK:
            self.length_step *= 2
        prefix = "model." if any(name.startswith("model.") for name in weights) else ""
        tensors = _Tensors(weights, dtype, device)
        self.embedding = tensors.need(f"{prefix}embed_tokens.weight")
        head = tensors.take("lm_head.weight")
        self.head = self.embedding if config.tied or head is None else head
        self.norm = tensors.need(f"{prefix}norm.weight")
        self.layers = [tensors.layer(config, f"{prefix}layers.{index}.", index) for index in range(config.layers)]
        self.parameters = sum(tensor.numel() for name, tensor in weights.items() if name in tensors.used)
        if config.tied and "lm_head.weight" in weights:
            self.parameters -= weights["lm_head.weight"].numel()
        self._scale = config.head_dim**-0.5
        self._frequencies = _rope_frequencies(config).to(device)
        self._cos = self._sin = torch.empty(0)
        self._rope_table(1024)

    @property
    def bytes_per_token(self) -> int:
        """Bytes of keys and values per token and row."""
        config = self.config
        return 2 * config.layers * config.kv_heads * config.head_dim * self.dtype.itemsize

    def new_cache(self, rows: int, length: int) -> Cache:
        """An empty cache; zeros, since what is masked still takes part in products and must be finite."""
        kv, dim = self.config.kv_heads, self.config.head_dim
        like = {"dtype": self.dtype, "device": self.device}
        return Cache(
            [torch.zeros(rows, kv, dim, length, **like) for _ in self.layers],
            [torch.zeros(rows, kv, length, dim, **like) for _ in self.layers],
        )

    def decode(
        self, cache: Cache, ids: torch.Tensor, positions: torch.Tensor, spans: list[tuple[int, int, int]]
    ) -> torch.Tensor:
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

    def prefill(self, ids: torch.Tensor, lengths: torch.Tensor) -> tuple[Cache, torch.Tensor]:
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

    def _qkv(self, layer: _Layer, x: torch.Tensor) -> torch.Tensor:
        return F.linear(self._rms(x, layer.norm_in), layer.qkv, layer.qkv_bias)

    def _rms(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        if x.dtype == torch.float32:
            return F.rms_norm(x, (x.shape[-1],), weight, self.config.norm_eps)
        return weight * F.rms_norm(x.float(), (x.shape[-1],), None, self.config.norm_eps).to(x.dtype)

    def _rotate(self, layer: _Layer, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        """Rotary embedding of [..., heads, head_dim]; `sin` carries the sign of the half-swap."""
        if layer.qk_norm is not None:
            normed = F.rms_norm(x.float(), (x.shape[-1],), None, self.config.norm_eps)
            x = layer.qk_norm * normed.to(x.dtype)
        rotated = x * cos
        return rotated.addcmul_(x.roll(x.shape[-1] // 2, -1), sin)

    def _attend(
        self,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        mask: torch.Tensor,
        out: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Query [batch, queries, dim], keys [batch, dim, length], values [batch, length, dim]."""
        scores = torch.baddbmm(mask, query, keys, alpha=self._scale)
        if scores.dtype == torch.float32:
            weights = torch.softmax(scores, -1)
        else:
            weights = torch.softmax(scores, -1, dtype=torch.float32).to(scores.dtype)
        length = weights.shape[-1]
        if length <= _BLOCK:
            return torch.bmm(weights, values) if out is None else torch.bmm(weights, values, out=out)
        total = torch.bmm(weights[..., :_BLOCK], values[:, :_BLOCK]).float()
        for start in range(_BLOCK, length, _BLOCK):
            stop = start + _BLOCK
            total += torch.bmm(weights[..., start:stop], values[:, start:stop])
        return total.to(values.dtype) if out is None else out.copy_(total)

    def _attend_causal(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
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

    def _finish_layer(self, layer: _Layer, x: torch.Tensor, mixed: torch.Tensor) -> torch.Tensor:
        """What follows the attention: output projection and gated feed-forward, each with its residual."""
        x = x + F.linear(mixed, layer.out, layer.out_bias)
        gate_up = F.linear(self._rms(x, layer.norm_mid), layer.gate_up, layer.gate_up_bias)
        gate, up = gate_up.chunk(2, -1)  # both negated, see `fuse_gate_up`
        if gate.dtype == torch.float32:
            inner = (gate * up).div_(torch.exp(gate).add_(1.0))
        else:
            gate = gate.float()
            inner = (gate / torch.exp(gate).add_(1.0)).to(up.dtype) * up
        return F.linear(inner, layer.down, layer.down_bias).add_(x)

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(self._rms(x, self.norm), self.head).float()

    def _length_mask(self, positions: torch.Tensor, length: int) -> torch.Tensor:
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
        angles = torch.arange(size, device=self.device, dtype=torch.float32)[:, None] * self._frequencies
        cos, sin = angles.cos(), angles.sin()
        self._cos = torch.cat([cos, cos], -1).to(self.dtype)
        self._sin = torch.cat([-sin, sin], -1).to(self.dtype)


def _rope_frequencies(config: ModelConfig) -> torch.Tensor:
    """Inverse frequencies [head_dim / 2] float32: default, linear, or llama3 scaling (Llama 3.1)."""
    exponents = torch.arange(0, config.head_dim, 2, dtype=torch.int64).float() / config.head_dim
    plain = 1.0 / (config.rope_theta**exponents)
    scaling = config.rope_scaling
    if scaling["rope_type"] == "linear":
        return plain / scaling["factor"]
    if scaling["rope_type"] != "llama3":
        return plain
    low, high, factor = scaling["low_freq_factor"], scaling["high_freq_factor"], scaling["factor"]
    original = scaling.get("original_max_position_embeddings") or config.context
    wavelength = 2 * math.pi / plain
    scaled = torch.where(wavelength > original / low, plain / factor, plain)
    smooth = (original / wavelength - low) / (high - low)
    smoothed = (1 - smooth) * scaled / factor + smooth * scaled
    medium = (wavelength <= original / low) & (wavelength >= original / high)
    return torch.where(medium, smoothed, scaled)

"""Training a small Llama or Qwen2 network in plain torch, fast on one CPU thread.

Architecture, names of tensors, norms and rotary angles are those of `ttstudy.models`. The layers are run here once
more, because a trained checkpoint is to the bit what it was made by: attention is torch's fused kernel, which the
gradient needs and which sums in another order, silu is torch's, and the rows of a fused matrix (queries, keys, values)
stand in the order in which they are drawn at random and made orthogonal. All parameters lie in one flat tensor, so
that an optimiser step is a handful of operations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ttstudy.miniature.definitions import check_model
from ttstudy.models.architecture import (
    DOWN,
    EMBEDDING,
    GATE_UP,
    NORM,
    NORM_IN,
    NORM_MID,
    OUT,
    QKV,
    Architecture,
)
from ttstudy.models.checkpoint import Checkpoint
from ttstudy.models.network import rms, rotary

Weights = dict[str, Tensor]
"""Fused float32 weights by name: those of `fused_shapes`, and a head's under the names of its checkpoint."""

_KINDS: dict[str, tuple[str, ...]] = {
    "norm1": (f"{NORM_IN}.weight",),
    "norm2": (f"{NORM_MID}.weight",),
    "qkv_bias": tuple(f"{name}.bias" for name in QKV),
    "qkv": tuple(f"{name}.weight" for name in QKV),
    "out": (f"{OUT}.weight",),
    "gate_up": tuple(f"{name}.weight" for name in GATE_UP),
    "down": (f"{DOWN}.weight",),
}
"""What of a layer is fused, in the order in which weights are drawn."""


def architecture_of(vocabulary: int, options: Mapping[str, Any]) -> Architecture:
    """Architecture of a definition's `model` section; ValueError where the sizes do not fit together."""
    sizes = check_model(options)
    return Architecture(
        model_type="qwen2" if sizes.biased else "llama",
        vocabulary=vocabulary,
        hidden=sizes.hidden,
        layers=sizes.layers,
        heads=sizes.heads,
        kv_heads=sizes.kv_heads,
        head_dim=sizes.hidden // sizes.heads,
        feed_forward=sizes.ffn,
        context=sizes.context,
        norm_eps=sizes.epsilon,
        rope_theta=sizes.theta,
        tied=True,
        qkv_bias=sizes.biased,
    )


def _parts(shape: Architecture) -> dict[str, list[str]]:
    """The names in a checkpoint, without `model.`, of what each fused weight is made of, in the order of the draws."""
    kinds = {kind: names for kind, names in _KINDS.items() if shape.qkv_bias or kind != "qkv_bias"}
    return {"embed": [EMBEDDING], "norm": [NORM]} | {
        f"{layer}.{kind}": [f"layers.{layer}.{name}" for name in names]
        for kind, names in kinds.items()
        for layer in range(shape.layers)
    }


def fused_shapes(shape: Architecture) -> dict[str, tuple[int, ...]]:
    """Fused weights' names and shapes, in the order in which they are drawn."""
    single = shape.tensors()
    return {
        name: (sum(single[part][0] for part in parts), *single[parts[0]][1:])
        for name, parts in _parts(shape).items()
    }


class Parameters:
    """Named float32 parameters that are views of one flat tensor, with their gradients in another.

    The layers' matrices stand at the end, those of one kind side by side: `stacks` lists (start, stop, [layers,
    rows, columns]) of each kind. `plain` is everything before them.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Zero parameters of these shapes."""
        kinds: dict[str, list[str]] = {}
        for name in shapes:
            layer, _, kind = name.partition(".")
            kinds.setdefault(kind if layer.isdigit() and len(shapes[name]) == 2 else "", []).append(name)
        total = sum(math.prod(shape) for shape in shapes.values())
        self.flat, self.gradient = torch.zeros(total), torch.zeros(total)
        self.named: Weights = {}
        self.stacks: list[tuple[int, int, tuple[int, ...]]] = []
        start = 0
        for kind in sorted(kinds):
            begin = start
            for name in kinds[kind]:
                stop = start + math.prod(shapes[name])
                tensor = self.flat[start:stop].view(shapes[name]).requires_grad_()
                tensor.grad = self.gradient[start:stop].view(shapes[name])
                self.named[name] = tensor
                start = stop
            if kind:
                self.stacks.append((begin, start, (len(kinds[kind]), *shapes[kinds[kind][0]])))
            else:
                self.plain, self.plain_gradient = self.flat[:start], self.gradient[:start]

    @torch.no_grad()
    def fill(self, values: Mapping[str, Tensor]) -> None:
        """Copy values into the parameters of the same names."""
        for name, value in values.items():
            self.named[name].copy_(value)


def initial_weights(shape: Architecture, generator: torch.Generator) -> Weights:
    """Random weights: normal with 1/sqrt(inputs), the projections into the residual stream smaller with depth."""
    weights = {}
    for name, size in fused_shapes(shape).items():
        kind = name.split(".")[-1]
        if "norm" in kind:
            weights[name] = torch.ones(size)
        elif kind == "qkv_bias":
            weights[name] = torch.zeros(size)
        else:
            scale = 0.5 if kind == "embed" else 1.0
            if kind in ("out", "down"):
                scale /= math.sqrt(2 * shape.layers)
            weights[name] = torch.randn(size, generator=generator) * scale / math.sqrt(size[-1])
    return weights


def forward(shape: Architecture, weights: Weights, ids: Tensor, body: int = 0) -> tuple[Tensor, Tensor]:
    """Residual stream after `body` layers, and the normed final states, of right-padded ids [batch, length].

    Both [batch, length, hidden].
    """
    cosine, sine = (part.unsqueeze(1) for part in rotary(shape, ids.shape[1]))
    state = middle = functional.embedding(ids, weights["embed"])
    for layer in range(shape.layers):
        state = _layer(shape, weights, state, cosine, sine, layer)
        if layer == body - 1:
            middle = state
    return middle, rms(state, weights["norm"], shape.norm_eps)


def _layer(shape: Architecture, weights: Weights, state: Tensor, cosine: Tensor, sine: Tensor, layer: int) -> Tensor:
    batch, length, size = state.shape
    rotated, half = shape.heads + shape.kv_heads, shape.head_dim // 2
    normed = rms(state, weights[f"{layer}.norm1"], shape.norm_eps)
    qkv = functional.linear(normed, weights[f"{layer}.qkv"], weights.get(f"{layer}.qkv_bias"))
    qkv = qkv.view(batch, length, rotated + shape.kv_heads, shape.head_dim)
    qk, values = qkv[:, :, :rotated], qkv[:, :, rotated:].transpose(1, 2)
    turned = torch.cat((-qk[..., half:], qk[..., :half]), dim=-1)
    qk = (qk * cosine + turned * sine).transpose(1, 2)
    queries, keys = qk[:, : shape.heads], qk[:, shape.heads :]
    if shape.kv_heads != shape.heads:
        keys = keys[:, :, None].expand(-1, -1, shape.groups, -1, -1).reshape(queries.shape)
        values = values[:, :, None].expand(-1, -1, shape.groups, -1, -1).reshape(queries.shape)
    mixed = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
    state = state + functional.linear(mixed.transpose(1, 2).reshape(batch, length, size), weights[f"{layer}.out"])
    normed = rms(state, weights[f"{layer}.norm2"], shape.norm_eps)
    gate, up = functional.linear(normed, weights[f"{layer}.gate_up"]).chunk(2, dim=-1)
    return state + functional.linear(functional.silu(gate) * up, weights[f"{layer}.down"])


def logits(weights: Weights, states: Tensor) -> Tensor:
    """Next-token logits [..., vocabulary] of normed hidden states, with the tied embedding."""
    return functional.linear(states, weights["embed"])


def deeper(
    shape: Architecture, weights: Weights, extra: int, generator: torch.Generator
) -> tuple[Architecture, Weights]:
    """A Qwen2 network that starts as a Llama one, with zero biases and `extra` new layers that change little."""
    tall = replace(shape, model_type="qwen2", layers=shape.layers + extra, qkv_bias=True)
    grown = initial_weights(tall, generator)
    for name in grown:
        if name.split(".")[0].isdigit() and int(name.split(".")[0]) >= shape.layers:
            if name.endswith((".out", ".down")):
                grown[name] *= 0.3
    grown.update(weights)
    return tall, grown


def to_checkpoint(shape: Architecture, weights: Mapping[str, Tensor]) -> Weights:
    """Weights under transformers' names, in bfloat16; names that are not the body's are kept as they are."""
    single, parts = shape.tensors(), _parts(shape)
    result: Weights = {}
    for name, value in weights.items():
        if name in parts:
            pieces = value.split([single[part][0] for part in parts[name]])
            result |= {f"model.{part}": piece for part, piece in zip(parts[name], pieces, strict=True)}
        else:
            result[name] = value
    return {name: value.detach().to(torch.bfloat16).contiguous() for name, value in sorted(result.items())}


def from_checkpoint(shape: Architecture, tensors: Mapping[str, Tensor], prefix: str = "model.") -> Weights:
    """Fused float32 weights of a checkpoint's tensors; the inverse of `to_checkpoint` for the body."""
    return {
        name: torch.cat([tensors[prefix + part] for part in parts]).float() for name, parts in _parts(shape).items()
    }


def config_of(shape: Architecture, architecture: str, bos: int, eos: int, pad: int) -> dict[str, Any]:
    """config.json of a checkpoint, readable by transformers 4 and 5."""
    return {
        "architectures": [architecture],
        "model_type": shape.model_type,
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": shape.context,
        "rms_norm_eps": shape.norm_eps,
        "rope_theta": shape.rope_theta,
        "tie_word_embeddings": True,
        "attention_dropout": 0.0,
        "use_cache": True,
        "bos_token_id": bos,
        "eos_token_id": eos,
        "pad_token_id": pad,
        "dtype": "bfloat16",
        "torch_dtype": "bfloat16",
    }


def load(directory: Path) -> tuple[Architecture, Weights]:
    """Architecture and fused float32 body weights of a checkpoint folder of this module."""
    checkpoint = Checkpoint(directory, pickles=False)
    shape = Architecture.of(checkpoint.config)
    return shape, from_checkpoint(shape, checkpoint.weights(shape), prefix="")

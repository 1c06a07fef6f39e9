"""A small Llama / Qwen2 network in plain torch, made for fast training on one CPU thread.

Same arithmetic as transformers' LlamaModel and Qwen2Model (RMSNorm, rotary positions, grouped-query attention,
SwiGLU, tied embeddings); the saved checkpoint is an ordinary one. Projections that read the same input are fused
while training and parted when saved, and all parameters lie in one flat tensor, so that an optimiser step is a
handful of operations.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Weights = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a network. `biased`: query, key and value projections have biases (Qwen2)."""

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    ffn: int
    context: int = 256
    theta: float = 10000.0
    epsilon: float = 1e-6
    biased: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Shape:
        """Shape of a definition's `model` section; ValueError where the sizes do not fit together."""
        unknown = sorted(set(options) - set(cls.__slots__))
        if unknown:
            raise ValueError(f"unknown model option {unknown[0]!r}; known: {', '.join(cls.__slots__)}")
        shape = cls(**options)
        if shape.hidden % (2 * shape.heads) or shape.heads % shape.kv_heads:
            raise ValueError(
                f"hidden ({shape.hidden}) must be an even multiple of heads ({shape.heads}), "
                f"and heads a multiple of kv_heads ({shape.kv_heads})"
            )
        return shape

    @property
    def head(self) -> int:
        """Size of one attention head."""
        return self.hidden // self.heads

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Fused parameter names and shapes, in the order in which they are drawn."""
        size, qkv = self.hidden, (self.heads + 2 * self.kv_heads) * self.head
        kinds: dict[str, tuple[int, ...]] = {"norm1": (size,), "norm2": (size,)}
        if self.biased:
            kinds["qkv_bias"] = (qkv,)
        kinds |= {
            "qkv": (qkv, size),
            "out": (size, size),
            "gate_up": (2 * self.ffn, size),
            "down": (size, self.ffn),
        }
        layers = {f"{layer}.{kind}": shape for kind, shape in kinds.items() for layer in range(self.layers)}
        return {"embed": (self.vocabulary, size), "norm": (size,), **layers}


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


def initial_weights(shape: Shape, generator: torch.Generator) -> Weights:
    """Random weights: normal with 1/sqrt(inputs), the projections into the residual stream smaller with depth."""
    weights = {}
    for name, size in shape.tensors().items():
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


def rotary(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary angles, each [length, head]."""
    frequency = 1.0 / shape.theta ** (torch.arange(0, shape.head, 2, dtype=torch.int64).float() / shape.head)
    angles = torch.outer(torch.arange(length).float(), frequency)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def hidden_states(shape: Shape, weights: Weights, ids: Tensor) -> Tensor:
    """Normed final hidden states [batch, length, hidden] of right-padded ids [batch, length]."""
    cosine, sine = (part.unsqueeze(1) for part in rotary(shape, ids.shape[1]))
    state = functional.embedding(ids, weights["embed"])
    return run_layers(shape, weights, state, cosine, sine, range(shape.layers))


def run_layers(
    shape: Shape,
    weights: Weights,
    state: Tensor,
    cosine: Tensor,
    sine: Tensor,
    layers: range,
    final: bool = True,
) -> Tensor:
    """The residual stream [batch, length, hidden] after some layers, with the final norm if `final`."""
    batch, length, size = state.shape
    rotated = shape.heads + shape.kv_heads
    half = shape.head // 2
    for layer in layers:
        normed = functional.rms_norm(state, (size,), weights[f"{layer}.norm1"], shape.epsilon)
        qkv = functional.linear(normed, weights[f"{layer}.qkv"], weights.get(f"{layer}.qkv_bias"))
        qkv = qkv.view(batch, length, rotated + shape.kv_heads, shape.head)
        qk, values = qkv[:, :, :rotated], qkv[:, :, rotated:].transpose(1, 2)
        turned = torch.cat((-qk[..., half:], qk[..., :half]), dim=-1)
        qk = (qk * cosine + turned * sine).transpose(1, 2)
        queries, keys = qk[:, : shape.heads], qk[:, shape.heads :]
        if shape.kv_heads != shape.heads:
            groups = shape.heads // shape.kv_heads
            keys = keys[:, :, None].expand(-1, -1, groups, -1, -1).reshape(queries.shape)
            values = values[:, :, None].expand(-1, -1, groups, -1, -1).reshape(queries.shape)
        mixed = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        mixed = mixed.transpose(1, 2).reshape(batch, length, size)
        state = state + functional.linear(mixed, weights[f"{layer}.out"])
        normed = functional.rms_norm(state, (size,), weights[f"{layer}.norm2"], shape.epsilon)
        gate, up = functional.linear(normed, weights[f"{layer}.gate_up"]).chunk(2, dim=-1)
        state = state + functional.linear(functional.silu(gate) * up, weights[f"{layer}.down"])
    return functional.rms_norm(state, (size,), weights["norm"], shape.epsilon) if final else state


def logits(weights: Weights, states: Tensor) -> Tensor:
    """Next-token logits [..., vocabulary] of normed hidden states, with the tied embedding."""
    return functional.linear(states, weights["embed"])


def deeper(shape: Shape, weights: Weights, extra: int, generator: torch.Generator) -> tuple[Shape, Weights]:
    """A Qwen2 network that starts as a Llama one, with zero biases and `extra` new layers that change little."""
    tall = replace(shape, layers=shape.layers + extra, biased=True)
    grown = initial_weights(tall, generator)
    for name in grown:
        if name.split(".")[0].isdigit() and int(name.split(".")[0]) >= shape.layers:
            if name.endswith((".out", ".down")):
                grown[name] *= 0.3
    grown.update(weights)
    return tall, grown


_PLAIN = {
    "norm1": "input_layernorm",
    "norm2": "post_attention_layernorm",
    "out": "self_attn.o_proj",
    "down": "mlp.down_proj",
}


def to_checkpoint(shape: Shape, weights: Mapping[str, Tensor]) -> Weights:
    """Weights under transformers' names, in bfloat16; names that are not the body's are kept as they are."""
    sizes = [shape.heads * shape.head, shape.kv_heads * shape.head, shape.kv_heads * shape.head]
    body = shape.tensors()
    result: Weights = {}
    for name, value in weights.items():
        layer, _, kind = name.partition(".")
        prefix = f"model.layers.{layer}."
        if name not in body:
            result[name] = value
        elif name == "embed":
            result["model.embed_tokens.weight"] = value
        elif name == "norm":
            result["model.norm.weight"] = value
        elif kind in ("qkv", "qkv_bias"):
            suffix = "weight" if kind == "qkv" else "bias"
            for letter, part in zip("qkv", value.split(sizes), strict=True):
                result[f"{prefix}self_attn.{letter}_proj.{suffix}"] = part
        elif kind == "gate_up":
            for part_name, part in zip(("gate", "up"), value.chunk(2), strict=True):
                result[f"{prefix}mlp.{part_name}_proj.weight"] = part
        else:
            result[f"{prefix}{_PLAIN[kind]}.weight"] = value
    return {name: value.detach().to(torch.bfloat16).contiguous() for name, value in sorted(result.items())}


def from_checkpoint(shape: Shape, tensors: Mapping[str, Tensor]) -> Weights:
    """Fused float32 weights of a checkpoint's tensors; the inverse of `to_checkpoint` for the body."""
    result: Weights = {}
    for name in shape.tensors():
        layer, _, kind = name.partition(".")
        prefix = f"model.layers.{layer}."
        if name == "embed":
            value = tensors["model.embed_tokens.weight"]
        elif name == "norm":
            value = tensors["model.norm.weight"]
        elif kind in ("qkv", "qkv_bias"):
            suffix = "weight" if kind == "qkv" else "bias"
            value = torch.cat([tensors[f"{prefix}self_attn.{letter}_proj.{suffix}"] for letter in "qkv"])
        elif kind == "gate_up":
            value = torch.cat([tensors[f"{prefix}mlp.{part}_proj.weight"] for part in ("gate", "up")])
        else:
            value = tensors[f"{prefix}{_PLAIN[kind]}.weight"]
        result[name] = value.float()
    return result


def config_of(shape: Shape, architecture: str, bos: int, eos: int, pad: int) -> dict[str, Any]:
    """config.json of a checkpoint, readable by transformers 4 and 5."""
    return {
        "architectures": [architecture],
        "model_type": "qwen2" if shape.biased else "llama",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.ffn,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head,
        "hidden_act": "silu",
        "max_position_embeddings": shape.context,
        "rms_norm_eps": shape.epsilon,
        "rope_theta": shape.theta,
        "tie_word_embeddings": True,
        "attention_dropout": 0.0,
        "use_cache": True,
        "bos_token_id": bos,
        "eos_token_id": eos,
        "pad_token_id": pad,
        "dtype": "bfloat16",
        "torch_dtype": "bfloat16",
    }


def load(directory: Path) -> tuple[Shape, Weights]:
    """Shape and fused float32 body weights of a checkpoint folder of this module."""
    from safetensors.torch import load_file

    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    shape = Shape(
        vocabulary=config["vocab_size"],
        hidden=config["hidden_size"],
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
        ffn=config["intermediate_size"],
        context=config["max_position_embeddings"],
        theta=config["rope_theta"],
        epsilon=config["rms_norm_eps"],
        biased=config["model_type"] == "qwen2",
    )
    return shape, from_checkpoint(shape, load_file(directory / "model.safetensors"))

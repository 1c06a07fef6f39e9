"""What a decoder of the Llama family is: sizes read from a config.json, and the names and shapes of its tensors.

Sampling, scoring, padding and training all read this one description. Neither torch nor a weight is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

EMBEDDING, NORM, HEAD = "embed_tokens.weight", "norm.weight", "lm_head.weight"
QKV = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
QK_NORM = ("self_attn.q_norm", "self_attn.k_norm")
GATE_UP = ("mlp.gate_proj", "mlp.up_proj")
OUT, DOWN = "self_attn.o_proj", "mlp.down_proj"
NORM_IN, NORM_MID = "input_layernorm", "post_attention_layernorm"
"""Names of tensors, those of a layer without `layers.N.` and without `.weight` or `.bias`."""

_DEFAULTS: dict[str, dict[str, Any]] = {
    "llama": {"max_position_embeddings": 2048},
    "mistral": {"max_position_embeddings": 131072, "num_key_value_heads": 8, "sliding_window": 4096},
    "qwen2": {"max_position_embeddings": 32768, "num_key_value_heads": 32, "sliding_window": 4096},
    "qwen3": {"max_position_embeddings": 32768, "num_key_value_heads": 32, "head_dim": 128, "sliding_window": 4096},
}
"""What transformers assumes where config.json is silent, by model type."""


class UnsupportedArchitectureError(ValueError):
    """The checkpoint needs something that our own forward pass does not implement."""


@dataclass(frozen=True)
class Architecture:
    """A decoder-only model of the Llama family."""

    model_type: str
    vocabulary: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    feed_forward: int
    context: int
    norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    rope_scaling: Mapping[str, Any] = field(default_factory=lambda: {"rope_type": "default"})
    tied: bool = False
    """The embeddings are the language-model head."""
    qkv_bias: bool = False
    out_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    window: int | None = None
    """Tokens that attention looks back on, where they are fewer than the context."""

    @classmethod
    def of(cls, config: Mapping[str, Any], windows: bool = True) -> Architecture:
        """What a config.json tells; UnsupportedArchitectureError names the first thing that we do not implement.

        `windows`: whether the caller implements attention that looks back a certain number of tokens.
        """
        kind = config.get("model_type", "")
        if kind not in _DEFAULTS:
            raise UnsupportedArchitectureError(f"model type {kind!r}")
        config = {**_DEFAULTS[kind], **config}
        if "quantization_config" in config:
            raise UnsupportedArchitectureError("quantized weights")
        if config.get("hidden_act", "silu") != "silu":
            raise UnsupportedArchitectureError(f"activation {config['hidden_act']!r}")
        heads = config["num_attention_heads"]
        rope = _rope(config)
        theta = rope.get("rope_theta", config.get("rope_theta"))
        attention_bias = kind in ("llama", "qwen3") and bool(config.get("attention_bias"))
        return cls(
            model_type=kind,
            vocabulary=config["vocab_size"],
            hidden=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head_dim=config.get("head_dim") or config["hidden_size"] // heads,
            feed_forward=config["intermediate_size"],
            context=config["max_position_embeddings"],
            norm_eps=config.get("rms_norm_eps", 1e-6),
            rope_theta=10000.0 if theta is None else float(theta),
            rope_scaling=rope,
            tied=config.get("tie_word_embeddings", False),
            qkv_bias=kind == "qwen2" or attention_bias,
            out_bias=attention_bias,
            mlp_bias=kind == "llama" and bool(config.get("mlp_bias")),
            qk_norm=kind == "qwen3",
            window=_window(config, windows),
        )

    @property
    def groups(self) -> int:
        """Query heads per key-value head."""
        return self.heads // self.kv_heads

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Names (without `model.`) and shapes of all tensors but the language-model head."""
        hidden, inner = self.hidden, self.feed_forward
        wide, narrow = self.heads * self.head_dim, self.kv_heads * self.head_dim
        matrices = {name: (rows, hidden, self.qkv_bias) for name, rows in zip(QKV, (wide, narrow, narrow), strict=True)}
        matrices |= {OUT: (hidden, wide, self.out_bias), DOWN: (hidden, inner, self.mlp_bias)}
        matrices |= dict.fromkeys(GATE_UP, (inner, hidden, self.mlp_bias))
        vectors = {NORM_IN: hidden, NORM_MID: hidden} | (dict.fromkeys(QK_NORM, self.head_dim) if self.qk_norm else {})
        shapes: dict[str, tuple[int, ...]] = {EMBEDDING: (self.vocabulary, hidden), NORM: (hidden,)}
        for number in range(self.layers):
            at = f"layers.{number}."
            shapes |= {f"{at}{name}.weight": (size,) for name, size in vectors.items()}
            for name, (rows, columns, has_bias) in matrices.items():
                shapes[f"{at}{name}.weight"] = (rows, columns)
                if has_bias:
                    shapes[f"{at}{name}.bias"] = (rows,)
        return shapes


def _rope(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the rotary embedding, under old or new keys."""
    rope = dict(config.get("rope_scaling") or {}) | dict(config.get("rope_parameters") or {})
    rope["rope_type"] = rope.get("rope_type", rope.get("type", "default"))
    if rope["rope_type"] not in ("default", "linear", "llama3"):
        raise UnsupportedArchitectureError(f"RoPE scaling {rope['rope_type']!r}")
    if float(rope.get("partial_rotary_factor", config.get("partial_rotary_factor", 1.0)) or 1.0) != 1.0:
        raise UnsupportedArchitectureError("rotary embedding of a part of each head")
    return rope


def _window(config: Mapping[str, Any], windows: bool) -> int | None:
    """Width of the attention where it is less than the context: Mistral's, since Qwen's is of some layers only."""
    kind, window = config["model_type"], config.get("sliding_window")
    if kind == "llama" or (kind != "mistral" and not config.get("use_sliding_window")):
        return None
    if window is None or window >= config["max_position_embeddings"]:
        return None
    if kind != "mistral" or not windows:
        raise UnsupportedArchitectureError(f"a sliding window of {window} tokens, shorter than its context")
    return int(window)

"""Hugging Face checkpoint folders: the model's shape out of config.json, its weights out of safetensors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_DEFAULTS: dict[str, dict[str, Any]] = {
    "llama": {"max_position_embeddings": 2048, "num_key_value_heads": None, "attention_bias": False},
    "mistral": {"max_position_embeddings": 131072, "num_key_value_heads": 8, "sliding_window": 4096},
    "qwen2": {"max_position_embeddings": 32768, "num_key_value_heads": 32, "sliding_window": 4096},
    "qwen3": {
        "max_position_embeddings": 32768,
        "num_key_value_heads": 32,
        "head_dim": 128,
        "sliding_window": 4096,
    },
}
"""What transformers assumes where config.json is silent, by model type."""


class UnsupportedArchitectureError(ValueError):
    """The checkpoint needs something that our own forward pass does not implement."""


@dataclass(frozen=True)
class ModelConfig:
    """Shape of a decoder-only model of the Llama family, read from config.json."""

    model_type: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    feed_forward: int
    vocabulary: int
    context: int
    norm_eps: float
    tied: bool
    rope_theta: float
    rope_scaling: dict[str, Any]
    eos: tuple[int, ...]

    @property
    def groups(self) -> int:
        """Query heads per key-value head."""
        return self.heads // self.kv_heads


def read_config(path: Path) -> dict[str, Any]:
    """config.json of a checkpoint folder; FileNotFoundError in one sentence where it is missing."""
    if not path.is_dir():
        raise FileNotFoundError(f"There is no checkpoint folder {path}; check the path in the config.")
    file = path / "config.json"
    if not file.is_file():
        raise FileNotFoundError(f"{path} holds no config.json; it is not a Hugging Face checkpoint folder.")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{file} is not valid JSON ({error}); fetch the checkpoint again.") from None


def read_eos(path: Path, config: dict[str, Any]) -> tuple[int, ...]:
    """End-of-text ids: generation_config.json goes before config.json; a number or a list."""
    file = path / "generation_config.json"
    generation = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    ids = generation.get("eos_token_id")
    ids = config.get("eos_token_id") if ids is None else ids
    if ids is None:
        return ()
    return tuple(ids) if isinstance(ids, list) else (int(ids),)


def model_config(path: Path, config: dict[str, Any]) -> ModelConfig:
    """The model's shape; UnsupportedArchitectureError names the first thing we do not implement."""
    kind = config.get("model_type", "")
    if kind not in _DEFAULTS:
        raise UnsupportedArchitectureError(f"model type {kind!r}")
    config = {**_DEFAULTS[kind], **config}
    if "quantization_config" in config:
        raise UnsupportedArchitectureError("quantized weights")
    if config.get("hidden_act", "silu") != "silu":
        raise UnsupportedArchitectureError(f"activation {config['hidden_act']!r}")
    context = config["max_position_embeddings"]
    window = config.get("sliding_window")
    if kind in ("qwen2", "qwen3") and not config.get("use_sliding_window", False):
        window = None
    if window is not None and window < context:
        raise UnsupportedArchitectureError(f"a sliding window of {window} tokens, shorter than its context")
    rope = dict(config.get("rope_scaling") or {}) | dict(config.get("rope_parameters") or {})
    rope["rope_type"] = rope.get("rope_type", rope.get("type", "default"))
    if rope["rope_type"] not in ("default", "linear", "llama3"):
        raise UnsupportedArchitectureError(f"RoPE scaling {rope['rope_type']!r}")
    if float(rope.get("partial_rotary_factor", config.get("partial_rotary_factor", 1.0)) or 1.0) != 1.0:
        raise UnsupportedArchitectureError("rotary embedding of a part of each head")
    heads = config["num_attention_heads"]
    theta = rope.get("rope_theta", config.get("rope_theta"))
    return ModelConfig(
        model_type=kind,
        hidden=config["hidden_size"],
        layers=config["num_hidden_layers"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=config.get("head_dim") or config["hidden_size"] // heads,
        feed_forward=config["intermediate_size"],
        vocabulary=config["vocab_size"],
        context=context,
        norm_eps=config.get("rms_norm_eps", 1e-6),
        tied=config.get("tie_word_embeddings", False),
        rope_theta=10000.0 if theta is None else float(theta),
        rope_scaling=rope,
        eos=read_eos(path, config),
    )


def weight_files(path: Path) -> list[Path]:
    """The safetensors files of a checkpoint, one or sharded; FileNotFoundError says what to do."""
    if files := shards(path, "model.safetensors"):
        return files
    if any(path.glob("*.bin")):
        raise FileNotFoundError(
            f"{path} holds only .bin weights, which can run code when loaded; convert them with "
            "AutoModelForCausalLM.from_pretrained(...).save_pretrained(folder, safe_serialization=True)."
        )
    raise FileNotFoundError(f"{path} holds no model.safetensors; fetch the checkpoint again.")


def shards(path: Path, name: str) -> list[Path]:
    """The file `name`, or the shards that its index names; [] where there is neither.

    ValueError for a shard outside the folder, FileNotFoundError for one that is not there.
    """
    if (path / name).is_file():
        return [path / name]
    if not (index := path / f"{name}.index.json").is_file():
        return []
    names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    if strange := [name for name in names if Path(name).name != name]:
        raise ValueError(f"{index} names a file outside its folder: {strange[0]}.")
    if missing := [name for name in names if not (path / name).is_file()]:
        raise FileNotFoundError(f"{path} lacks {missing[0]}, which its index names; fetch it again.")
    return [path / name for name in names]


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint by name, on the CPU, in their stored type."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    weights: dict[str, torch.Tensor] = {}
    for file in weight_files(path):
        try:
            weights.update(load_file(file))
        except SafetensorError as error:
            raise ValueError(f"{file} cannot be read ({error}); fetch the checkpoint again.") from None
    return weights

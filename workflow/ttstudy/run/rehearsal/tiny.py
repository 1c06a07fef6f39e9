"""Tiny checkpoints of any architecture of the Llama family, with random weights that say what they are asked to say.

A policy of pure noise ends no step and boxes no answer, so that nothing behind it would be rehearsed. One number of
each hidden state is therefore kept apart: the same for every text, it gives every token a likelihood of its own, and
the random rest varies it. So a stand-in writes steps, line breaks, boxes and ends about as often as it is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import log, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttstudy.models.architecture import DOWN, EMBEDDING, HEAD, OUT, Architecture

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

MODEL = "model."
_KEPT_APART, _OTHERS = 1.5, 10.0
"""The number kept apart, of an embedding whose rest has length 1; and how much likelier than any other token (a
logarithm) those are together that are asked for."""


def write(
    folder: Path,
    config: Mapping[str, Any],
    tokenizer: Tokenizer,
    settings: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    binary: bool = False,
) -> Path:
    """Write a checkpoint folder; with `binary`, its weights as pytorch_model.bin."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    told = {"tokenizer_class": "PreTrainedTokenizerFast", **settings}
    (folder / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if binary:
        torch.save(dict(tensors), folder / "pytorch_model.bin")
    else:
        save_file(dict(tensors), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def shrunk(config: Mapping[str, Any], vocabulary: int, context: int) -> dict[str, Any]:
    """config.json of a tiny model of the same kind: its attention heads of the same size, as many queries to a key.

    Two layers, and a vocabulary of its own. UnsupportedArchitectureError for what is not of the Llama family.
    """
    shape = Architecture.of({key: value for key, value in config.items() if key != "quantization_config"})
    heads = shape.groups if shape.groups > 1 else 2
    narrow = heads // shape.groups
    dropped = ("quantization_config", "auto_map", "layer_types", "max_window_layers", "pad_token_id", "bos_token_id")
    kept = {key: value for key, value in config.items() if key not in (*dropped, "eos_token_id", "sources")}
    return kept | {
        "vocab_size": vocabulary,
        "hidden_size": heads * shape.head_dim,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": heads,
        "num_key_value_heads": narrow,
        "max_position_embeddings": min(shape.context, context),
        "rms_norm_eps": shape.norm_eps,
        "rope_theta": shape.rope_theta,
        "hidden_act": "silu",
        "use_sliding_window": False,
        "tie_word_embeddings": shape.tied,
        "torch_dtype": "bfloat16",
    }


def backbone(config: Mapping[str, Any], seed: int) -> Iterator[tuple[str, Tensor]]:
    """Random tensors of a model without its language-model head; see the module for the first number of a state."""
    import torch

    draw = torch.Generator().manual_seed(seed)
    for name, shape in Architecture.of(config).tensors().items():
        if len(shape) == 1:
            tensor = torch.ones(shape) if name.endswith("weight") else torch.zeros(shape)
        else:
            tensor = torch.randn(shape, generator=draw) / sqrt(shape[1])
        if name == EMBEDDING:
            # Short where it is the head too: a token would call for itself.
            tensor *= 1.2 / shape[1] ** 0.25 if config["tie_word_embeddings"] else 1
            tensor[:, 0] = _KEPT_APART
        if name.endswith((f"{OUT}.weight", f"{DOWN}.weight")):
            tensor *= 0.5 / sqrt(int(config["hidden_size"]))
            tensor[0] = 0
        yield MODEL + name, tensor


def speaking(config: Mapping[str, Any], tensors: dict[str, Tensor], wanted: Mapping[int, float], seed: int) -> None:
    """Let the model draw the tokens of `wanted` about as often as it says (shares of 1), others hardly ever.

    Adds the language-model head, or changes the embedding where it is the head too.
    """
    import torch

    draw = torch.Generator().manual_seed(seed + 1)
    size, count = int(config["hidden_size"]), int(config["vocab_size"])
    first = sqrt(size) * _KEPT_APART / sqrt(_KEPT_APART**2 + 1.4)
    """About what the norm makes of the number kept apart."""
    likely = torch.zeros(count)
    for token, share in wanted.items():
        likely[token] = (_OTHERS + log(share) + float(torch.randn((), generator=draw)) / 2) / first
    if config["tie_word_embeddings"]:
        tensors[MODEL + EMBEDDING][:, 0] += likely
    else:
        head = torch.randn((count, size), generator=draw) / sqrt(size)
        head[:, 0] = likely
        tensors[HEAD] = head


def judging(
    config: Mapping[str, Any], tensors: dict[str, Tensor], head: Mapping[str, tuple[int, ...]], seed: int
) -> None:
    """Add the tensors of a PRM's head, such that its scores lie anywhere between 0 and 1."""
    import torch

    draw = torch.Generator().manual_seed(seed + 2)
    for name, shape in head.items():
        # A state has the length sqrt(hidden), most of it in the number kept apart, which tells two texts not apart.
        tensor = torch.randn(shape, generator=draw) * (3 / sqrt(shape[-1]) if len(shape) > 1 else 0.3)
        if len(shape) > 1 and shape[-1] == int(config["hidden_size"]):
            tensor[:, 0] = 0
        tensors[name] = tensor

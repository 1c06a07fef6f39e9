"""GGUF files of small checkpoints, written by llama.cpp's own library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

NAMES = {
    **{"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.o_proj": "attn_output"},
    **{f"self_attn.{one}_proj": f"attn_{one}" for one in "qkv"},
    **{f"self_attn.{one}_norm": f"attn_{one}_norm" for one in "qk"},
    **{f"mlp.{one}_proj": f"ffn_{one}" for one in ("gate", "up", "down")},
}
OUTER = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def write(
    checkpoint: Path,
    file: Path,
    pre: str | None = "gpt-2",
    kind: str = "F32",
    frequencies: Any = None,
    **told: Any,
) -> Path:
    """The GGUF file of a Llama, Qwen2 or Qwen3 checkpoint with a byte-level tokenizer.

    `kind`: of all matrices; `frequencies`: Llama 3.1's table; `told`: entries in the place of the checkpoint's own, and
    None for no such entry.
    """
    import gguf
    from safetensors.torch import load_file

    config = json.loads((checkpoint / "config.json").read_text())
    tokenizer = json.loads((checkpoint / "tokenizer.json").read_text())
    settings = json.loads((checkpoint / "tokenizer_config.json").read_text())
    arch = config["model_type"]
    vocabulary = tokenizer["model"]["vocab"] | {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    special = {token["content"] for token in tokenizer["added_tokens"]}
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    heads, kv_heads = config["num_attention_heads"], config.get("num_key_value_heads")
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in tokenizer["model"]["merges"]]
    entries = {
        f"{arch}.block_count": config["num_hidden_layers"],
        f"{arch}.context_length": config["max_position_embeddings"],
        f"{arch}.embedding_length": config["hidden_size"],
        f"{arch}.feed_forward_length": config["intermediate_size"],
        f"{arch}.attention.head_count": heads,
        f"{arch}.attention.head_count_kv": kv_heads,
        f"{arch}.attention.key_length": config.get("head_dim") or config["hidden_size"] // heads,
        f"{arch}.attention.layer_norm_rms_epsilon": float(config["rms_norm_eps"]),
        f"{arch}.rope.freq_base": float((config.get("rope_parameters") or config).get("rope_theta", 1e4)),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if token in special else 1 for token in tokens],
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": vocabulary[settings["bos_token"]],
        "tokenizer.ggml.eos_token_id": vocabulary[settings["eos_token"]],
        "tokenizer.chat_template": settings.get("chat_template"),
    }
    if (checkpoint / "chat_template.jinja").is_file():
        entries["tokenizer.chat_template"] = (checkpoint / "chat_template.jinja").read_text()
    writer = gguf.GGUFWriter(file, str(told.pop("arch", arch)))
    for key, value in (entries | told).items():
        if value is not None:
            adds = {str: writer.add_string, float: writer.add_float32, bool: writer.add_bool, list: writer.add_array}
            adds.get(type(value), writer.add_uint32)(key, value)
    for name, tensor in load_file(checkpoint / "model.safetensors").items():
        values = tensor.float().numpy()
        stem, _, ending = name.rpartition(".")
        count = heads if stem.endswith("q_proj") else kv_heads if stem.endswith("k_proj") else 0
        if arch == "llama" and count:  # as llama.cpp's converter does
            values = values.reshape(count, 2, -1, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)
        layer, inner = stem.removeprefix("model.layers.").partition(".")[::2]
        place = OUTER.get(stem) or f"blk.{layer}.{NAMES[inner]}"
        quantised = gguf.GGMLQuantizationType[kind if values.ndim > 1 else "F32"]
        data = gguf.quantize(np.ascontiguousarray(values), quantised)
        writer.add_tensor(f"{place}.{ending}", data, raw_dtype=quantised)
    if frequencies is not None:
        writer.add_tensor("rope_freqs.weight", frequencies)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file

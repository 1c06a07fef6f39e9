"""Checkpoint folders: made here from nothing, read by the engine; what is broken is said in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from ttstudy.models.architecture import Architecture, UnsupportedArchitectureError
from ttstudy.models.checkpoint import Checkpoint
from ttstudy.policies.opening import open_engine

SPECIAL = ["<bos>", "<eos>", "<pad>", "<|user|>", "<|assistant|>", "<|system|>"]
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}\n"
    "    {{- '<|' + message['role'] + '|>' + message['content'] | trim }}\n"
    "    {%- if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}\n"
    "{% endfor %}\n"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
MERGES = [("Ċ", "Ċ"), ("t", "h"), ("th", "e"), ("Ġ", "a"), ("1", "2")]


def write_tokenizer(path: Path, template: str | None = TEMPLATE) -> int:
    """A small byte-level BPE tokenizer; returns its number of tokens."""
    path.mkdir(parents=True, exist_ok=True)
    words = SPECIAL + sorted(pre_tokenizers.ByteLevel.alphabet()) + [a + b for a, b in MERGES]
    tokenizer = Tokenizer(models.BPE({word: index for index, word in enumerate(words)}, MERGES))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(path / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<bos>", "eos_token": "<eos>"}
    config |= {"pad_token": "<pad>"} | ({} if template is None else {"chat_template": template})
    (path / "tokenizer_config.json").write_text(json.dumps(config))
    return len(words)


def make_checkpoint(
    path: Path,
    model_type: str = "llama",
    hidden: int = 48,
    layers: int = 2,
    heads: int = 3,
    kv_heads: int = 1,
    head_dim: int = 16,
    feed_forward: int = 96,
    context: int = 512,
    tied: bool = True,
    seed: int = 0,
    shards: int = 1,
    **extra: Any,
) -> Path:
    """A checkpoint of random weights, wide enough that its distributions are neither flat nor certain."""
    vocabulary = write_tokenizer(path)
    config = {
        "architectures": [
            {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"}.get(model_type, "Other")
        ],
        "model_type": model_type,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dim,
        "intermediate_size": feed_forward,
        "vocab_size": vocabulary,
        "max_position_embeddings": context,
        "tie_word_embeddings": tied,
        "rms_norm_eps": 1e-5,
        "rope_theta": 5000.0,
        "hidden_act": "silu",
        "bos_token_id": 0,
        "eos_token_id": [1],
        "pad_token_id": 2,
        **extra,
    }
    (path / "config.json").write_text(json.dumps(config))
    shapes = {"model.embed_tokens.weight": (vocabulary, hidden), "model.norm.weight": (hidden,)}
    if not tied:
        shapes["lm_head.weight"] = (vocabulary, hidden)
    sizes = {"q": heads * head_dim, "k": kv_heads * head_dim, "v": kv_heads * head_dim}
    for layer in range(layers):
        base = f"model.layers.{layer}."
        for name, size in sizes.items():
            shapes[f"{base}self_attn.{name}_proj.weight"] = (size, hidden)
            if model_type == "qwen2" or extra.get("attention_bias"):
                shapes[f"{base}self_attn.{name}_proj.bias"] = (size,)
        shapes[f"{base}self_attn.o_proj.weight"] = (hidden, heads * head_dim)
        if extra.get("attention_bias"):
            shapes[f"{base}self_attn.o_proj.bias"] = (hidden,)
        shapes[f"{base}mlp.gate_proj.weight"] = (feed_forward, hidden)
        shapes[f"{base}mlp.up_proj.weight"] = (feed_forward, hidden)
        shapes[f"{base}mlp.down_proj.weight"] = (hidden, feed_forward)
        shapes[f"{base}input_layernorm.weight"] = (hidden,)
        shapes[f"{base}post_attention_layernorm.weight"] = (hidden,)
    random = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in shapes.items():
        scale = 0.3 if "embed" in name or "head" in name else 0.1 if len(shape) == 1 else shape[1] ** -0.5
        weights[name] = torch.randn(shape, generator=random) * scale + ("norm" in name)
    names = sorted(weights)
    if shards == 1:
        save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
        return path
    where = {name: f"model-{1 + index % shards}.safetensors" for index, name in enumerate(names)}
    for file in set(where.values()):
        save_file({name: weights[name] for name in names if where[name] == file}, path / file)
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    return path


def test_what_is_missing_is_said_with_the_path_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no checkpoint folder .*nowhere"):
        open_engine(tmp_path / "nowhere")
    path = make_checkpoint(tmp_path / "model")
    (path / "tokenizer.json").rename(path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=r"model holds no tokenizer.json; save"):
        open_engine(path)
    (path / "model.safetensors").rename(path / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match=r"model holds only .bin weights.*convert"):
        open_engine(path)
    (path / "pytorch_model.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no model.safetensors; fetch"):
        open_engine(path)
    (path / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no config.json"):
        open_engine(path)
    with pytest.raises(ValueError, match="no engine 'sglang'; supported: served, transformers"):
        open_engine(path, kind="sglang")


def test_a_truncated_weight_file_is_one_sentence(tmp_path: Path) -> None:
    path = make_checkpoint(tmp_path / "model")
    file = path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"model.safetensors cannot be read .* fetch the checkpoint again"):
        open_engine(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model_type": "gemma2"}, "model type 'gemma2'"),
        ({"hidden_act": "gelu"}, "activation 'gelu'"),
        ({"model_type": "mistral", "sliding_window": 64}, "sliding window of 64"),
        ({"partial_rotary_factor": 0.5}, "a part of each head"),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, "RoPE scaling 'yarn'"),
        ({"quantization_config": {"bits": 4}}, "quantized"),
    ],
)
def test_what_the_batched_pass_lacks_is_refused(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    path = make_checkpoint(tmp_path / "model", **change)
    with pytest.raises(UnsupportedArchitectureError, match=reason):
        Architecture.of(Checkpoint(path).config, windows=False)


def test_end_of_text_ids_of_the_generation_config_go_first(tmp_path: Path) -> None:
    path = make_checkpoint(tmp_path / "model")
    assert Checkpoint(path).eos == (1,)
    (path / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, 4]}))
    assert Checkpoint(path).eos == (1, 4)

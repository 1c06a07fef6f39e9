"""Tiny checkpoints of generative PRMs whose every probability is known: the next token hangs on the last one alone."""

from __future__ import annotations

import json
from math import log
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.rewards_checkpoints import byte_level

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
END = "<|im_end|>"
QUESTION = "Is the solution correct?"
RIGHT, WRONG = r"\boxed{correct}", r"\boxed{incorrect}"
ANALYSED, BOX = "</analyze>", r"\boxed"
YES = 0.7
"""Probability of a yes where one is asked for; a no has 0.2, and what is neither 0.1."""
WAYS: dict[str | None, dict[str, float]] = {
    None: {RIGHT: 0.6, WRONG: 0.1, ANALYSED: 0.1, END: 0.1, QUESTION: 0.1},
    RIGHT: {RIGHT: 0.6, WRONG: 0.1, ANALYSED: 0.1, QUESTION: 0.2},
    WRONG: {QUESTION: 0.5, ANALYSED: 0.4, RIGHT: 0.1},
    QUESTION: {" Yes": YES, " No": 0.2, " Perhaps": 0.1},
    BOX: {"{Yes}": YES, "{No}": 0.2, "{Maybe}": 0.1},
    **dict.fromkeys([" Yes", " No", " Perhaps", "{Yes}", "{No}", "{Maybe}"], {END: 1.0}),
}
"""What follows each token; None: after any other."""
SHY: dict[str | None, dict[str, float]] = {None: {"a": 0.9, END: 0.1}}
"""A judge that never says a verdict."""


def make(folder: Path, ways: dict[str | None, dict[str, float]] = WAYS, context: int = 1024) -> Path:
    """Write a Llama checkpoint without attention: an embedding of one number per token, and a head of log-odds."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    named = sorted({*ways, *(token for row in ways.values() for token in row)} - {None, END, "a"})
    tokenizer = byte_level(["<|im_start|>", END], named)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "chat_template": CHATML}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    count = tokenizer.get_vocab_size()
    size = -(-count // 64) * 64
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": count, "hidden_size": size,
        "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": size // 32,
        "num_key_value_heads": size // 32, "max_position_embeddings": context, "rms_norm_eps": 1e-6,
        "hidden_act": "silu", "tie_word_embeddings": False, "torch_dtype": "float32",
        "eos_token_id": tokenizer.token_to_id(END), "rope_theta": 10000.0,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    head = torch.full((count, size), -30.0)
    for last in [None, *[token for token in ways if token is not None]]:
        place = slice(None) if last is None else tokenizer.token_to_id(last)
        head[:, place] = -30.0
        for following, share in ways[last].items():
            head[tokenizer.token_to_id(following), place] = log(share)
    layer, zeros = "model.layers.0.", torch.zeros
    tensors = {
        "model.embed_tokens.weight": torch.eye(count, size),
        "model.norm.weight": torch.ones(size),
        "lm_head.weight": head / size**0.5,  # the norm makes a one a root of the size
        layer + "input_layernorm.weight": torch.ones(size),
        layer + "post_attention_layernorm.weight": torch.ones(size),
        **{f"{layer}self_attn.{name}_proj.weight": zeros(size, size) for name in "qkvo"},
        layer + "mlp.gate_proj.weight": zeros(16, size),
        layer + "mlp.up_proj.weight": zeros(16, size),
        layer + "mlp.down_proj.weight": zeros(size, 16),
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder

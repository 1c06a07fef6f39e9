"""Tiny random checkpoints with the layout of each published PRM family, and scores by the formats' definitions.

The reference knows nothing of `ttstudy`: it writes the text a format prescribes, tokenises it with transformers'
tokenizer, runs transformers' model one solution at a time and looks for the tags in the ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from ttstudy.run.rehearsal import tiny
from ttstudy.run.rehearsal.tokens import CHATML, LLAMA, TEXTS, byte_level, sentencepiece_like

__all__ = ["LAYOUTS", "PROBLEMS", "TEXTS", "Reference", "Shelf", "byte_level", "make"]

SYSTEM = r"Please reason step by step, and put your final answer within \boxed{}."
PROBLEMS = {
    "What is 3*6+5?": ["First, 3*6=18, so we have 18+5.", "Then 18+5=23.", "So the answer is \\boxed{23}."],
    "Let x + y = 10 and x - y = 2. What is x?": ["Adding them, 2x = 12.", "So x is 6."],
    "Compute 12 - 7 + 2.": ["We know that 12 - 7 = 5."],
    "What is the sum of the first ten odd numbers?": [
        "Step 1: the first ten odd numbers are 1, 3, 5, 7, 9, 11, 13, 15, 17 and 19.",
        "Step 2: the first and the last sum to 20, and so do the others.",
        "Then there are 5 of them.",
        "5 * 20 = 100.",
        "So it is \\boxed{100}.",
    ],
}


@dataclass(frozen=True)
class Layout:
    """How one family's checkpoints look, and what its format is by definition."""

    name: str
    format: str
    architecture: str
    config: dict[str, Any]
    tokenizer: Callable[[], Tokenizer]
    settings: dict[str, Any]
    head: dict[str, tuple[int, ...]]


_QWEN2 = {"model_type": "qwen2", "rms_norm_eps": 1e-5, "use_sliding_window": False, "rope_theta": 10000.0}
_SIGMOID = {"v_head.summary.weight": (1, 32), "v_head.summary.bias": (1,)}
_MLP = {
    "score.0.weight": (32, 32),
    "score.0.bias": (32,),
    "score.2.weight": (2, 32),
    "score.2.bias": (2,),
}
_CHATML_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
LAYOUTS = {
    layout.name: layout
    for layout in [
        Layout(
            "math_shepherd",
            "math_shepherd",
            "MistralForCausalLM",
            {"model_type": "mistral", "sliding_window": 48, "rms_norm_eps": 1e-5, "rope_theta": 10000.0},
            sentencepiece_like,
            {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
            {},
        ),
        Layout(
            "rlhflow",
            "rlhflow",
            "LlamaForCausalLM",
            {
                "model_type": "llama",
                "rope_theta": 500000.0,
                "rope_scaling": {
                    "rope_type": "llama3",
                    "factor": 8.0,
                    "low_freq_factor": 1.0,
                    "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 64,
                },
            },
            lambda: byte_level(["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"], []),
            {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "chat_template": LLAMA},
            {},
        ),
        Layout(
            "skywork-1.5b",
            "skywork",
            "Qwen2ForPrmModel",
            {**_QWEN2, "tie_word_embeddings": True},
            lambda: byte_level(_CHATML_TOKENS, []),
            {"bos_token": "<|im_start|>", "eos_token": "<|endoftext|>"},
            _SIGMOID,
        ),
        Layout(
            "skywork-7b",
            "skywork",
            "Qwen2ForPrmModel",
            _QWEN2,
            lambda: byte_level(_CHATML_TOKENS, []),
            {"bos_token": "<|im_start|>", "eos_token": "<|endoftext|>"},
            {**_SIGMOID, "lm_head.weight": ()},
        ),
        Layout(
            "qwen",
            "qwen",
            "Qwen2ForProcessRewardModel",
            _QWEN2,
            lambda: byte_level(_CHATML_TOKENS, ["<extra_0>"]),
            {"bos_token": None, "eos_token": "<|endoftext|>", "chat_template": CHATML},
            {**_MLP, "lm_head.weight": ()},
        ),
    ]
}


def make(folder: Path, name: str, binary: bool = False, wide: bool = False) -> Path:
    """Write a tiny random checkpoint of a layout; with `binary`, its weights as pytorch_model.bin.

    `wide`: fewer attention heads, of 32 numbers each, which kernels of vLLM ask for.
    """
    layout = LAYOUTS[name]
    hidden, heads, narrow = (64, 2, 1) if wide else (32, 4, 2)
    config = {
        "architectures": [layout.architecture],
        "vocab_size": 512,
        "hidden_size": hidden,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": heads,
        "num_key_value_heads": narrow,
        "max_position_embeddings": 512,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        **layout.config,
    }
    draw = torch.Generator().manual_seed(len(name))
    head = {key: tuple(hidden if size == 32 else size for size in shape) for key, shape in layout.head.items()}
    shapes = dict(_backbone(config)) | head
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (512, hidden)
    state = {
        key: torch.randn(shape, generator=draw) * (0.2 if "score" in key or len(shape) == 1 else 0.4) + ("norm" in key)
        for key, shape in shapes.items()
    }
    return tiny.write(Path(folder), config, layout.tokenizer(), layout.settings, state, binary)


def _backbone(config: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    narrow = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    yield "model.embed_tokens.weight", (config["vocab_size"], hidden)
    yield "model.norm.weight", (hidden,)
    for number in range(config["num_hidden_layers"]):
        at = f"model.layers.{number}."
        yield at + "input_layernorm.weight", (hidden,)
        yield at + "post_attention_layernorm.weight", (hidden,)
        for matrix, rows in {"q": hidden, "k": narrow, "v": narrow, "o": hidden}.items():
            yield f"{at}self_attn.{matrix}_proj.weight", (rows, hidden)
            if config["model_type"] == "qwen2" and matrix != "o":
                yield f"{at}self_attn.{matrix}_proj.bias", (rows,)
        yield at + "mlp.gate_proj.weight", (inner, hidden)
        yield at + "mlp.up_proj.weight", (inner, hidden)
        yield at + "mlp.down_proj.weight", (hidden, inner)


class Reference:
    """Scores by definition, one plain forward pass per solution."""

    def __init__(self, folder: Path, name: str) -> None:
        """Load the backbone, the tokenizer and the raw tensors with transformers."""
        from safetensors.torch import load_file
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.set_verbosity_error()
        self.format = LAYOUTS[name].format
        self.model = AutoModel.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        self.tensors = load_file(folder / "model.safetensors")

    @torch.inference_mode()
    def hidden(self, ids: list[int]) -> torch.Tensor:
        """Last hidden states [n, hidden]."""
        return self.model(input_ids=torch.tensor([ids])).last_hidden_state[0]

    def score(self, problem: str, steps: list[str]) -> list[float]:
        """One score per step of ordinary text."""
        return getattr(self, "_" + self.format)(problem, steps)

    def _two_way(self, hidden: torch.Tensor, good: str, bad: str) -> float:
        ids = self.tokenizer.convert_tokens_to_ids([good, bad])
        return (hidden @ self.tensors["lm_head.weight"].T)[ids].softmax(0)[0].item()

    def _plain(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _math_shepherd(self, problem: str, steps: list[str]) -> list[float]:
        text = f"{problem} " + "".join(f"{step} ки\n" for step in steps)
        ids = [self.tokenizer.bos_token_id, *self._plain(text)]
        tag = self.tokenizer.convert_tokens_to_ids("▁ки")
        hidden = self.hidden(ids)
        return [self._two_way(hidden[i], "▁+", "▁-") for i, id in enumerate(ids) if id == tag]

    def _rlhflow(self, problem: str, steps: list[str]) -> list[float]:
        scores, chat = [], []
        for step in steps:
            chat.append({"role": "user", "content": step if chat else f"{problem} {step}"})
            chat.append({"role": "assistant", "content": "+"})
            ids = self._plain(self.tokenizer.apply_chat_template(chat, tokenize=False))
            scores.append(self._two_way(self.hidden(ids)[-3], "+", "-"))
        return scores

    def _skywork(self, problem: str, steps: list[str]) -> list[float]:
        ids, ends = [self.tokenizer.bos_token_id, *self._plain(problem + "\n")], []
        for step in steps:
            ids += self._plain(step.replace("\n", " ")) + self._plain("\n")
            ends.append(len(ids) - 1)
        logits = self.hidden(ids)[ends] @ self.tensors["v_head.summary.weight"].T
        return torch.sigmoid(logits + self.tensors["v_head.summary.bias"])[:, 0].tolist()

    def _qwen(self, problem: str, steps: list[str]) -> list[float]:
        contents = [SYSTEM, problem, "".join(step + "<extra_0>" for step in steps)]
        roles = ["system", "user", "assistant"]
        chat = [{"role": r, "content": c} for r, c in zip(roles, contents, strict=True)]
        ids = self._plain(self.tokenizer.apply_chat_template(chat, tokenize=False))
        tag = self.tokenizer.convert_tokens_to_ids("<extra_0>")
        part = self.tensors
        hidden = self.hidden(ids)[[i for i, id in enumerate(ids) if id == tag]]
        inner = torch.relu(hidden @ part["score.0.weight"].T + part["score.0.bias"])
        return (inner @ part["score.2.weight"].T + part["score.2.bias"]).softmax(-1)[:, 1].tolist()


class Shelf:
    """One checkpoint and reference per layout, made when first asked for."""

    def __init__(self, root: Path, wide: bool = False) -> None:
        """Use the folder `root`; `wide` as in `make`."""
        self.root, self.wide = root, wide
        self._references: dict[str, Reference] = {}

    def folder(self, name: str) -> Path:
        """Checkpoint folder of a layout; not to be changed."""
        folder = self.root / name
        return folder if folder.is_dir() else make(folder, name, wide=self.wide)

    def reference(self, name: str) -> Reference:
        """Reference of a layout."""
        if name not in self._references:
            self._references[name] = Reference(self.folder(name), name)
        return self._references[name]

    @cached_property
    def solutions(self) -> list[tuple[str, list[str]]]:
        """Problems with their steps, and some of their beginnings."""
        whole = list(PROBLEMS.items())
        broken = ("Compute 12 - 7 + 2.", ["First,\n12 - 7 = 5.", "Then\n5 + 2 = 7."])  # line breaks inside steps
        return [*whole, broken, *((problem, steps[:k]) for problem, steps in whole for k in range(1, len(steps)))]

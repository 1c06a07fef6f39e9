"""Tiny tokenizers of each family, trained on a few lines here, and the families' chat templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

TEXTS = [
    "Compute 3*6+5 and then add 12 - 7.",
    "First, 3*6=18, so we have 18+5.\n\nThen 18+5=23.\n\nSo the answer is \\boxed{28}.\n\n",
    "What is the sum of the first ten odd numbers? Let x + y = 10 and x - y = 2.\nAdding them, 2x = 12.\n",
    "system\nuser\nassistant\nPlease reason step by step, and put your final answer within \\boxed{}.",
    "Step 1: we know that 5 - 3 = 2. ки\nStep 2: 2 + 2 = 4, so it is 4. ки\n + -",
] * 4
"""What the tokenizers are trained on."""
_QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA = (
    "{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    " + message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}"
    "{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
DEEPSEEK = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{{ '<｜Assistant｜>' + message['content'] + '<｜end▁of▁sentence｜>' }}{% elif message['role'] == 'user' %}"
    "{{ '<｜User｜>' + message['content'] }}{% else %}{{ message['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{{ message['content'] + '</s>' }}{% else %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% endif %}"
    "{% endfor %}"
)


def byte_level(specials: Sequence[str], tags: Sequence[str]) -> Tokenizer:
    """Byte-level BPE as Llama 3 and Qwen2 have it; `tags` are added tokens that are not special."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_QWEN_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    )
    return added(tokenizer, specials, tags)


def sentencepiece_like() -> Tokenizer:
    """BPE over whole texts with `▁` for spaces and bytes for unknown characters, as Llama 2 and Mistral have it."""
    words = sorted({"▁" + word for text in TEXTS for word in text.split() if word.isalpha()} - {"▁ки"})
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    merges: list[tuple[str, str]] = []
    characters = sorted({c for text in TEXTS for c in text if c not in " \n"} | {"▁"})
    pieces += characters
    for word in ["▁ки", "▁+", "▁-", "▁=", *words]:
        for end in range(2, len(word) + 1):
            if word[:end] not in pieces:
                merges.append((word[: end - 1], word[end - 1]))
                pieces.append(word[:end])
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return added(tokenizer, ["<unk>", "<s>", "</s>"], [])


def added(tokenizer: Tokenizer, specials: Sequence[str], tags: Sequence[str]) -> Tokenizer:
    """The tokenizer with special tokens, and with `tags`, which are not special."""
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in specials])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in tags])
    return tokenizer


@dataclass(frozen=True)
class Family:
    """A family of tokenizers: its special tokens, how a text begins and ends, and how a chat is written."""

    label: str
    specials: tuple[str, ...]
    settings: dict[str, Any]
    """Of tokenizer_config.json."""
    ends: tuple[str, ...]
    """Tokens at which a response ends, as generation_config.json has them."""
    pieces: bool = False
    """Pieces of whole texts, as SentencePiece makes them; else bytes."""

    def tokenizer(self, specials: Sequence[str] = (), tags: Sequence[str] = ()) -> Tokenizer:
        """A tokenizer of the family, with more special tokens and with tags."""
        made = sentencepiece_like() if self.pieces else byte_level([], [])
        return added(made, list(dict.fromkeys([*self.specials, *specials])), tags)


FAMILIES = {
    "qwen": Family(
        "Qwen's (ChatML)",
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        {"bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "chat_template": CHATML},
        ("<|im_end|>", "<|endoftext|>"),
    ),
    "llama3": Family(
        "Llama 3's",
        ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "chat_template": LLAMA},
        ("<|eot_id|>", "<|end_of_text|>"),
    ),
    "deepseek": Family(
        "DeepSeek-R1's",
        ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"),
        {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>", "chat_template": DEEPSEEK},
        ("<｜end▁of▁sentence｜>",),
    ),
    "mistral": Family(
        "Mistral's (SentencePiece)",
        (),
        {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "chat_template": MISTRAL},
        ("</s>",),
        pieces=True,
    ),
}
"""By name."""


def family_of(name: str, config: dict[str, Any], prompt: str = "") -> str:
    """Family of a model by its name, its config.json and how a study prompts it."""
    words = name.casefold()
    if "r1-distill" in words or "deepseek-r1" in words or prompt == "deepseek-r1" and "qwq" not in words:
        return "deepseek"
    kind = str(config.get("model_type", ""))
    if kind.startswith("qwen"):
        return "qwen"
    return "mistral" if kind == "mistral" or int(config.get("vocab_size", 0)) == 32000 else "llama3"



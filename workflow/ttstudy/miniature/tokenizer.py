"""The miniature's tokenizer: one token per number, with its operator where it has one ("+31", "*6").

An ordinary `tokenizer.json` (word-level over a splitting expression), so it loads with transformers and with
tokenizers alone. Every piece ends before a line break and line breaks are tokens of their own: steps tokenised
one by one give the same ids as in place. Characters outside the vocabulary become `<unk>`, one each.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD, BOS, EOS, UNK, STEP = "<pad>", "<s>", "</s>", "<unk>", "<extra_0>"
SPECIALS = (PAD, BOS, EOS, UNK, "<|im_start|>", "<|im_end|>", STEP)
PHRASES = ("\n\n", "\n", "Compute ", ", so ", r"\boxed{", "}", "=", ".")

POLICY_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ bos_token + message['content'] + '\n\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
)
"""A system message is left out: the policies know one task only. The answer follows the prompt's blank line."""

REWARD_TEMPLATE = POLICY_TEMPLATE.replace("eos_token", "'<|im_end|>\n'")
"""As a policy's, but the assistant's turn ends as in ChatML."""


def vocabulary(largest: int) -> dict[str, int]:
    """Token to id: special tokens, phrases, numbers, then numbers with their operator."""
    numbers = [str(number) for number in range(largest + 1)]
    fused = [operator + number for operator in "+-*" for number in numbers]
    return {token: i for i, token in enumerate([*SPECIALS, *PHRASES, *numbers, *fused])}


def build(largest: int) -> Tokenizer:
    """The tokenizer for numbers up to `largest`."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel(vocabulary(largest), unk_token=UNK))
    pattern = r"\n\n|\n|Compute |, so |\\boxed\{|[+*-]?(?:[1-9][0-9]|[0-9])|[\s\S]"
    if largest < 99:  # a number that has no token is read digit by digit
        numbers = "|".join(str(number) for number in range(largest, -1, -1))
        pattern = pattern.replace("[1-9][0-9]|[0-9]", f"{numbers}|[0-9]")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIALS])
    return tokenizer


def save(directory: Path, largest: int, context: int, template: str) -> None:
    """Write tokenizer.json, tokenizer_config.json and chat_template.jinja as transformers reads them."""
    build(largest).save(str(directory / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": EOS,
        "pad_token": PAD,
        "unk_token": UNK,
        "chat_template": template,
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
        "padding_side": "right",
    }
    text = json.dumps(config, indent=2, ensure_ascii=False)
    (directory / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")
    (directory / "chat_template.jinja").write_text(template, encoding="utf-8")

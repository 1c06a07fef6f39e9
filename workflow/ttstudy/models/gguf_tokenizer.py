"""The tokenizer of a GGUF file as a Hugging Face one, its ids held against the file's own vocabulary.

How a text is cut before its bytes are paired is told by one word, `tokenizer.ggml.pre`; what each word means is in
llama.cpp (src/llama-vocab.cpp). A word that is not known here is refused, never guessed: another cut gives other ids.
"""

from __future__ import annotations

from typing import Any

from ttstudy.errors import StudyError
from ttstudy.models import sentencepiece
from ttstudy.models.gguf import ADVICE, Header

_DIGITS, _PLAIN = "digits", "plain"
_SPLITS = {
    "llama": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+"
    ),
    "qwen": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+"
    ),
}
"""Regular expressions of the pieces, as the checkpoints' own tokenizer.json have them."""
_PRE = {
    **dict.fromkeys(("gpt-2", "phi-2", "olmo"), _PLAIN),
    **dict.fromkeys(("smollm", "starcoder", "refact", "codeshell", "exaone"), _DIGITS),
    **dict.fromkeys(("llama-bpe", "llama3", "llama-v3", "smaug-bpe"), "llama"),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen"), "qwen"),
}
_WHOLE_WORDS = ("llama-bpe", "llama3", "llama-v3")
"""Where a piece that is a token is never made of pairs."""
_NORMAL, _UNKNOWN, _CONTROL, _USER = range(1, 5)
_NAMED = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
ENDS = ("eos", "eot", "eom")
"""What ends an answer, as the file names it."""


def check(header: Header) -> None:
    """StudyError where the file's tokenizer is none that we can make."""
    tokens = header.told.get("tokenizer.ggml.tokens")
    kinds = header.told.get("tokenizer.ggml.token_type")
    if not isinstance(tokens, list) or not isinstance(kinds, list) or len(tokens) != len(kinds):
        raise StudyError(f"{header.path}: has no vocabulary; {ADVICE}")
    if len(set(tokens)) != len(tokens):
        raise StudyError(f"{header.path}: has a token twice, so that ids are not told by texts; {ADVICE}")
    kind, pre = header.told.get("tokenizer.ggml.model"), header.told.get("tokenizer.ggml.pre")
    if kind == "gpt2" and pre in _PRE and isinstance(header.told.get("tokenizer.ggml.merges"), list):
        return
    if kind == "llama" and header.told.get("tokenizer.ggml.add_space_prefix", True) and _USER not in kinds:
        return
    what = f"cuts text by {pre!r}" if kind == "gpt2" else f"is of kind {kind!r}"
    raise StudyError(f"{header.path}: its tokenizer {what}, which we cannot make with the same ids; {ADVICE}")


def built(header: Header) -> Any:
    """The `tokenizers.Tokenizer` of the file; StudyError where an id is not as the file has it."""
    check(header)
    tokens: list[str] = header.told["tokenizer.ggml.tokens"]
    kinds: list[int] = header.told["tokenizer.ggml.token_type"]
    if header.told["tokenizer.ggml.model"] == "llama":
        scores = header.told.get("tokenizer.ggml.scores") or [0.0] * len(tokens)
        made = sentencepiece.assembled(list(zip(tokens, scores, kinds, strict=True)), None)
    else:
        made = _of_pairs(header, tokens, kinds)
    for number, token in enumerate(tokens):
        if made.token_to_id(token) != number:
            raise StudyError(f"{header.path}: its token {number}, {token!r}, would have another id here; {ADVICE}")
    return made


def _of_pairs(header: Header, tokens: list[str], kinds: list[int]) -> Any:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    pre = str(header.told["tokenizer.ggml.pre"])
    pairs = [tuple(pair.split(" ", 1)) for pair in header.told["tokenizer.ggml.merges"]]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    try:
        model = models.BPE(vocabulary, pairs, ignore_merges=pre in _WHOLE_WORDS)
    except Exception as error:  # of the library's own kind
        raise StudyError(f"{header.path}: its merges do not fit its vocabulary ({error}); {ADVICE}") from None
    tokenizer, how = Tokenizer(model), _PRE[pre]
    bytewise = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=how not in _SPLITS)
    if how == _DIGITS:
        cut: list[Any] = [pre_tokenizers.Digits(individual_digits=True)]
    else:
        cut = [pre_tokenizers.Split(Regex(_SPLITS[how]), "isolated")] if how in _SPLITS else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*cut, bytewise])
    tokenizer.decoder = decoders.ByteLevel()
    own = [(token, kind) for token, kind in zip(tokens, kinds, strict=True) if kind in (_UNKNOWN, _CONTROL, _USER)]
    tokenizer.add_tokens([AddedToken(token, normalized=False, special=kind != _USER) for token, kind in own])
    return tokenizer


def settings(header: Header) -> dict[str, Any]:
    """The tokenizer_config.json: the named tokens, and the chat template."""
    tokens: list[str] = header.told["tokenizer.ggml.tokens"]
    found: dict[str, Any] = {}
    for name, ours in _NAMED.items():
        number = header.told.get(f"tokenizer.ggml.{ours}_token_id")
        if number is not None and 0 <= number < len(tokens):
            found[name] = tokens[number]
    template = header.told.get("tokenizer.chat_template")
    if isinstance(template, str):
        found["chat_template"] = template
    elif not header.told.get("tokenizer.ggml.add_bos_token", True):
        found.pop("bos_token", None)  # a model without a template is asked without it, too
    return found


def ends(header: Header) -> list[int]:
    """Ids that end an answer."""
    found = (header.told.get(f"tokenizer.ggml.{name}_token_id") for name in ENDS)
    return list(dict.fromkeys(int(number) for number in found if number is not None))

"""GGUF files, as llama.cpp has them: what their header tells, and how a policy of them is described here.

The format: github.com/ggml-org/ggml, docs/gguf.md. Only headers are read here; `ttstudy.data.converting` reads weights.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, NamedTuple

from ttstudy.errors import StudyError
from ttstudy.models.architecture import EMBEDDING, HEAD, NORM, Architecture, UnsupportedArchitectureError

ADVICE = "name the original checkpoint with `source: hub` or `checkpoint`, or serve the file and use `source: openai`"
_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_MOST = 1 << 24
"""Entries, tensors or elements that a header can mean."""
_NUMBERS = dict(enumerate("BbHhIif?"))
_STRING, _ARRAY = 8, 9
_WIDE = {10: "Q", 11: "q", 12: "d"}
_KINDS = _NUMBERS | _WIDE
_MODELS = {"llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
"""`general.architecture` of those that our own engine runs, and what transformers calls them."""
_OUTER = {"token_embd.weight": f"model.{EMBEDDING}", "output_norm.weight": f"model.{NORM}", "output.weight": HEAD}
_INNER = {
    **{"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"},
    **{f"attn_{one}": f"self_attn.{one}_proj" for one in "qkv"},
    **{f"attn_{one}_norm": f"self_attn.{one}_norm" for one in "qk"},
    "attn_output": "self_attn.o_proj",
    **{f"ffn_{one}": f"mlp.{one}_proj" for one in ("gate", "up", "down")},
}
FREQUENCIES = "rope_freqs.weight"
"""By what Llama 3.1's rotary frequencies are divided; made anew from its rule."""


class Tensor(NamedTuple):
    """A tensor as the header has it: its shape, rows first, ggml's number of its type, and where its bytes begin."""

    shape: tuple[int, ...]
    kind: int
    start: int


@dataclass(frozen=True)
class Header:
    """What a file tells before its weights."""

    path: Path
    told: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @property
    def parameters(self) -> int:
        """Weights, those of the table of rotary frequencies left out."""
        return sum(math.prod(tensor.shape) for name, tensor in self.tensors.items() if name != FREQUENCIES)

    def of_model(self, key: str, default: Any = None) -> Any:
        """A value under the architecture's own keys."""
        return self.told.get(f"{self.told.get('general.architecture')}.{key}", default)


class _Reader:
    """Values one after the other; struct.error or ValueError where the file ends, or means more than it holds."""

    def __init__(self, data: mmap) -> None:
        self.data, self.place = data, 0

    def number(self, code: str) -> Any:
        (value,) = struct.unpack_from(f"<{code}", self.data, self.place)
        self.place += struct.calcsize(code)
        return value

    def count(self) -> int:
        value = int(self.number("Q"))
        if value > _MOST:
            raise ValueError
        return value

    def text(self) -> str:
        start, length = self.place + 8, self.number("Q")
        if length > len(self.data) - start:
            raise ValueError
        self.place = start + length
        return self.data[start : self.place].decode("utf-8")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY:
            return self.number(_KINDS[kind])
        item, count = self.number("I"), self.count()
        if item == _STRING:
            return [self.text() for _ in range(count)]
        code = f"<{count}{_KINDS[item]}"
        found = list(struct.unpack_from(code, self.data, self.place))
        self.place += struct.calcsize(code)
        return found


def read(path: Path) -> Header:
    """The header of a file; StudyError where it is no GGUF file, or not all of one."""
    try:
        stat = path.stat()
        return _read(path, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror})") from None
    except (struct.error, ValueError, KeyError, OverflowError, MemoryError) as error:
        if isinstance(error, StudyError):
            raise
        raise StudyError(f"{path}: is no whole GGUF file of version 2 or 3; copy or download it again") from None


@lru_cache(4)
def _read(path: Path, size: int, _written: int) -> Header:
    with path.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as data:
        if data[:4] != _MAGIC:
            raise ValueError
        reader = _Reader(data)
        reader.place = 4
        if reader.number("I") not in _VERSIONS:
            raise ValueError
        tensors, entries = reader.count(), reader.count()
        told = {}
        for _ in range(entries):
            key = reader.text()
            told[key] = reader.value(reader.number("I"))
        found = []
        for _ in range(tensors):
            name, dimensions = reader.text(), reader.number("I")
            if dimensions > 4:
                raise ValueError
            shape = tuple(reader.number("Q") for _ in range(dimensions))[::-1]
            found.append((name, Tensor(shape, reader.number("I"), reader.number("Q"))))
    step = int(told.get("general.alignment", 32))
    start = -(-reader.place // step) * step
    if any(start + tensor.start >= size for _, tensor in found):
        raise ValueError
    return Header(path, told, {name: tensor._replace(start=start + tensor.start) for name, tensor in found})


# -- what the policy is -------------------------------------------------------------------------------------------


def names(header: Header) -> dict[str, str]:
    """By each tensor's name in the file, that of a Hugging Face checkpoint; StudyError for one that we do not know."""
    found = {}
    for name in header.tensors:
        if name == FREQUENCIES:
            continue
        block, _, rest = name.removeprefix("blk.").partition(".")
        inner, _, kind = rest.partition(".")
        if name in _OUTER:
            found[name] = _OUTER[name]
        elif name.startswith("blk.") and inner in _INNER and kind in ("weight", "bias"):
            found[name] = f"model.layers.{block}.{_INNER[inner]}.{kind}"
        else:
            raise StudyError(f"{header.path}: has a tensor {name!r} that our engine does not know; {ADVICE}")
    return found


def config(header: Header) -> dict[str, Any]:
    """The config.json of a Hugging Face checkpoint of the same model; StudyError where our engine runs none such."""
    kind = header.told.get("general.architecture")
    if kind not in _MODELS:
        runs = ", ".join(_MODELS)
        raise StudyError(f"{header.path}: is a model of architecture {kind!r}; GGUF is read of {runs}; {ADVICE}")
    try:
        heads = int(header.of_model("attention.head_count"))
        hidden = int(header.of_model("embedding_length"))
        vocabulary, _ = header.tensors["token_embd.weight"].shape
        found = {
            "architectures": [f"{_MODELS[kind].title()}ForCausalLM"],
            "model_type": _MODELS[kind],
            "vocab_size": vocabulary,
            "hidden_size": hidden,
            "num_hidden_layers": int(header.of_model("block_count")),
            "num_attention_heads": heads,
            "num_key_value_heads": int(header.of_model("attention.head_count_kv", heads)),
            "head_dim": (head := int(header.of_model("attention.key_length", hidden // heads))),
            "intermediate_size": int(header.of_model("feed_forward_length")),
            "max_position_embeddings": int(header.of_model("context_length")),
            "rms_norm_eps": float(header.of_model("attention.layer_norm_rms_epsilon")),
            "rope_theta": float(header.of_model("rope.freq_base", 10000.0)),
            "tie_word_embeddings": "output.weight" not in header.tensors,
            "hidden_act": "silu",
        }
    except (TypeError, ValueError, KeyError, ZeroDivisionError):
        raise StudyError(f"{header.path}: does not tell the sizes of its model; download it again") from None
    if kind != "qwen2":
        found["attention_bias"] = "blk.0.attn_output.bias" in header.tensors
        found["mlp_bias"] = "blk.0.ffn_down.bias" in header.tensors
    found |= _rope(header, head)
    _check(header, found)
    return found


def _rope(header: Header, head: int) -> dict[str, Any]:
    scaling = header.of_model("rope.scaling.type", "none")
    if header.of_model("rope.dimension_count", head) != head:
        scaling = "of a part of each head"
    if FREQUENCIES in header.tensors:
        # The file has the table alone; Llama 3.1's rule is the only one that makes such, checked at conversion.
        scaling = "llama3" if scaling == "none" else scaling
    if scaling == "none":
        return {}
    if scaling == "linear":
        return {"rope_scaling": {"rope_type": "linear", "factor": float(header.of_model("rope.scaling.factor", 1.0))}}
    if scaling == "llama3":
        rule = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
        return {"rope_scaling": {"rope_type": "llama3", "factor": 0.0} | rule}
    raise StudyError(f"{header.path}: has rotary embeddings {scaling}, which our engine does not have; {ADVICE}")


def _check(header: Header, config: Mapping[str, Any]) -> None:
    """StudyError where tensors and sizes do not fit each other, or our engine."""
    try:
        shape = Architecture.of(config)
    except UnsupportedArchitectureError as error:
        raise StudyError(f"{header.path}: has {error}, which our engine does not have; {ADVICE}") from None
    wanted = {f"model.{name}": size for name, size in shape.tensors().items()}
    if not shape.tied:
        wanted[HEAD] = (shape.vocabulary, shape.hidden)
    there = {ours: header.tensors[name].shape for name, ours in names(header).items()}
    if wrong := sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name)):
        raise StudyError(f"{header.path}: its tensor {wrong[0]} is not as its sizes ask for; {ADVICE}")


def check(path: Path, key: str) -> None:
    """StudyError, beginning with `key`, where a file is no policy that can be converted."""
    try:
        header = read(path)
        config(header)
        from ttstudy.models import gguf_tokenizer

        gguf_tokenizer.check(header)
    except StudyError as error:
        raise StudyError(f"{key}: {error}") from None

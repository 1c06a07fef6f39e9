"""A checkpoint folder made of a GGUF file: its weights undone from their quantisation, its tokenizer, its template."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ttstudy.dag import stamps
from ttstudy.data import hub
from ttstudy.errors import StudyError
from ttstudy.models import gguf, gguf_tokenizer
from ttstudy.models.architecture import Architecture
from ttstudy.models.checkpoint import RECORD
from ttstudy.models.gguf import Header

if TYPE_CHECKING:
    import torch

INSTALL = "the package `gguf` is not installed; install it with `pip install 'ttstudy[gguf]'`"


def convert(path: Path, dtype: str, output: Path) -> dict[str, Any]:
    """Write the checkpoint folder of a GGUF file, whole or not at all, and return its record.

    Weights are undone to float32 and rounded once, to `dtype`, in which they run. StudyError for whatever is not as it
    should be.
    """
    import torch
    from safetensors.torch import save_file

    header = gguf.read(path)
    config = gguf.config(header)
    if gguf.FREQUENCIES in header.tensors:
        config["rope_scaling"]["factor"] = _llama3(header, config)
    partial = output.with_name(f".{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    kind = getattr(torch, dtype)
    weights = {name: tensor.to(kind).contiguous() for name, tensor in _weights(header, config)}
    save_file(weights, partial / "model.safetensors", metadata={"format": "pt"})
    del weights
    tokens = gguf_tokenizer.settings(header)
    ends = gguf_tokenizer.ends(header)
    gguf_tokenizer.built(header).save(str(partial / "tokenizer.json"))
    for name, content in {
        "config.json": config | {"dtype": dtype, "eos_token_id": ends},
        "generation_config.json": {"eos_token_id": ends},
        "tokenizer_config.json": tokens,
    }.items():
        (partial / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    record = {
        "gguf": {"sha256": hub.digest(path, sha256()), "bytes": path.stat().st_size, "dtype": dtype},
        "told": {key: value for key, value in header.told.items() if _short(key, value)},
        "files": {
            file.name: {"bytes": file.stat().st_size, "sha256": hub.digest(file, sha256())}
            for file in sorted(partial.iterdir())
        },
    }
    (partial / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    stamps.on_checkpoint(partial, output / RECORD)
    shutil.rmtree(output, ignore_errors=True)
    os.replace(partial, output)
    return record


def _short(key: str, value: Any) -> bool:
    """Whether the record keeps what a file tells of itself: its name, author and licence among it."""
    return key.startswith("general.") and isinstance(value, str | int | float) and len(str(value)) <= 200


def _weights(header: Header, config: dict[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    """Tensors by the names of the checkpoint, in float32."""
    import torch

    with header.path.open("rb") as stream:
        data = np.memmap(stream, np.uint8, "r")
    for name, ours in gguf.names(header).items():
        values = _undone(header, data, name)
        if config["model_type"] == "llama" and (heads := _heads(ours, config)):
            # llama.cpp turns neighbours, transformers halves: its converter put the rows in its own order.
            values = values.reshape(heads, -1, 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)
        yield ours, torch.from_numpy(np.ascontiguousarray(values))


def _heads(name: str, config: dict[str, Any]) -> int:
    """Heads of a query's or key's tensor; 0 of any other."""
    if ".q_proj." in name:
        return int(config["num_attention_heads"])
    return int(config["num_key_value_heads"]) if ".k_proj." in name else 0


def _undone(header: Header, data: np.ndarray, name: str) -> np.ndarray:
    """A tensor's numbers in float32; StudyError where the library cannot undo its kind."""
    try:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, dequantize
    except ImportError:
        raise StudyError(INSTALL) from None
    tensor = header.tensors[name]
    try:
        kind = GGMLQuantizationType(tensor.kind)
        block, size = GGML_QUANT_SIZES[kind]
        length = int(np.prod(tensor.shape)) // block * size
        raw = data[tensor.start : tensor.start + length]
        rows = raw.reshape(*tensor.shape[:-1], tensor.shape[-1] // block * size)
        if kind == GGMLQuantizationType.F32:
            return np.array(rows).view("<f4").astype(np.float32)
        if kind == GGMLQuantizationType.F16:
            return np.array(rows).view("<f2").astype(np.float32)
        return np.asarray(dequantize(rows, kind), np.float32).reshape(tensor.shape)
    except (ValueError, KeyError, NotImplementedError) as error:
        raise StudyError(
            f"{header.path}: its tensor {name} cannot be undone ({error}); copy the file again, or {gguf.ADVICE}"
        ) from None


def _llama3(header: Header, config: dict[str, Any]) -> float:
    """The factor of Llama 3.1's rotary rule, held against the table in the file; StudyError where it is another's."""
    import torch

    from ttstudy.models.network import rotary

    with header.path.open("rb") as stream:
        table = _undone(header, np.memmap(stream, np.uint8, "r"), gguf.FREQUENCIES)
    factor = float(table.max())
    rule = config["rope_scaling"] | {"factor": factor}
    plain = Architecture.of({key: value for key, value in config.items() if key != "rope_scaling"})
    scaled = Architecture.of(config | {"rope_scaling": rule})
    angles = [torch.atan2(*(part[1, : len(table)] for part in reversed(rotary(one, 2)))) for one in (plain, scaled)]
    if not torch.allclose(angles[0] / torch.from_numpy(table), angles[1], rtol=1e-4, atol=1e-9):
        raise StudyError(f"{header.path}: its rotary frequencies are not Llama 3.1's; {gguf.ADVICE}")
    return factor

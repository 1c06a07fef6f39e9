"""What a checkpoint folder says of itself, read without loading a weight."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttstudy.errors import StudyError

if TYPE_CHECKING:
    pass

RECORD = "fetched.json"
"""In a fetched model's folder: id, revision, and the size and SHA-256 of every file."""

_LARGEST_HEADER = 100_000_000
"""Bytes; safetensors' own limit."""
_LARGEST_JSON = 2**28
"""Bytes of a JSON file; the largest tokenizers have a tenth of that."""
_BITS = {"BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
         "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64}  # fmt: skip
"""Of one number of a tensor; kinds that are newer than this table are taken as they are."""


def parameters(folder: Path) -> int:
    """Number of weights in a folder's safetensors files (tied weights are stored, and counted, once).

    StudyError for a file that is no safetensors file, or not all of one.
    """
    return sum(
        math.prod(item["shape"])
        for path in sorted(folder.glob("*.safetensors"))
        for name, item in _header(path).items()
        if name != "__metadata__"
    )


def _header(path: Path) -> dict[str, Any]:
    """Header of a safetensors file, whose tensors must fill the file to its last byte, each with its own numbers."""
    length = path.stat().st_size
    try:
        with path.open("rb") as stream:
            (size,) = struct.unpack("<Q", stream.read(8))
            if size > min(length, _LARGEST_HEADER):
                raise ValueError
            header = json.loads(stream.read(size))
        end = 0
        tensors = [item for name, item in header.items() if name != "__metadata__"]
        for item in sorted(tensors, key=lambda item: tuple(item["data_offsets"])):
            start, stop = item["data_offsets"]
            if start != end or not all(type(side) is int and side >= 0 for side in (*item["shape"], start, stop)):
                raise ValueError
            if (bits := _BITS.get(item["dtype"])) and 8 * (stop - start) != bits * math.prod(item["shape"]):
                raise ValueError
            end = stop
        if 8 + size + end != length:
            raise ValueError
    except (struct.error, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError):
        raise StudyError(f"{path}: not a whole safetensors file; copy or download it again") from None
    return header


def read_json(path: Path, advice: str = "copy or download it again") -> dict[str, Any]:
    """A JSON object in a file; StudyError, which ends in the advice, where it is none."""
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise ValueError
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise StudyError(f"{path}: not a readable JSON file; {advice}") from None
    if not isinstance(content, dict):
        raise StudyError(f"{path}: not a JSON object; {advice}")
    return content


def origin(folder: Path) -> str | None:
    """Hub id of a fetched checkpoint folder; None for any other folder."""
    try:
        return str(json.loads((folder / RECORD).read_text(encoding="utf-8"))["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None

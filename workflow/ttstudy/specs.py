"""Specs: what decides a step's result, as one canonical JSON text, and its short digest for paths."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from hashlib import sha256
from typing import Any


def canonical(spec: Mapping[str, Any]) -> str:
    """One text per content: keys sorted, no spaces, plain JSON values only (TypeError otherwise)."""
    return json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest8(spec: Mapping[str, Any]) -> str:
    """First eight hexadecimal characters of the SHA-256 of the canonical text."""
    return sha256(canonical(spec).encode()).hexdigest()[:8]


LONGEST = 100_000
"""Characters of a spec on a command line; Linux takes no argument of more than 131,072 bytes."""
_PACKED = "zlib:"


def argument(text: str) -> str:
    """A canonical spec as one command line argument: as it is, or packed where it is too long."""
    if len(text) <= LONGEST:
        return text
    return _PACKED + base64.b64encode(zlib.compress(text.encode(), 9)).decode("ascii")


def parse(text: str) -> Any:
    """The spec that an `argument` carries; ValueError for anything else."""
    packed = text.startswith(_PACKED)
    return json.loads(zlib.decompress(base64.b64decode(text.removeprefix(_PACKED))) if packed else text)

"""Specs: what decides a step's result, as one canonical JSON text, and its short digest for paths."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any


def canonical(spec: Mapping[str, Any]) -> str:
    """One text per content: keys sorted, no spaces, plain JSON values only (TypeError otherwise)."""
    return json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest8(spec: Mapping[str, Any]) -> str:
    """First eight hexadecimal characters of the SHA-256 of the canonical text."""
    return sha256(canonical(spec).encode()).hexdigest()[:8]

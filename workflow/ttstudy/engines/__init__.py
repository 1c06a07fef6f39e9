"""Where tokens come from: the engine protocol and its implementations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .protocol import Engine

KINDS = ("transformers",)
"""Kinds of engine that `open_engine` knows."""


def open_engine(
    path: str | Path, kind: str = "transformers", name: str | None = None, **options: Any
) -> Engine:
    """Load the policy in a checkpoint folder; `options` go to the engine. ValueError for another kind."""
    if kind not in KINDS:
        raise ValueError(f"There is no engine {kind!r}; supported: {', '.join(KINDS)}.")
    from .transformers_engine import TransformersEngine

    return TransformersEngine(path, name, **options)

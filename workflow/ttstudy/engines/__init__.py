"""Where tokens come from: the engine protocol and its implementations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttstudy.errors import StudyError

if TYPE_CHECKING:
    from .protocol import Engine

KINDS = ("transformers", "vllm")
"""Kinds of engine that `open_engine` knows."""


def open_engine(path: str | Path, kind: str = "transformers", name: str | None = None, **options: Any) -> Engine:
    """Load the policy in a checkpoint folder; `options` go to the engine. ValueError for another kind."""
    if kind == "transformers":
        from .transformers_engine import TransformersEngine

        return TransformersEngine(path, name, **options)
    if kind == "vllm":
        from .replicas import open_vllm

        return open_vllm(path, name, **options)
    if kind == "openai":
        raise StudyError(
            "engine openai: an endpoint takes messages and cannot go on from tokens, so its policies can be voted on "
            "but not searched with; leave them out of beam_search and dvts"
        )
    raise ValueError(f"There is no engine {kind!r}; supported: {', '.join(KINDS)}.")


def open_policy(path: str | Path, spec: Mapping[str, Any], machine: Mapping[str, Any] | None = None) -> Engine:
    """The engine that a step's spec asks for; `machine` has the engine's options that change no result."""
    options = {"device": spec["device"]} if "device" in spec else {}
    options |= spec.get(spec["engine"], {})
    return open_engine(path, spec["engine"], dtype=spec["dtype"], **options, **(machine or {}))

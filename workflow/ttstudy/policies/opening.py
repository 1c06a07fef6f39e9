"""One way to open a policy, whatever draws its tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttstudy.dag.specs import records
from ttstudy.errors import StudyError

if TYPE_CHECKING:
    from ttstudy.dag.specs import generation as spec
    from ttstudy.policies.protocol import Engine

KINDS = ("transformers", "vllm")
"""Kinds of engine that `open_engine` knows."""


def open_engine(path: str | Path, kind: str = "transformers", name: str | None = None, **options: Any) -> Engine:
    """Load the policy in a checkpoint folder; `options` go to the engine. ValueError for another kind."""
    if kind == "transformers":
        from ttstudy.policies.native import NativeEngine

        return NativeEngine(path, name, **options)
    if kind == "vllm":
        from ttstudy.policies.replicas import open_vllm

        return open_vllm(path, name, **options)
    if kind == "openai":
        raise StudyError(
            "engine openai: an endpoint takes messages and cannot go on from tokens, so its policies can be voted on "
            "but not searched with; leave them out of the searches"
        )
    raise ValueError(f"There is no engine {kind!r}; supported: {', '.join(KINDS)}.")


def open_policy(path: str | Path, engine: spec.Engine) -> Engine:
    """The engine that a step's spec asks for, with the policy whose checkpoint's folder is `path`."""
    options = records.bound(engine.vllm) | records.free(engine.vllm) if engine.kind == "vllm" else {}
    if engine.device != "cpu":
        options["device"] = engine.device
    return open_engine(path, engine.kind, dtype=engine.dtype, **options)

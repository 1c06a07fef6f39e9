"""One way to open a policy, whatever draws its tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttstudy.errors import StudyError
from ttstudy.kinds.engines import ENGINES, LOCAL_POLICIES
from ttstudy.kinds.registry import named

if TYPE_CHECKING:
    from ttstudy.dag.specs import generation as spec
    from ttstudy.policies.protocol import Engine


def open_engine(path: str | Path, kind: str = "transformers", name: str | None = None, **options: Any) -> Engine:
    """Load the policy in a checkpoint folder; `options` go to the engine. ValueError for another kind."""
    engine = ENGINES.get(kind)
    if engine is not None and engine.no_search:
        raise StudyError(f"engine {kind}: {engine.no_search}")
    if kind not in LOCAL_POLICIES:
        raise ValueError(f"There is no engine {kind!r}; supported: {', '.join(LOCAL_POLICIES)}.")
    opened: Engine = named(LOCAL_POLICIES[kind].opens)(path, name, **options)
    return opened


def open_policy(path: str | Path, engine: spec.Engine) -> Engine:
    """The engine that a step's spec asks for, with the policy whose checkpoint's folder is `path`."""
    device = {} if engine.device == "cpu" else {"device": engine.device}
    return open_engine(path, engine.kind, dtype=engine.dtype, **engine.options, **device)

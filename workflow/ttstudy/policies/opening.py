"""One way to open a policy, whatever draws its tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttstudy.errors import StudyError
from ttstudy.kinds.engines import ENGINES, LOCAL_POLICIES
from ttstudy.kinds.registry import named

if TYPE_CHECKING:
    from ttstudy.dag.specs import generation as spec
    from ttstudy.models.budget import Seat
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


def open_policy(path: str | Path, engine: spec.Engine, seat: Seat | None = None) -> Engine:
    """The engine that a step's spec asks for, with the policy whose checkpoint's folder is `path`.

    `seat`: its share of its GPUs, where it has some; what it says changes no result.
    """
    options = engine.options | ({} if engine.device == "cpu" else {"device": engine.device})
    if seat is not None and "gpu_memory_utilization" in options:
        options["gpu_memory_utilization"] = seat.share
        options["max_num_seqs"] = seat.sequences
    return open_engine(path, engine.kind, dtype=engine.dtype, **options)

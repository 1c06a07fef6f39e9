"""Models that a worker keeps loaded between its jobs; any other process opens each and keeps none."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple


class _Kept(NamedTuple):
    what: tuple[object, ...]
    model: Any
    environment: dict[str, str]
    """What its opening put into the environment, which its engine may read later."""


_models: dict[str, _Kept] | None = None


def keep() -> None:
    """Keep what is opened from now on: this process is a worker."""
    global _models
    _models = {}


def opened(what: tuple[object, ...], opens: Callable[[], Any], loads: dict[str, float | None]) -> Any:
    """A model: one that is loaded already, as if it had just been opened, or a new one.

    `what`: its role, `policy` or `prm`, and all that tells it from others of its role. `loads` gets the seconds that
    loading took; None where nothing was loaded.
    """
    role = str(what[0])
    known = None if _models is None else _models.get(role)
    if known is not None and known.what == what:
        os.environ.update(known.environment)
        known.model.forget()
        loads[role] = None
        return known.model
    known = None
    drop(role)
    before, start = dict(os.environ), time.monotonic()
    model = opens()
    loads[role] = round(time.monotonic() - start, 3)
    if _models is not None and all(hasattr(each, "forget") for each in (model, getattr(model, "engine", model))):
        new = {name: value for name, value in os.environ.items() if before.get(name) != value}
        _models[role] = _Kept(what, model, new)
    return model


def drop(*roles: str) -> None:
    """Close models that are kept, and give their memory back; all of them by default."""
    for role in roles or tuple(_models or {}):
        if (gone := (_models or {}).pop(role, None)) is not None:
            for each in (gone.model, getattr(gone.model, "engine", gone.model)):
                with suppress(Exception):  # not all can be closed; they go with their process
                    each.close()
            del gone
            gc.collect()

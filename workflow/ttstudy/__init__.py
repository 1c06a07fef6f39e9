"""ttstudy: a reproducible study of compute-optimal test-time scaling.

    >>> import ttstudy
    >>> ttstudy.equivalent("1/2", "0.5")
    True

`load` opens a finished study, `extract`, `equivalent` and `grade` read answers, `open_engine` and `open_reward_model`
open models, and `search.run` searches with one's own policy and PRM. What is not used is not imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ttstudy.answers import equivalent, extract, grade
    from ttstudy.errors import StudyError
    from ttstudy.methods import own as search
    from ttstudy.policies.opening import open_engine
    from ttstudy.prms import open_reward_model
    from ttstudy.run.finished import Finished, load

__all__ = [
    "Finished", "StudyError", "equivalent", "extract", "grade", "load", "open_engine", "open_reward_model", "search",
]  # fmt: skip
_PLACES = {
    "Finished": "run.finished:Finished",
    "StudyError": "errors:StudyError",
    "equivalent": "answers:equivalent",
    "extract": "answers:extract",
    "grade": "answers:grade",
    "load": "run.finished:load",
    "open_engine": "policies.opening:open_engine",
    "open_reward_model": "prms:open_reward_model",
    "search": "methods.own:",
}
"""By name: the module, and what of it; nothing: the module itself."""


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module 'ttstudy' has no attribute {name!r}")
    module, _, inside = _PLACES[name].partition(":")
    found = import_module(f"ttstudy.{module}")
    return getattr(found, inside) if inside else found


def __dir__() -> list[str]:
    """What can be asked for."""
    return sorted({*globals(), *__all__})

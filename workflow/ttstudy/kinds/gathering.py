"""How a folder becomes a registry of which a file may hold several things, or none; see also `registry`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TypeVar

from ttstudy.kinds.registry import modules

Kind = TypeVar("Kind")


def gathered(package: str, folder: Iterable[str], kind: type[Kind]) -> list[tuple[str, Kind]]:
    """Every `kind` that the modules of a package define, each with its module's file.

    In the order of the modules' names, then of definition; one that a module imports is another's.
    """
    found: dict[int, tuple[str, Kind]] = {}
    for name in modules(folder):
        module = import_module(f"{package}.{name}")
        for item in vars(module).values():
            if isinstance(item, kind):
                found.setdefault(id(item), (str(module.__file__), item))
    return list(found.values())

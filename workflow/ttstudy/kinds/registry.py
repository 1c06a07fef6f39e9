"""How a folder of files becomes a registry: the name of a file is the name of the thing in it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeVar

from ttstudy.errors import StudyError

Kind = TypeVar("Kind")
_NAME = re.compile(r"(?!none$)[a-z][a-z0-9_]*")
"""A name is a key, a word in tables and a folder, which some file systems take for the same in capitals."""


@dataclass(frozen=True, slots=True)
class Look:
    """How something is shown. No result depends on it: code digests of steps but the report's leave `Look(...)` out.

    Colour, marker and dash of no two things of a kind are all the same, since one of them alone must tell them apart.
    """

    label: str
    """As a heading or a legend names it."""
    short: str = ""
    """As a sentence names it, in lower case but for names; "" for the label."""
    tiny: str = ""
    """As the cell of a figure names it, where there is little room; "" for the short name."""
    colour: str = "#5b5f66"
    dark: str = "#b5bcc6"
    """The colour in the dark theme."""
    marker: str | None = "X"
    dash: str | tuple[float, tuple[float, ...]] = "-"
    """As matplotlib writes line styles."""

    @property
    def words(self) -> str:
        """What a sentence says."""
        return self.short or self.label

    @property
    def cell(self) -> str:
        """What the cell of a figure says."""
        return self.tiny or self.words


def named(place: str) -> Any:
    """What `module:name` names, its module imported now. Code digests follow such a text as they follow an import."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def modules(folder: Iterable[str]) -> list[str]:
    """Names of the modules in a package's folder, sorted; StudyError where one is a folder itself."""
    found = [*iter_modules(folder)]
    for module in found:
        if module.ispkg:
            raise StudyError(
                f"{[*folder][0]}/{module.name}: must be one file, {module.name}.py, since a folder's code is in no "
                "digest of what is made with it"
            )
    return sorted(module.name for module in found)


def collected(package: str, folder: Iterable[str], kind: type[Kind]) -> dict[str, Kind]:
    """The one `kind` that each module of a package defines, by the module's name, in alphabetical order.

    A module whose name starts with `_` is none of them. StudyError where a module defines none or several, where it is
    a folder, or where its name can be none in tables and paths.
    """
    found: dict[str, Kind] = {}
    for name in (name for name in modules(folder) if not name.startswith("_")):
        module = import_module(f"{package}.{name}")
        if not _NAME.fullmatch(name):
            raise StudyError(
                f"{module.__file__}: a file's name is the name of what is in it: small letters, digits and "
                "underscores, from a letter on, and not `none`, by which tables say that there is none; rename it"
            )
        own = [item for item in vars(module).values() if isinstance(item, kind)]
        if len(own) != 1:
            raise StudyError(
                f"{module.__file__}: must define one {kind.__name__}, but has {len(own)} (one that it imports counts); "
                "see CONTRIBUTING.md for how to add one"
            )
        found[name] = own[0]
    return found

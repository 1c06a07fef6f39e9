"""The specs that a layout has named, and what every part of a layout builds on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

from ttstudy import fingerprint
from ttstudy.errors import StudyError
from ttstudy.specs import argument, canonical, digest8
from ttstudy.study import Study

_DIGEST = re.compile(r"[-/]([0-9a-f]{8})(?=[/.])")


def remembered(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of `Layout` whose answers are kept: a study does not change, and rules ask the same again and again."""

    @wraps(method)
    def answer(self: Specs, *names: str | None, **more: str | None) -> Any:
        key = (method.__name__, *names, *more.items())
        if key not in self._kept:
            self._kept[key] = method(self, *names, **more)
        return self._kept[key]

    return answer


@dataclass
class Specs:
    """A study, the folder that its relative paths start from, and the specs that its paths have named so far."""

    study: Study
    root: Path = field(default_factory=Path)
    _specs: dict[str, str] = field(default_factory=dict)
    _files: dict[str, str] = field(default_factory=dict)
    _kept: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Folder of this study's own files."""
        return f"{self.study.results}/studies/{self.study.study}"

    def _named(self, spec: dict[str, Any]) -> str:
        name = digest8(spec)
        self._specs[name] = canonical(spec)
        return name

    def spec(self, digest: str) -> str:
        """The canonical spec whose first eight hash characters these are."""
        try:
            return self._specs[digest]
        except KeyError:
            raise StudyError(
                f"nothing in this configuration has the spec {digest}; ask for a path that `snakemake -n` lists"
            ) from None

    def knows(self, path: str) -> bool:
        """Whether every spec that a path names, and the study, are of this configuration."""
        own = path.startswith(f"{self.folder}/") or not path.startswith(f"{self.study.results}/studies/")
        return own and all(digest in self._specs for digest in _DIGEST.findall(path))

    def _light(self, step: str, **settings: Any) -> str:
        return argument(canonical({"step": step, "code": fingerprint.code(step)} | settings))

"""What every part of a layout builds on: a study, and specs that are made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from ttstudy.dag.specs.records import Spec
from ttstudy.study import Study

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")
_Layout = TypeVar("_Layout", bound="Base")


def remembered(
    method: Callable[Concatenate[_Layout, _Arguments], _Answer],
) -> Callable[Concatenate[_Layout, _Arguments], _Answer]:
    """A method of `Layout` whose answers are kept: a study does not change, and rules ask the same again and again."""

    @wraps(method)
    def answer(self: _Layout, *names: _Arguments.args, **more: _Arguments.kwargs) -> _Answer:
        # What a job's first output is tells the job.
        told = (name.product if isinstance(name, Spec) else name for name in (*names, *more.values()))
        key = (method.__name__, *more, *told)
        if key not in self._kept:
            self._kept[key] = method(self, *names, **more)
        found: _Answer = self._kept[key]
        return found

    return answer


@dataclass
class Base:
    """A study, and the folder that its relative paths start from."""

    study: Study
    root: Path = field(default_factory=Path)
    _kept: dict[Any, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Folder of this study's own files."""
        return f"{self.study.results}/studies/{self.study.study}"

"""What every function of the layout is given: a study, and the specs that were made of it so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from ttstudy.dag import places
from ttstudy.dag.specs.records import Spec
from ttstudy.study import Study

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Layout:
    """A study, and the folder that its relative paths start from; `ttstudy.dag.layout.open_layout` checks both."""

    study: Study
    root: Path = field(default_factory=Path)
    kept: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)
    """Specs that were made, by the function that made them and what it was asked for."""

    @property
    def folder(self) -> str:
        """Folder of this study's own files."""
        return places.STUDY.format(results=self.study.results, study=self.study.study)


def remembered(
    function: Callable[Concatenate[Layout, _Arguments], _Answer],
) -> Callable[Concatenate[Layout, _Arguments], _Answer]:
    """A function whose answers a layout keeps: a study does not change, and rules ask the same again and again."""

    @wraps(function)
    def answer(layout: Layout, /, *names: _Arguments.args, **more: _Arguments.kwargs) -> _Answer:
        # What a job's first output is tells the job.
        told = (name.product if isinstance(name, Spec) else name for name in (*names, *more.values()))
        key = (function, *more, *told)
        if key not in layout.kept:
            layout.kept[key] = function(layout, *names, **more)
        found: _Answer = layout.kept[key]
        return found

    return answer

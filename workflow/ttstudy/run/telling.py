"""How a process of ours ends where something is wrong that is no defect of ours: one sentence, and a status."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ttstudy.errors import Ending, StudyError, ending, sentence
from ttstudy.run import endings

Result = TypeVar("Result")


def told(action: Callable[[], Result], log: Path | None = None) -> Result:
    """What `action` returns; what it cannot do through no fault of ours is told, in the log too, and ends the process.

    An input that turns out damaged is set aside, so that the next run makes it again.
    """
    try:
        return action()
    except Exception as error:
        if isinstance(error, StudyError):
            _set_aside(error)
        words = sentence(error)
        if words is None:
            endings.note(None, f"{type(error).__name__}: {error}")
            raise
        status = ending(error)
        endings.note(status, words)
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("a", encoding="utf-8") as stream:
                print(f"error: {words}", file=stream)
        if status == Ending.MISTAKE:
            sys.exit(f"error: {words}")
        print(f"error: {words}", file=sys.stderr)
        sys.exit(status)


def _set_aside(error: StudyError) -> None:
    tables = sys.modules.get("ttstudy.data.tables")  # its error cannot come from where it is not loaded
    if tables is not None and isinstance(error, tables.DamagedError):
        from ttstudy.run import integrity

        with suppress(OSError):
            integrity.set_aside(error.path)

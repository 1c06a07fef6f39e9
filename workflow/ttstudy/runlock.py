"""One run at a time on a results folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from ttstudy.study import StudyError

_held: list[IO[str]] = []


def hold_results(folder: str | Path) -> None:
    """Hold the folder until this process ends, however it ends; StudyError names the run that holds it already."""
    path = Path(folder) / ".run.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = path.open("a+")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        stream.seek(0)
        holder = stream.read().strip() or "unknown"
        raise StudyError(
            f"another run (process {holder}) is working in {folder}; wait for it, or give this study another "
            "`results` folder"
        ) from None
    stream.truncate(0)
    stream.write(str(os.getpid()))
    stream.flush()
    _held.append(stream)

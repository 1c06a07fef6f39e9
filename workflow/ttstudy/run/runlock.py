"""One run at a time on a results folder."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import sys
from pathlib import Path
from typing import IO

from ttstudy.errors import StudyError

_held: list[IO[str]] = []


def hold_results(folder: str | Path) -> None:
    """Hold the folder until this process ends, however it ends; StudyError names the run that holds it already.

    A lock of the kernel's, not a file that is there or not: what a killed run leaves behind blocks nobody.
    """
    path = Path(folder) / ".run.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+")
    except OSError as error:
        raise StudyError(f"results: {path} cannot be written ({error.strerror}); give a folder that can") from None
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            print(f"warning: {folder} knows no locks ({error.strerror}); see to it that one run works there at a time",
                  file=sys.stderr)  # fmt: skip
            return
        stream.seek(0)
        holder = stream.read().strip() or "unknown"
        raise StudyError(
            f"another run (process {holder}) is working in {folder}; wait for it, end it, or give this study another "
            f"`results` folder (a run that died holds nothing; only where that machine itself is gone, delete {path})"
        ) from None
    stream.seek(0)
    stream.truncate()
    stream.write(f"{os.getpid()} on {platform.node()}")
    stream.flush()
    _held.append(stream)

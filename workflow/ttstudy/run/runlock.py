"""One run at a time on a results folder: a lock of the kernel's, and a lease where hosts share no locks."""

from __future__ import annotations

import atexit
import errno
import fcntl
import os
import platform
from pathlib import Path
from typing import IO

from ttstudy.errors import HeldError, StudyError
from ttstudy.run import leases

_held: list[IO[str]] = []


def hold_results(folder: str | Path) -> None:
    """Hold the folder until this process ends, however it ends; StudyError names the run that holds it already.

    A lock of the kernel's, not a file that is there or not: what a killed run leaves behind blocks nobody. It may not
    reach another host; there the lease does, which a killed run holds for two minutes more.
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
            stream.close()
            _hold_lease(Path(folder))
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
    _hold_lease(Path(folder))


def _hold_lease(folder: Path) -> None:
    try:
        lease = leases.take(folder / ".run.lease", whole_run=True)
    except HeldError as error:
        raise StudyError(f"another run is working in {folder} ({error}), or give this study another `results` folder") \
            from None  # fmt: skip
    atexit.register(lease.release)

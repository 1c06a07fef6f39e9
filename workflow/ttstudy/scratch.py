"""Models on a node's own disk: copied from the shared file system once per node, by whichever job comes first."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

MODELS = ("--policy", "--prm")
_DIGEST = 8


def staged(command: Sequence[str], folder: str) -> list[str]:
    """The command with its model folders replaced by copies in `folder`; a name carries what the model is."""
    result = list(command)
    for index, option in enumerate(result[:-1]):
        source = Path(result[index + 1])
        if option in MODELS and source.is_dir() and _carries_its_digest(source):
            result[index + 1] = str(_copy(source, Path(folder)))
    return result


def _carries_its_digest(folder: Path) -> bool:
    """Whether the name ends in a spec's digest, so that another model never has the same name."""
    tail = folder.name.rsplit("-", 1)[-1]
    return len(tail) == _DIGEST and all(c in "0123456789abcdef" for c in tail)


def _copy(source: Path, folder: Path) -> Path:
    """The copy's path; where the disk cannot hold it, the source's."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / source.name
    with (folder / f".{source.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return target
        needed = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
        if shutil.disk_usage(folder).free < needed * 1.05:
            return source
        partial = folder / f".{source.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(source, partial)
        os.replace(partial, target)
    return target

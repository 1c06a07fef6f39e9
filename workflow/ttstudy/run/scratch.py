"""Models on a node's own disk: copied from the shared file system once per node, by whichever job comes first."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from hashlib import file_digest
from pathlib import Path

from ttstudy.dag import stamps
from ttstudy.dag.specs import files
from ttstudy.dag.stamps import MARKERS
from ttstudy.data import room
from ttstudy.errors import one_line
from ttstudy.run import integrity

STAGED = "TTSTUDY_STAGED"
"""Environment variable with the copies, as JSON: a model's folder, and that of its copy."""
_DIGEST = 8


def staged(spec: Path, folder: str) -> dict[str, str]:
    """Copies in `folder` of the models that a spec's file names, by the folders that they are copies of.

    A folder's name carries what the model is; others are not copied.
    """
    found = {}
    for path in _paths(files.content(spec)["spec"]):
        source = Path(path).parent
        if Path(path).name in MARKERS and source.is_dir() and _carries_its_digest(source):
            found[str(source)] = str(_copy(source, Path(folder)))
    return found


def _paths(item: object) -> list[str]:
    """Every `path` in a spec."""
    if isinstance(item, dict):
        own = [item["path"]] if isinstance(item.get("path"), str) else []
        return own + [path for value in item.values() for path in _paths(value)]
    return [path for value in item for path in _paths(value)] if isinstance(item, list) else []


def _carries_its_digest(folder: Path) -> bool:
    """Whether the name ends in a spec's digest, so that another model never has the same name."""
    tail = folder.name.rsplit("-", 1)[-1]
    return len(tail) == _DIGEST and all(c in "0123456789abcdef" for c in tail)


def _copy(source: Path, folder: Path) -> Path:
    """The copy's path; where the disk cannot hold it, the source's."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # By what is in it as well: a model that was trained or fetched again may be another under the same name.
    told = next((stamp for marker in MARKERS if (stamp := stamps.of(source / marker)) is not None), None)
    target = folder / (source.name if told is None else f"{source.name}-{told.content[:8]}")
    with (folder / f".{source.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            here, there = _sizes(target), _sizes(source)
            # What came to the source later, such as records of jobs, is no part of the model.
            if all(here.get(name) == there.get(name) for name in integrity.checksums(source) or there):
                return target
            shutil.rmtree(target)  # cleaners of temporary folders take files one by one
        needed = sum(_sizes(source).values())
        if room.free(folder) < needed * 1.05:
            return source
        partial = folder / f".{source.name}.partial"
        for _attempt in range(2):
            shutil.rmtree(partial, ignore_errors=True)
            try:
                shutil.copytree(source, partial)
            except shutil.Error as error:  # of many files, one of which did not fit
                shutil.rmtree(partial, ignore_errors=True)
                print(f"warning: {folder} is not used: {one_line(str(error), 300)}", file=sys.stderr)
                return source
            if (broken := _differs(source, partial)) is None:
                os.replace(partial, target)
                return target
        shutil.rmtree(partial)
    print(f"warning: {broken} is not what it was copied from, twice; {folder} is not used", file=sys.stderr)
    return source


def _sizes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def _differs(source: Path, copy: Path) -> Path | None:
    """A file of a copy that is not what its checkpoint's checksums say, or, without any, what is in the source."""
    listed = integrity.checksums(source)
    for path in sorted(path for path in copy.rglob("*") if path.is_file()):
        name = str(path.relative_to(copy))
        if _digest(path) != (listed.get(name) or _digest(source / name)):
            return path
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()

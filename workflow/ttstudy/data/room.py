"""How much this user may still write in a folder: what is free there, and what a quota leaves."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

_ROW = re.compile(r"^\s*(\S+)\s+(\d{1,18})\*?\s+(\d{1,18})\s+(\d{1,18})\s", re.MULTILINE)
"""A row of `quota -w` and of `lfs quota -q`: file system, KiB used (a star: above the quota), soft and hard limit."""


class Mount(NamedTuple):
    """A mounted file system."""

    source: str
    place: str
    kind: str


def free(folder: Path) -> int:
    """Bytes that this user may still write in a folder that is there."""
    there = shutil.disk_usage(folder).free
    left = quota(folder)
    return there if left is None else min(there, left)


def quota(folder: Path) -> int | None:
    """Bytes that this user's quota leaves in a folder; None where there is none, or nobody tells."""
    mount = mounted(folder.resolve(), Path("/proc/self/mounts"))
    if mount is None:
        return None
    asked = ["lfs", "quota", "-q", "-u", str(os.getuid()), mount.place] if mount.kind == "lustre" else ["quota", "-w"]
    if shutil.which(asked[0]) is None:
        return None
    plain = os.environ | {"LC_ALL": "C"}
    try:
        told = subprocess.run(asked, capture_output=True, text=True, errors="replace", timeout=30, env=plain)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return left(told.stdout, {mount.source, mount.place})  # whatever the status: 1 tells of a quota that is used up


def left(said: str, names: set[str]) -> int | None:
    """Bytes that a quota leaves, by the words of `quota -w` or `lfs quota -q`, on a file system of one of the names."""
    for name, used, soft, hard in _ROW.findall(said):
        limit = int(hard) or int(soft)
        if name in names and limit:
            return max(0, limit - int(used)) * 1024
    return None


def mounted(folder: Path, table: Path) -> Mount | None:
    """The file system that a folder is on, by the kernel's table of mounts; None where there is no such table."""
    try:
        lines = [line.split() for line in table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()]
    except OSError:
        return None
    found = [Mount(line[0], line[1].replace("\\040", " "), line[2]) for line in lines if len(line) > 2]
    above = [mount for mount in found if folder.is_relative_to(mount.place)]
    # Of several at one place the last is on top, as of a place that was mounted when it was asked for.
    return max(reversed(above), key=lambda mount: len(mount.place), default=None)

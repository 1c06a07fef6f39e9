"""Where a result came from: commit, hardware, checksums."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from ttstudy.fingerprint import ROOT


def commit() -> str:
    """Commit of this checkout, with `+changes` where files differ from it; `unknown` outside git."""
    try:
        run = subprocess.run(
            ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+changes", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return run.stdout.strip()


def hardware() -> str:
    """Processor, cores and memory in words; no host name."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return f"{model}, {os.cpu_count()} cores, {pages / 2**30:.0f} GiB, {platform.system()}"
    except (OSError, StopIteration, ValueError):
        return f"{model}, {os.cpu_count()} cores, {platform.system()}"


def checksums(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of files by path."""
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in paths}

"""Small files that appear whole or not at all, whatever kills their writer."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, content: str | bytes) -> None:
    """Write a file in a folder that is there; what is left of a failure has a hidden name, `.NAME.PID.tmp`."""
    temporary = path.with_name(f".{path.name.removeprefix('.')}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)

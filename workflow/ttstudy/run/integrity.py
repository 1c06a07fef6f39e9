"""Damaged results: noticed before anything reads them, named, set aside, and made again.

What a step writes can tell by itself whether it is whole: a Parquet file has a footer and a checksum per page, a page
or figure of the report ends in its own checksum, a checkpoint folder lists its files' checksums. `sweep` looks at what
is new or changed since it last looked, and sets aside (`NAME.damaged`) what is not whole: to Snakemake it is missing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from ttstudy.dag import stamps, writing
from ttstudy.dag.stamps import MARKERS as _MARKERS
from ttstudy.errors import StudyError
from ttstudy.models.checkpoint import parameters, read_json

DAMAGED = ".damaged"
CHECKSUMS = "checksums.json"
_SEEN = ".seen.json"
_DIGEST = re.compile(r"(?:^|[-/])[0-9a-f]{8}[/.]")
_LARGE = 2**30
"""Bytes of a weight file above which its size and header, not its checksum, are looked at on every change."""


def sealed(content: bytes) -> bytes:
    """HTML or SVG with its SHA-256 as a comment at its end."""
    return content + f"<!-- sha256 {sha256(content).hexdigest()} -->\n".encode()


def write_checksums(folder: Path) -> None:
    """Record the SHA-256 of each file of a checkpoint folder in the folder itself; clock times are left out."""
    apart = (CHECKSUMS, stamps.CHECKPOINT, "timing.json")
    files = (path for path in sorted(folder.iterdir()) if path.name not in apart)
    record = {path.name: sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()}
    (folder / CHECKSUMS).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def fault(path: Path) -> str | None:
    """What is wrong with a result (a table, a page, or the record of a checkpoint folder); None when it is whole."""
    try:
        if path.suffix == ".parquet":
            return _parquet(path)
        if path.suffix in (".html", ".svg"):
            return _sealed(path.read_bytes())
        if path.name in _MARKERS:
            return _checkpoint(path.parent, path.name)
        read_json(path)
        return None
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    except StudyError as error:
        return str(error)


def _parquet(path: Path) -> str | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read()
        told = stamps.of(path)
        if told is not None and told.content != stamps.of_rows(table):
            return "its rows are not those that its stamp tells of"
    except (pa.ArrowException, ValueError, OSError) as error:
        return f"not a whole Parquet file ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
    return None


def _sealed(content: bytes) -> str | None:
    body, mark, _ = content.rpartition(b"<!-- sha256 ")
    if not mark:
        return "cut off"
    return None if sealed(body) == content else "not what its checksum says"


def _checkpoint(folder: Path, marker: str) -> str | None:
    record = read_json(folder / marker)
    parameters(folder)
    for name, file in record["files"].items() if marker == "fetched.json" else ():
        if (folder / name).stat().st_size != file["bytes"]:
            return f"{name} has not the size that was fetched"
    for name, digest in checksums(folder).items():
        if marker == "fetched.json" and (folder / name).stat().st_size >= _LARGE:
            continue
        if sha256((folder / name).read_bytes()).hexdigest() != digest:
            return f"{name} is not what its checksum says"
    return None


def checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of a checkpoint's files by name, as its own list or the record of its fetching has them; may be empty."""
    if (folder / CHECKSUMS).is_file():
        return dict(read_json(folder / CHECKSUMS))
    if (folder / "fetched.json").is_file():
        return {name: str(file["sha256"]) for name, file in read_json(folder / "fetched.json")["files"].items()}
    return {}


def set_aside(path: Path) -> None:
    """Rename a damaged result, so that it is missing and will be made again."""
    aside = path.with_name(path.name + DAMAGED)
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside)
    os.replace(path, aside)


def _unit(path: Path) -> Path:
    """What is made again for a file: a figure's whole folder, else the file."""
    return path.parent if path.suffix == ".svg" else path


def _ours(path: str) -> bool:
    """Whether a path below the results folder is one that a run makes: a study's, or with a spec's digest in it."""
    if path.startswith("rehearsals/"):
        return False
    return path.startswith(("studies/", "comparisons/")) or _DIGEST.search(path) is not None


def _results(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and not name.endswith(DAMAGED)]
        for name in files:
            path = Path(place, name)
            if not _ours(str(path.relative_to(folder))):
                continue
            known = path.suffix in (".parquet", ".html", ".svg") or name in (*_MARKERS, "provenance.json")
            if known and not name.startswith("."):
                yield path


def _state(path: Path) -> list[int]:
    """Size and time of a file; of a checkpoint, those of all its files."""
    files = [path] if path.name not in _MARKERS else [item for item in path.parent.iterdir() if item.is_file()]
    stats = [item.stat() for item in files]
    return [sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats), len(stats)]


def sweep(results: Path) -> tuple[list[Path], dict[Path, str]]:
    """What is to be made again, and what is wrong with each thing that was set aside just now.

    The first also names what an earlier run set aside and did not get to make again.
    """
    memory = results / _SEEN
    try:
        seen = json.loads(memory.read_text())
    except (OSError, ValueError):
        seen = {}
    now: dict[str, list[int]] = {}
    found: dict[Path, str] = {}
    for path in _results(results):
        if _unit(path) in found:
            continue
        try:
            state = _state(path)
        except OSError:
            state = []
        if not state or seen.get(str(path.relative_to(results))) != state:
            reason = fault(path)
            if reason is not None:
                found[_unit(path)] = reason
                set_aside(_unit(path))
                continue
        now[str(path.relative_to(results))] = state
    if now != seen and results.is_dir() and os.access(results, os.W_OK):
        writing.write(memory, json.dumps(now))
    return list(set_aside_before(results)), found


def set_aside_before(results: Path) -> Iterator[Path]:
    """Results that were set aside and are not back; the remains of those that are back are removed."""
    for aside in sorted(results.rglob(f"*{DAMAGED}")):
        if not _ours(str(aside.relative_to(results))):
            continue
        original = aside.with_name(aside.name.removesuffix(DAMAGED))
        if not original.exists():
            yield original
        elif aside.is_dir():
            shutil.rmtree(aside)
        else:
            aside.unlink()

"""Digests of what was made elsewhere: files by their content, checkpoints by their configuration and weights."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from glob import iglob
from hashlib import sha256
from io import BufferedReader
from itertools import islice
from pathlib import Path

from ttstudy.dag import writing
from ttstudy.errors import StudyError
from ttstudy.study.fields import plain_path

_HEAD = 2**20


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    """The file's stream; StudyError where it cannot be read, which the system tells without a name."""
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror})") from None


_LARGE = 16 * _HEAD
_known: dict[str, str] = {}
_memory: list[Path] = []


def remember(results: Path) -> None:
    """Keep digests of large weights in a results folder: they are read once, not at every start and in every job."""
    _memory[:] = [results / ".given.json"]
    with suppress(OSError, ValueError):
        found = json.loads(_memory[0].read_text(encoding="utf-8"))
        _known.update({str(key): str(value) for key, value in dict(found).items()})


def file_digest(path: Path) -> str:
    """SHA-256 of a file's size and content."""
    stat = path.stat()
    # Whoever writes a file moves its ctime, which no `touch` can set back.
    told = (path.resolve(), stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    key = " ".join(map(str, told))
    if key not in _known:
        total = sha256(str(stat.st_size).encode())
        with _opened(path) as stream:
            while part := stream.read(_LARGE):
                total.update(part)
        _known[key] = total.hexdigest()
        if stat.st_size > _LARGE and _memory and os.access(_memory[0].parent, os.W_OK):
            writing.write(_memory[0], json.dumps(_known))
    return _known[key]


def given(path: Path, key: str) -> Path:
    """The path; StudyError, beginning with `key`, where it is no file: a pipe or a device could be read for ever."""
    try:
        if path.is_file():
            return path
    except OSError:  # a name too long, for one
        pass
    raise StudyError(f"{key}: there is no file {path}")


MOST_FILES = 200_000
"""Of a folder or pattern."""
_DATA = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".eval", ".gz", ".bz2", ".xz", ".zst")


def found(root: Path, paths: str | Sequence[str], key: str) -> list[Path]:
    """The files that paths, patterns and folders name, in the order of the numbers in their names.

    StudyError, beginning with `key`, where there is none. Of a folder, all files of data in it and in its folders; of
    a run of the official code, those in its `question_*` folders.
    """
    files: list[Path] = []
    for path in [paths] if isinstance(paths, str) else paths:
        place = root / path
        if "*" in path or "?" in path:
            matching = [Path(name) for name in islice(iglob(str(place), recursive=True), MOST_FILES + 1)]
            files += sorted((file for file in matching if not file.is_dir()), key=_natural)
            if not matching:
                raise StudyError(f"{key}: no file is named like {place}")
        elif _is_folder(place):
            inside = place.glob("question_*/*") if (place / "config.json").is_file() else place.rglob("*")
            within = (file for file in inside if file.suffix in _DATA and not file.name.startswith("."))
            some = sorted(islice(within, MOST_FILES + 1), key=_natural)
            if not some:
                raise StudyError(f"{key}: there is no file {place} (a folder without {', '.join(_DATA)})")
            files += some
        else:
            files.append(given(place, key))
    if len(files) > MOST_FILES:
        raise StudyError(f"{key}: more than {MOST_FILES:,} files; join them first")
    for file in files:
        given(file, key)
        try:
            plain_path(str(file))
        except ValueError as error:
            raise StudyError(f"{key}: {file}: {error}") from None
    return list(dict.fromkeys(files))


def _natural(path: Path) -> list[tuple[int, str]]:
    """Names in the order in which people count: rs2 before rs10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d{1,18})", str(path))]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def content(path: Path) -> str:
    """SHA-256 of a whole file."""
    with _opened(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def contents(files: Sequence[Path]) -> tuple[str, dict[str, str]]:
    """One SHA-256 of files in their order (of one, its own), and each one's by its path."""
    each = {str(file): content(file) for file in files}
    together = next(iter(each.values())) if len(each) == 1 else sha256("\n".join(each.values()).encode()).hexdigest()
    return together, each


def checkpoint_digest(folder: Path, key: str) -> str:
    """Digest of a checkpoint folder's configuration, tokenizer and weights; StudyError when it is not one."""
    try:
        there = (folder / "config.json").is_file()
    except OSError:
        there = False
    if not there:
        raise StudyError(f"{key}: {folder} holds no config.json; give a Hugging Face checkpoint folder")
    if not any(folder.glob("*.safetensors")):
        raise StudyError(f"{key}: {folder} holds no *.safetensors; save the checkpoint as safetensors first")
    files = sorted(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors", ".jinja", ".model"))
    for path in files:
        given(path, key)
    return sha256("\n".join(f"{path.name} {file_digest(path)}" for path in files).encode()).hexdigest()[:16]

"""Digests of what was made elsewhere: files by their content, checkpoints by their configuration and weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import file_digest, sha256
from io import BufferedReader
from pathlib import Path

from ttstudy.errors import StudyError

_HEAD = 2**20


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    """The file's stream; StudyError where it cannot be read, which the system tells without a name."""
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror})") from None


@cache
def _file_digest(path: Path) -> str:
    """SHA-256 of a small file, or of the size, head and tail of a large one (weights)."""
    total = sha256(str(path.stat().st_size).encode())
    with _opened(path) as stream:
        total.update(stream.read(16 * _HEAD))
        if path.stat().st_size > 16 * _HEAD:
            stream.seek(-_HEAD, 2)
            total.update(stream.read())
    return total.hexdigest()


def given(path: Path, key: str) -> Path:
    """The path; StudyError, beginning with `key`, where it is no file: a pipe or a device could be read for ever."""
    try:
        if path.is_file():
            return path
    except OSError:  # a name too long, for one
        pass
    raise StudyError(f"{key}: there is no file {path}")


def content(path: Path) -> str:
    """SHA-256 of a whole file."""
    with _opened(path) as stream:
        return file_digest(stream, "sha256").hexdigest()


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
    return sha256("\n".join(f"{path.name} {_file_digest(path)}" for path in files).encode()).hexdigest()[:16]

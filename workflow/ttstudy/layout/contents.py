"""Digests of what was made elsewhere: files by their content, checkpoints by their configuration and weights."""

from __future__ import annotations

from functools import cache
from hashlib import file_digest, sha256
from pathlib import Path

from ttstudy.errors import StudyError

_HEAD = 2**20


@cache
def _file_digest(path: Path) -> str:
    """SHA-256 of a small file, or of the size, head and tail of a large one (weights)."""
    total = sha256(str(path.stat().st_size).encode())
    with path.open("rb") as stream:
        total.update(stream.read(16 * _HEAD))
        if path.stat().st_size > 16 * _HEAD:
            stream.seek(-_HEAD, 2)
            total.update(stream.read())
    return total.hexdigest()


@cache
def content(path: Path) -> str:
    """SHA-256 of a whole file."""
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def checkpoint_digest(folder: Path, key: str) -> str:
    """Digest of a checkpoint folder's configuration, tokenizer and weights; StudyError when it is not one."""
    if not (folder / "config.json").is_file():
        raise StudyError(f"{key}: {folder} holds no config.json; give a Hugging Face checkpoint folder")
    if not any(folder.glob("*.safetensors")):
        raise StudyError(f"{key}: {folder} holds no *.safetensors; save the checkpoint as safetensors first")
    files = sorted(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors", ".jinja", ".model"))
    return sha256("\n".join(f"{path.name} {_file_digest(path)}" for path in files).encode()).hexdigest()[:16]

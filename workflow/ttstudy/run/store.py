"""Results in an object store, by Snakemake's own storage (`--default-storage-provider`).

Steps know paths below the results folder, and nothing of a store. So with one the results folder is a link to where
Snakemake keeps local copies: what it retrieves for a job lies where the step looks, and what the step writes where
Snakemake looks for what it uploads. What is in the store says itself what made it, as on a disk: stamps are read there,
of tables by their last bytes alone. A checkpoint is one object with all its files.
"""

from __future__ import annotations

import asyncio
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

from ttstudy.dag import stamps
from ttstudy.dag.places import parent
from ttstudy.dag.stamps import MARKERS, Stamp
from ttstudy.errors import StudyError

ADDRESS = "TTSTUDY_STORE"
"""Environment variable with the address of the store's folder, `s3://bucket/folder`."""


def address(variable: str = ADDRESS) -> str:
    """The store's folder, or another address that a profile wants; StudyError where the variable names none."""
    found = os.environ.get(variable, "")
    if not found or (variable == ADDRESS and "://" not in found):
        example = "s3://BUCKET/FOLDER" if variable == ADDRESS else "..."
        raise StudyError(f"{variable}: names nothing that this profile could use; export {variable}={example}")
    return found.rstrip("/")


def place(path: str) -> str:
    """What of a result is an object: of a checkpoint, which is known by one of its files, the folder."""
    return parent(path) if PurePosixPath(path).name in MARKERS else path


class Store:
    """A folder of an object store; `provider`: Snakemake's, `prefix`: the folder's address."""

    def __init__(self, provider: Any, prefix: str, results: str) -> None:
        """Nothing is asked of the store yet. StudyError for a results folder that cannot lie in a store."""
        if os.path.isabs(results) or ".." in Path(results).parts:
            raise StudyError(f"results: {results}: in a store results lie below its folder; give a relative path")
        self._provider, self._prefix, self._results = provider, prefix.rstrip("/"), results
        self._local = Path(provider.local_prefix) / self._object("x").local_suffix()[:-2]

    def _object(self, path: str) -> Any:
        return self._provider.object(f"{self._prefix}/{path}")

    def link(self) -> None:
        """Let the results folder be where local copies are; StudyError where it is something else already."""
        folder, target = Path(self._results), (self._local / self._results).absolute()
        target.mkdir(parents=True, exist_ok=True)
        if not folder.is_symlink() and not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.symlink_to(os.path.relpath(target, folder.parent.resolve()))
        if folder.resolve() != target.resolve():
            raise StudyError(
                f"results: {folder} is there already, and with a store it is a link to local copies of what is in the "
                "store; move it away, or give another `results` folder"
            )

    def plain(self, path: str) -> str:
        """Path of a result, of where Snakemake keeps a local copy of it."""
        return str(path).removeprefix(f"{self._local}/")

    def there(self, paths: Iterable[str]) -> dict[str, Stamp | None]:
        """Results that are in the store, and the stamp of each; None of what has none."""
        known = self._listed()
        if known is None:
            return {}
        found = [path for path in paths if place(path) in known]
        if not found:
            return {}
        import pyarrow.parquet  # noqa: F401 - once, before the threads ask for it

        with ThreadPoolExecutor(16) as pool:
            return dict(zip(found, pool.map(lambda path: self._stamp(path, known), found), strict=True))

    def _listed(self) -> Mapping[str, int] | None:
        """Objects, and folders of objects, by path, and the bytes of each; None where nothing is."""
        listing = SimpleNamespace(exists_in_storage={}, mtime={}, size={})
        first = self._object(f"{self._results}/x")
        asyncio.run(first.inventory(listing))
        base = f"{self._local}/"
        found: dict[str, int] = {}
        for key, there in listing.exists_in_storage.items():
            if there and str(key).startswith(base):
                path = str(key)[len(base) :]
                found[path] = int(listing.size.get(key, 0))
                while (path := parent(path)) and path not in found:
                    found[path] = 0
        return found or None

    def _stamp(self, path: str, known: Mapping[str, int]) -> Stamp | None:
        if PurePosixPath(path).name in MARKERS:
            if (path := f"{parent(path)}/{stamps.CHECKPOINT}") not in known:
                return None
            return self._read(path, lambda copy: stamps.of_text(copy.read_text(encoding="utf-8")))
        item = self._object(path)
        if path.endswith(".parquet") and hasattr(item, "s3obj"):
            return stamps.of_table(io.BufferedReader(_Ranges(item.s3obj(), known[path]), 2**16))
        return self._read(path, stamps.of)

    def _read(self, path: str, look: Callable[[Path], Stamp | None]) -> Stamp | None:
        """What `look` finds in a copy of an object that nobody else sees: Snakemake's own must be whole."""
        item = self._object(path)
        with tempfile.TemporaryDirectory(prefix="ttstudy-") as folder:
            copy = Path(folder) / PurePosixPath(path).name
            item.set_local_path(copy)
            item.retrieve_object()
            return look(copy)


class _Ranges(io.RawIOBase):
    """An object of S3 as a file that is read where it is wanted."""

    def __init__(self, item: Any, size: int) -> None:
        self._item, self._size, self._at = item, size, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from here on; how much of it."""
        last = min(self._at + len(buffer), self._size)
        if last <= self._at:
            return 0
        content = self._item.get(Range=f"bytes={self._at}-{last - 1}")["Body"].read()
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)

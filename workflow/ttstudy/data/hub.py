"""The Hugging Face hub: models and data sets at pinned commits, checked byte for byte, and no one's code.

Only a login node needs the hub (`snakemake fetch`); every other step reads folders. The hub library takes its address
(HF_ENDPOINT) and its token (HF_TOKEN, or `hf auth login`) from its own places; nothing here reads or prints a token.
"""

from __future__ import annotations

import glob
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ttstudy.data import room
from ttstudy.errors import StudyError

Kind = Literal["model", "dataset"]


class Listed(NamedTuple):
    """A file as the hub lists it: its size in bytes, and the SHA-256 (large files) or git hash (small ones)."""

    name: str
    size: int
    sha256: str | None
    git_sha1: str


# -- what the hub is asked -----------------------------------------------------------------------------------


def commit(kind: Kind, id: str) -> str:
    """The newest commit of a model or data set, 40 hex digits."""
    with _sentences(kind, id):
        return str(_api().repo_info(id, repo_type=kind).sha)


def listing(kind: Kind, id: str, revision: str) -> list[Listed]:
    """All files of a model or data set at a commit, sorted by name."""
    with _sentences(kind, id, revision):
        tree = list(_api().list_repo_tree(id, recursive=True, revision=revision, repo_type=kind))
    found = [
        Listed(file.path, int(file.size), file.lfs.sha256 if file.lfs else None, file.blob_id)
        for file in tree
        if hasattr(file, "blob_id")
    ]
    return sorted(found)


def file_of_dataset(id: str, files: Sequence[Listed], name: str | None, split: str) -> Listed:
    """The file `name`, or the only JSONL or Parquet file of a split; StudyError says what there is."""
    tables = [file for file in files if file.name.endswith((".jsonl", ".parquet"))]
    pattern = re.compile(rf"(.*/)?{re.escape(split)}(-00000-of-00001)?(-[0-9a-f]+)?\.(jsonl|parquet)")
    found = [file for file in files if file.name == name] if name else [f for f in tables if pattern.fullmatch(f.name)]
    if len(found) == 1:
        return found[0]
    have = ", ".join(file.name for file in tables[:12]) or "no JSONL or Parquet file"
    raise StudyError(f"{id}: give `file`, one of those at this revision: {have}")


# -- fetching ------------------------------------------------------------------------------------------------


def pinned(id: str, revision: str | None) -> str:
    """The revision; StudyError where there is none."""
    if revision is None:
        raise StudyError(f"{id}: no revision is pinned; `python scripts/pin_revisions.py CONFIG` does that")
    return revision


def fetch_dataset_file(
    id: str,
    revision: str | None,
    name: str | None,
    split: str,
    folder: Path,
    checksums: Mapping[str, str] | None = None,
) -> Path:
    """Download one file of a data set into `folder` and return its path; StudyError for whatever goes wrong."""
    revision = pinned(id, revision)
    file = file_of_dataset(id, listing("dataset", id, revision), name, split)
    download("dataset", id, revision, [file], folder, checksums)
    return folder / file.name


def download(
    kind: Kind,
    id: str,
    revision: str,
    files: Sequence[Listed],
    folder: Path,
    checksums: Mapping[str, str] | None = None,
) -> None:
    """Files of one commit, each compared with the hash that the hub lists, and with the SHA-256 in `checksums`.

    The hub's own word binds nobody who answers in its place, and a commit's name is no hash of what large files hold;
    a checksum that was written down elsewhere is. A file that differs is deleted.
    """
    from huggingface_hub import snapshot_download

    known = dict(checksums or {})
    for file in files:
        if file.sha256 and file.name in known and file.sha256 != known[file.name]:
            raise StudyError(_other(id, file.name, revision, file.sha256, known[file.name]))
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    strange = [file.name for file in files if not all(part.strip(".") for part in file.name.split("/"))]
    if strange:
        raise StudyError(f"{id}: the hub lists {strange[0]!r}, which is no name of a file; nothing was downloaded")
    needed = sum(file.size for file in files)
    folder.mkdir(parents=True, exist_ok=True)
    have = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if (free := room.free(folder) + have) < needed:
        raise StudyError(f"{id}: needs {needed / 1e9:.1f} GB in {folder.parent}, which has {free / 1e9:.1f} GB for you")
    with _sentences(kind, id, revision):
        snapshot_download(
            id,
            repo_type=kind,
            revision=revision,
            local_dir=folder,
            allow_patterns=[glob.escape(file.name) for file in files],
            max_workers=4,
        )
    for file in files:
        path = folder / file.name
        if not path.is_file():
            raise StudyError(f"{id}: {file.name} did not arrive; run `snakemake fetch` again")
        whole = digest(path, sha256()) if file.sha256 or file.name in known else None
        if whole is not None and whole != known.get(file.name, whole):
            path.unlink()
            raise StudyError(_other(id, file.name, revision, whole, known[file.name]))
        start = sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        found = whole if file.sha256 else digest(path, start)
        if found != (file.sha256 or file.git_sha1):
            path.unlink()
            raise StudyError(
                f"{id}: {file.name} is not the file that the hub lists at {revision[:12]} (its checksum differs); "
                "it was deleted; run `snakemake fetch` again"
            )


def _other(id: str, name: str, revision: str, found: str, wanted: str) -> str:
    from huggingface_hub import constants

    return (
        f"{id}: {constants.ENDPOINT} gives another {name} at {revision[:12]} than the one that was pinned: its SHA-256 "
        f"is {found[:16]}..., not {wanted[:16]}... (`checksums` in the study or its lock file); it was not taken"
    )


def digest(path: Path, total: Any) -> str:
    """Hexadecimal digest of a file's bytes, added to `total` (a hash that may have begun)."""
    with path.open("rb") as stream:
        while part := stream.read(2**22):
            total.update(part)
    return str(total.hexdigest())


# -- errors --------------------------------------------------------------------------------------------------


def _api() -> Any:
    from huggingface_hub import HfApi

    return HfApi()


@contextmanager
def _sentences(kind: Kind, id: str, revision: str = "") -> Iterator[None]:
    """Turn what the hub's library raises into one sentence; its own texts can be long and are left out."""
    import httpx2
    from huggingface_hub import constants, errors

    page = f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{id}"
    thing = "data set" if kind == "dataset" else "model"
    try:
        yield
    except errors.GatedRepoError:
        raise StudyError(
            f"{id}: this {thing} is gated; accept its licence at {page}, log in with `hf auth login` (or set HF_TOKEN) "
            "and run `snakemake fetch` again"
        ) from None
    except errors.RevisionNotFoundError:
        raise StudyError(
            f"{id}: the hub has no commit {revision}; pin it anew with `python scripts/pin_revisions.py CONFIG`"
        ) from None
    except errors.RepositoryNotFoundError:
        raise StudyError(
            f"{id}: the hub shows no {thing} of this name; correct the id or, if it is private, log in with "
            "`hf auth login` (or set HF_TOKEN)"
        ) from None
    except (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError) as error:
        if constants.HF_HUB_OFFLINE:
            why = "HF_HUB_OFFLINE is set; run `snakemake fetch` on a machine with a network, without it"
        else:
            why = f"{constants.ENDPOINT} cannot be reached{_status(error)}; run `snakemake fetch` again"
        raise StudyError(f"{id}: {why}") from None
    except errors.HfHubHTTPError as error:
        raise StudyError(f"{id}: {constants.ENDPOINT} refused{_status(error)}; run `snakemake fetch` again") from None
    except (httpx2.HTTPError, OSError) as error:
        name = type(error).__name__
        raise StudyError(
            f"{id}: the download from {constants.ENDPOINT} broke off ({name}); whole files are kept, run "
            "`snakemake fetch` again"
        ) from None


def _status(error: BaseException | None) -> str:
    while error is not None:
        if (response := getattr(error, "response", None)) is not None:
            return f" (HTTP {response.status_code})"
        error = error.__cause__
    return ""

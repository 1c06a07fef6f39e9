"""The Hugging Face hub: models and data sets at pinned commits, checked byte for byte, and no one's code.

Only a login node needs the hub (`snakemake fetch`); every other step reads folders. The hub library takes its address
(HF_ENDPOINT) and its token (HF_TOKEN, or `hf auth login`) from its own places; nothing here reads or prints a token.
"""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ttstudy.study import StudyError

Kind = Literal["model", "dataset"]
RECORD = "fetched.json"
"""In a fetched model's folder: id, revision, and the size and SHA-256 of every file."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_BESIDE_WEIGHTS = re.compile(
    r"(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|chat_template)\.json"
    r"|merges\.txt|tokenizer\.model|[A-Za-z0-9_]*\.jinja"
)
_WEIGHTS = (
    re.compile(r"model(-\d+-of-\d+)?\.safetensors"),
    re.compile(r"[A-Za-z0-9_-]+\.safetensors"),
    re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin"),
)
"""Weights by preference; of the first kind that a repository has, all files are taken."""


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


def wanted_of_model(id: str, files: Sequence[Listed]) -> list[Listed]:
    """Configuration, tokenizer and weights among a repository's files; StudyError where a part is missing."""
    top = [file for file in files if _PLAIN_NAME.fullmatch(file.name)]
    weights = next(
        (found for pattern in _WEIGHTS if (found := [file for file in top if pattern.fullmatch(file.name)])), []
    )
    if not weights:
        raise StudyError(f"{id}: has no weights as safetensors or pytorch_model.bin; choose a repository that has")
    suffix = "safetensors" if weights[0].name.endswith(".safetensors") else "bin"
    index = re.compile(rf"[A-Za-z0-9_]+\.{suffix}\.index\.json")
    beside = [file for file in top if _BESIDE_WEIGHTS.fullmatch(file.name) or index.fullmatch(file.name)]
    if not any(file.name == "config.json" for file in beside):
        raise StudyError(f"{id}: has no config.json; give a model in the layout of transformers")
    return sorted([*beside, *weights])


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


def fetch_model(id: str, revision: str | None, output: Path) -> dict[str, Any]:
    """Write a model's checkpoint folder, whole or not at all, and return its record.

    An interrupted download goes on where it was, the next time. Weights that are there only as `.bin` are converted
    by torch's restricted loader, which reads tensors and nothing else. StudyError for whatever goes wrong.
    """
    revision = _pinned(id, revision)
    partial = output.with_name(f".{output.name}.partial")
    files = wanted_of_model(id, listing("model", id, revision))
    _download("model", id, revision, files, partial)
    converted = _as_safetensors(partial)
    shutil.rmtree(partial / ".cache", ignore_errors=True)
    for stray in partial.iterdir():
        if stray.name not in {file.name for file in files} | set(converted):
            stray.unlink() if stray.is_file() else shutil.rmtree(stray)
    record = {
        "id": id,
        "revision": revision,
        "files": {
            path.name: {"bytes": path.stat().st_size, "sha256": _digest(path, sha256())}
            for path in sorted(partial.iterdir())
        },
    }
    (partial / RECORD).write_text(json.dumps(record, indent=1) + "\n")
    shutil.rmtree(output, ignore_errors=True)
    os.replace(partial, output)
    return record


def fetch_dataset_file(id: str, revision: str | None, name: str | None, split: str, folder: Path) -> Path:
    """Download one file of a data set into `folder` and return its path; StudyError for whatever goes wrong."""
    revision = _pinned(id, revision)
    file = file_of_dataset(id, listing("dataset", id, revision), name, split)
    _download("dataset", id, revision, [file], folder)
    return folder / file.name


def _pinned(id: str, revision: str | None) -> str:
    if revision is None:
        raise StudyError(f"{id}: no revision is pinned; `python scripts/pin_revisions.py CONFIG` does that")
    return revision


def origin(folder: Path) -> str | None:
    """Hub id of a fetched checkpoint folder; None for any other folder."""
    try:
        return str(json.loads((folder / RECORD).read_text(encoding="utf-8"))["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _download(kind: Kind, id: str, revision: str, files: Sequence[Listed], folder: Path) -> None:
    """Files of one commit, each compared with the hash that the hub lists; a file that differs is deleted."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    needed = sum(file.size for file in files)
    folder.mkdir(parents=True, exist_ok=True)
    have = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if (free := shutil.disk_usage(folder).free + have) < needed:
        raise StudyError(f"{id}: needs {needed / 1e9:.1f} GB in {folder.parent}, which has {free / 1e9:.1f} GB free")
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
        start = sha1(b"blob %d\0" % path.stat().st_size)
        found = _digest(path, sha256()) if file.sha256 else _digest(path, start)
        if found != (file.sha256 or file.git_sha1):
            path.unlink()
            raise StudyError(
                f"{id}: {file.name} is not the file that the hub lists at {revision[:12]} (its checksum differs); "
                "it was deleted; run `snakemake fetch` again"
            )


def _digest(path: Path, total: Any) -> str:
    with path.open("rb") as stream:
        while part := stream.read(2**22):
            total.update(part)
    return str(total.hexdigest())


def _as_safetensors(folder: Path) -> list[str]:
    """Names of the safetensors files and index that take the place of a folder's `.bin` weights."""
    shards = sorted(folder.glob("pytorch_model*.bin"))
    if not shards:
        return []
    from ttstudy.rewards.loading import convert

    weights: dict[str, str] = {}
    for shard in shards:
        name = shard.name.replace("pytorch_model", "model", 1).removesuffix(".bin") + ".safetensors"
        try:
            os.replace(convert(shard, folder / ".cache" / "safetensors"), folder / name)
        except ValueError as error:
            raise StudyError(str(error)) from None
        weights |= dict.fromkeys(_tensor_names(folder / name), name)
    names = sorted(set(weights.values()))
    for path in [*shards, *folder.glob("pytorch_model*.bin.index.json")]:
        path.unlink()
    if names == ["model.safetensors"]:
        return names
    index = {"metadata": {}, "weight_map": dict(sorted(weights.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")
    return [*names, "model.safetensors.index.json"]


def _tensor_names(path: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as weights:
        return list(weights.keys())


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
            f"{id}: the download from {constants.ENDPOINT} broke off ({name}); what is there is kept, run "
            "`snakemake fetch` again"
        ) from None


def _status(error: BaseException | None) -> str:
    while error is not None:
        if (response := getattr(error, "response", None)) is not None:
            return f" (HTTP {response.status_code})"
        error = error.__cause__
    return ""

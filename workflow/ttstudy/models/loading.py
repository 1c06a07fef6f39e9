"""Checkpoints on disk: found by path or hub id, read from safetensors only, never running anyone's code."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ttstudy.models.catalogue import pinned
from ttstudy.models.checkpoint import read_config, shards

_WANTED = ["*.json", "*.jinja", "tokenizer.model"]


def find_folder(name: str | Path, revision: str | None = None) -> Path:
    """Folder of a checkpoint: `name` itself, or a hub model's files at one commit (no code files).

    ValueError for a hub id without a commit, or a name that is neither.
    """
    if (folder := Path(name)).is_dir():
        if revision is not None:
            raise ValueError(f"{folder} is a folder: a revision is for models of the hub only.")
        return folder
    if str(name).count("/") != 1 or str(name).startswith((".", "~")):
        raise ValueError(f"{name} is neither a folder nor a model id of the hub.")
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    where = {"repo_id": str(name), "revision": pinned(str(name), revision)}
    try:
        folder = Path(snapshot_download(**where, local_files_only=True))
        if any(folder.glob("*.safetensors")) or any(folder.glob("*.bin")):
            return folder
    except LocalEntryNotFoundError:
        pass
    files = HfApi().list_repo_files(**where)
    weights = "*.safetensors" if any(file.endswith(".safetensors") for file in files) else "pytorch_model*.bin"
    return Path(snapshot_download(**where, allow_patterns=[*_WANTED, weights]))


class Checkpoint:
    """Tensors of a checkpoint folder, read one by one.

    Args:
        folder: holds config.json and model.safetensors (or its shards), or pytorch_model.bin (or its shards).
        cache: where `.bin` files are written as safetensors, once; by default `safetensors/` in the folder.
    """

    def __init__(self, folder: str | Path, cache: str | Path | None = None) -> None:
        """Open the files; ValueError where there are none or they hold more than tensors."""
        from safetensors import safe_open

        self.folder = Path(folder)
        self.config = read_config(self.folder)
        self.files = shards(self.folder, "model.safetensors")
        if not self.files:
            self.files = _converted(self.folder, Path(cache) if cache else self.folder / "safetensors")
        self._stack = ExitStack()
        self._holders = {}
        self._where: dict[str, Path] = {}
        for file in self.files:
            holder = self._stack.enter_context(safe_open(file, framework="pt"))
            self._holders |= dict.fromkeys(holder.keys(), holder)
            self._where |= dict.fromkeys(holder.keys(), file)

    def keys(self) -> set[str]:
        """Names of all tensors."""
        return set(self._holders)

    def tensor(self, key: str, shape: Sequence[int] | None = None) -> Tensor:
        """A tensor; ValueError where it is missing or its shape is not `shape`."""
        if key not in self._holders:
            raise ValueError(f"{self.folder} lacks the tensor {key}.")
        found = self._holders[key].get_tensor(key)
        if shape is not None and tuple(found.shape) != tuple(shape):
            raise ValueError(f"{key} in {self.folder} has the shape {list(found.shape)}, not {list(shape)}.")
        return found

    def vocabulary_rows(self, ids: Sequence[int]) -> Tensor:
        """Rows of the language-model head, those of the embeddings where the two are tied."""
        key = "lm_head.weight"
        if key not in self._holders and self.config.get("tie_word_embeddings"):
            key = self.backbone_prefix() + "embed_tokens.weight"
        if key not in self._holders:
            raise ValueError(f"{self.folder} lacks the tensor {key}.")
        rows = self._holders[key].get_slice(key)
        return torch.cat([rows[id : id + 1] for id in ids])

    def backbone_prefix(self) -> str:
        """What the backbone's tensor names begin with: `model.`, or nothing in a bare backbone."""
        return "model." if any(key.startswith("model.") for key in self._holders) else ""

    def check_keys(self, backbone: Iterable[str], head: Iterable[str]) -> None:
        """ValueError where a tensor of backbone or head is missing, or one is there that belongs to neither.

        A language-model head that the PRM does not use may be there, and old rotary tables.
        """
        wanted = set(backbone) | set(head)
        missing = sorted(wanted - self.keys())
        if missing == ["lm_head.weight"] and self.config.get("tie_word_embeddings"):
            missing = []
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ValueError(f"{self.folder} lacks the tensor {missing[0]}{more}.")
        strange = sorted(
            key for key in self.keys() - wanted - {"lm_head.weight"} if not key.endswith("rotary_emb.inv_freq")
        )
        if strange:
            more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
            raise ValueError(f"{self.folder} has the tensor {strange[0]}{more}, which this kind of PRM has not.")

    def link(self, folder: Path) -> None:
        """Lay the checkpoint out in an empty folder, without the `.bin` files, code and all else beside it."""
        (folder / "config.json").symlink_to((self.folder / "config.json").resolve())
        for file in self.files:
            (folder / file.name).symlink_to(file.resolve())
        index = {"metadata": {}, "weight_map": {key: file.name for key, file in self._where.items()}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")

    def close(self) -> None:
        """Close the files."""
        self._stack.close()


def _converted(folder: Path, cache: Path) -> list[Path]:
    """The folder's `.bin` weights as safetensors files."""
    if files := shards(folder, "pytorch_model.bin"):
        return [convert(file, cache) for file in files]
    raise ValueError(f"{folder} has no weights: neither model.safetensors nor pytorch_model.bin.")


def convert(file: Path, cache: Path) -> Path:
    """Write a `.bin` file's tensors as safetensors into `cache`, unless that was done; its path there.

    The pickle is read by torch's restricted loader: ValueError where it holds anything but tensors.
    """
    from safetensors.torch import save_file

    stat = file.stat()
    done = cache / f"{file.stem}-{stat.st_size}-{stat.st_mtime_ns}.safetensors"
    if done.is_file():
        return done
    try:
        state = _read_bin(file)
    except pickle.UnpicklingError as error:
        raise ValueError(f"{file} holds more than tensors and is not loaded.") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{file} is not a table of tensors.")
    seen: set[int] = set()
    tensors = {}
    for key, value in state.items():
        pointer = value.untyped_storage().data_ptr()
        tensors[key] = value.clone().contiguous() if pointer in seen else value.contiguous()
        seen.add(pointer)
    cache.mkdir(parents=True, exist_ok=True)
    partial = done.with_suffix(f".{os.getpid()}.partial")
    save_file(tensors, partial, metadata={"format": "pt"})
    partial.replace(done)
    return done


def _read_bin(file: Path) -> Any:
    try:
        return torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:  # files of before torch 1.6 cannot be mapped into memory
        return torch.load(file, map_location="cpu", weights_only=True)

"""Checkpoint folders, the one way to read them: config.json, tokenizer files, headers, index, tensors, `.bin` files.

Tensors are read from safetensors only, and nobody's code is run. Torch is imported by what reads a tensor, not before.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttstudy.errors import StudyError
from ttstudy.models.architecture import EMBEDDING, HEAD, Architecture

if TYPE_CHECKING:
    from torch import Tensor

RECORD = "fetched.json"
"""In a fetched model's folder: id, revision, and the size and SHA-256 of every file."""

_LARGEST_HEADER = 100_000_000
"""Bytes; safetensors' own limit."""
_LARGEST_JSON = 2**28
"""Bytes of a JSON file; the largest tokenizers have a tenth of that."""
_BITS = {"BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
         "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64}  # fmt: skip
"""Of one number of a tensor; kinds that are newer than this table are taken as they are."""
_JUDGES = ("ProcessRewardModel", "PrmModel", "RewardModel", "SequenceClassification", "TokenClassification")
"""How the architectures end that score text and draw none."""


# -- what a folder says of itself, without a weight -----------------------------------------------------------------


def read_json(path: Path, advice: str = "copy or download it again") -> dict[str, Any]:
    """A JSON object in a file; StudyError, which ends in the advice, where it is none."""
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise ValueError
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise StudyError(f"{path}: not a readable JSON file; {advice}") from None
    if not isinstance(content, dict):
        raise StudyError(f"{path}: not a JSON object; {advice}")
    return content


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a checkpoint folder; FileNotFoundError in one sentence where it is missing."""
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no checkpoint folder {folder}; check the path in the config.")
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} holds no config.json; it is not a Hugging Face checkpoint folder.")
    return read_json(folder / "config.json")


def origin(folder: Path) -> str | None:
    """Hub id of a fetched checkpoint folder; None for any other folder."""
    try:
        return str(json.loads((folder / RECORD).read_text(encoding="utf-8"))["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def parameters(folder: Path) -> int:
    """Number of weights in a folder's safetensors files (tied weights are stored, and counted, once).

    StudyError for a file that is no safetensors file, or not all of one.
    """
    return sum(
        math.prod(item["shape"])
        for path in sorted(folder.glob("*.safetensors"))
        for name, item in _header(path).items()
        if name != "__metadata__"
    )


def _header(path: Path) -> dict[str, Any]:
    """Header of a safetensors file, whose tensors must fill the file to its last byte, each with its own numbers."""
    length = path.stat().st_size
    try:
        with path.open("rb") as stream:
            (size,) = struct.unpack("<Q", stream.read(8))
            if size > min(length, _LARGEST_HEADER):
                raise ValueError
            header: dict[str, Any] = json.loads(stream.read(size))
        end = 0
        tensors = [item for name, item in header.items() if name != "__metadata__"]
        for item in sorted(tensors, key=lambda item: tuple(item["data_offsets"])):
            start, stop = item["data_offsets"]
            if start != end or not all(type(side) is int and side >= 0 for side in (*item["shape"], start, stop)):
                raise ValueError
            if (bits := _BITS.get(item["dtype"])) and 8 * (stop - start) != bits * math.prod(item["shape"]):
                raise ValueError
            end = stop
        if 8 + size + end != length:
            raise ValueError
    except (struct.error, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError):
        raise StudyError(f"{path}: not a whole safetensors file; copy or download it again") from None
    return header


def check(folder: Path, key: str, kind: str, tells: Callable[[str, Mapping[str, Any]], object] | None = None) -> None:
    """StudyError, beginning with `key`, where a folder is no checkpoint of a `policy` or a `prm` that we can open.

    Reads headers and JSON only. `tells` raises ValueError where name and config.json do not tell a PRM's format.
    """
    try:
        config = read_json(folder / "config.json")
        if not isinstance(config.get("model_type"), str):
            raise StudyError(f"{folder / 'config.json'}: names no model_type; give a Hugging Face checkpoint folder")
        for index in sorted(folder.glob("*.safetensors.index.json")):
            names = _in_index(index)
            lost = next((name for name in names if Path(name).name != name or not (folder / name).is_file()), None)
            if lost or not names:
                raise StudyError(f"{index}: names {lost or 'no file'}, which is not in the folder; download it again")
        if not parameters(folder):
            raise StudyError(f"{folder}: its safetensors files hold no weights; copy or download it again")
        if not (folder / "tokenizer.json").is_file():
            raise StudyError(f"{folder}: holds no tokenizer.json; save the tokenizer there")
        read_json(folder / "tokenizer.json")
        names = config.get("architectures") or [""]
        if not isinstance(names, list) or not isinstance(names[0], str):
            raise StudyError(f"{folder / 'config.json'}: architectures is not a list of names; download it again")
        if kind == "policy" and names[0].endswith(_JUDGES):
            raise StudyError(f"{folder}: is a reward model ({names[0]}), not a policy; name it under prms")
        if tells is not None:
            tells(str(folder), config)
    except ValueError as error:  # StudyError is one
        raise StudyError(f"{key}: {error}") from None
    except OSError as error:
        raise StudyError(f"{key}: {error.filename} cannot be read ({error.strerror})") from None


def _in_index(index: Path) -> list[str]:
    """Names of the files that an index names, [] where it names none."""
    where = read_json(index).get("weight_map")
    return sorted({str(name) for name in where.values()}) if isinstance(where, dict) else []


def shards(folder: Path, name: str) -> list[Path]:
    """The file `name`, or the shards that its index names; [] where there is neither.

    ValueError for a shard outside the folder, FileNotFoundError for one that is not there.
    """
    if (folder / name).is_file():
        return [folder / name]
    if not (index := folder / f"{name}.index.json").is_file():
        return []
    names = _in_index(index)
    if strange := [name for name in names if Path(name).name != name]:
        raise ValueError(f"{index} names a file outside its folder: {strange[0]}.")
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise FileNotFoundError(f"{folder} lacks {missing[0]}, which its index names; fetch it again.")
    return [folder / name for name in names]


# -- its tensors -----------------------------------------------------------------------------------------------------


class Checkpoint:
    """A checkpoint folder: its config.json, its files, and its tensors, read one by one.

    Args:
        folder: holds config.json and model.safetensors (or its shards), or pytorch_model.bin (or its shards).
        cache: where `.bin` files are written as safetensors, once; by default `safetensors/` in the folder.
        pickles: whether `.bin` files are converted; FileNotFoundError where there is nothing else and they are not.
    """

    def __init__(self, folder: str | Path, cache: str | Path | None = None, *, pickles: bool = True) -> None:
        """Find the files; ValueError where there are none or they hold more than tensors."""
        self.folder = Path(folder)
        self.config = read_config(self.folder)
        self.files = shards(self.folder, "model.safetensors")
        if not self.files and pickles:
            self.files = _converted(self.folder, Path(cache) if cache else self.folder / "safetensors")
        if not self.files and any(self.folder.glob("*.bin")):
            raise FileNotFoundError(
                f"{self.folder} holds only .bin weights, which can run code when loaded; convert them with "
                "AutoModelForCausalLM.from_pretrained(...).save_pretrained(folder, safe_serialization=True)."
            )
        if not self.files:
            raise FileNotFoundError(f"{self.folder} holds no model.safetensors; fetch the checkpoint again.")
        self._open = ExitStack()

    @property
    def dtype(self) -> str | None:
        """Name of the type that the weights are stored in, as config.json says (old or new key)."""
        return self.config.get("dtype") or self.config.get("torch_dtype")

    @cached_property
    def eos(self) -> tuple[int, ...]:
        """End-of-text ids: generation_config.json goes before config.json; a number or a list."""
        file = self.folder / "generation_config.json"
        ids = (read_json(file) if file.is_file() else {}).get("eos_token_id")
        ids = self.config.get("eos_token_id") if ids is None else ids
        if ids is None:
            return ()
        return tuple(ids) if isinstance(ids, list) else (int(ids),)

    @cached_property
    def _holders(self) -> dict[str, tuple[Path, Any]]:
        """By tensor, the file that it lies in, and this file opened."""
        from safetensors import SafetensorError, safe_open

        found: dict[str, tuple[Path, Any]] = {}
        for file in self.files:
            try:
                holder = self._open.enter_context(safe_open(file, framework="pt"))
            except SafetensorError as error:
                raise ValueError(f"{file} cannot be read ({error}); fetch the checkpoint again.") from None
            found |= dict.fromkeys(holder.keys(), (file, holder))
        return found

    def keys(self) -> set[str]:
        """Names of all tensors."""
        return set(self._holders)

    def tensor(self, key: str, shape: Sequence[int] | None = None) -> Tensor:
        """A tensor; ValueError where it is missing or its shape is not `shape`."""
        if key not in self._holders:
            raise ValueError(f"{self.folder} lacks the tensor {key}.")
        found = self._holders[key][1].get_tensor(key)
        if shape is not None and tuple(found.shape) != tuple(shape):
            raise ValueError(f"{key} in {self.folder} has the shape {list(found.shape)}, not {list(shape)}.")
        return found

    def weights(self, architecture: Architecture, head: bool = False) -> dict[str, Tensor]:
        """The tensors of a decoder by their names without `model.`; with `head`, the language-model head too.

        ValueError where one is missing or has another shape. Tied embeddings have no head of their own.
        """
        prefix = self.backbone_prefix()
        found = {name: self.tensor(prefix + name, shape) for name, shape in architecture.tensors().items()}
        if head and not architecture.tied:
            found[HEAD] = self.tensor(HEAD, (architecture.vocabulary, architecture.hidden))
        return found

    def vocabulary_rows(self, ids: Sequence[int]) -> Tensor:
        """Rows of the language-model head, those of the embeddings where the two are tied."""
        import torch

        key = HEAD
        if key not in self._holders and self.config.get("tie_word_embeddings"):
            key = self.backbone_prefix() + EMBEDDING
        if key not in self._holders:
            raise ValueError(f"{self.folder} lacks the tensor {key}.")
        rows = self._holders[key][1].get_slice(key)
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
        if missing == [HEAD] and self.config.get("tie_word_embeddings"):
            missing = []
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ValueError(f"{self.folder} lacks the tensor {missing[0]}{more}.")
        strange = sorted(key for key in self.keys() - wanted - {HEAD} if not key.endswith("rotary_emb.inv_freq"))
        if strange:
            more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
            raise ValueError(f"{self.folder} has the tensor {strange[0]}{more}, which this kind of PRM has not.")

    def link(self, folder: Path) -> None:
        """Lay the checkpoint out in an empty folder, without the `.bin` files, code and all else beside it."""
        (folder / "config.json").symlink_to((self.folder / "config.json").resolve())
        for file in self.files:
            (folder / file.name).symlink_to(file.resolve())
        index = {"metadata": {}, "weight_map": {key: file.name for key, (file, _) in self._holders.items()}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")

    def close(self) -> None:
        """Close the files."""
        self._open.close()


def _converted(folder: Path, cache: Path) -> list[Path]:
    """The folder's `.bin` weights as safetensors files."""
    if files := shards(folder, "pytorch_model.bin"):
        return [convert(file, cache) for file in files]
    raise ValueError(f"{folder} has no weights: neither model.safetensors nor pytorch_model.bin.")


def convert(file: Path, cache: Path) -> Path:
    """Write a `.bin` file's tensors as safetensors into `cache`, unless that was done; its path there.

    The pickle is read by torch's restricted loader: ValueError where it holds anything but tensors.
    """
    import torch
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
    import torch

    try:
        return torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:  # files of before torch 1.6 cannot be mapped into memory
        return torch.load(file, map_location="cpu", weights_only=True)

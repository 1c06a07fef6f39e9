"""Checkpoint folders of the hub: configuration, tokenizer and safetensors weights of one commit, and their record."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from ttstudy.dag import stamps
from ttstudy.data import hub
from ttstudy.data.hub import Listed
from ttstudy.errors import StudyError
from ttstudy.kinds.formats import FORMATS
from ttstudy.models.checkpoint import RECORD

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
    if not any(file.name in ("tokenizer.json", "tokenizer.model") for file in beside):
        raise StudyError(
            f"{id}: has no tokenizer.json, which every engine here reads, and no tokenizer.model to make it from; "
            "download the model yourself, save its tokenizer there with AutoTokenizer.from_pretrained(FOLDER)"
            ".save_pretrained(FOLDER), and name the folder with `source: checkpoint`"
        )
    return sorted([*beside, *weights])


def fetch_model(
    id: str, revision: str | None, output: Path, checksums: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Write a model's checkpoint folder, whole or not at all, and return its record.

    `checksums`: SHA-256 of files by name, without which they are not taken. A tokenizer.json that the repository does
    not have is made from its tokenizer.model, which the record tells (`built`).

    After an interrupted download the next one fetches the files that were not whole. Weights that are there only as
    `.bin` are converted by torch's restricted loader, which reads tensors and nothing else. StudyError for whatever
    goes wrong.
    """
    revision = hub.pinned(id, revision)
    partial = output.with_name(f".{output.name}.partial")
    files = wanted_of_model(id, hub.listing("model", id, revision))
    names = {file.name for file in files}
    if lost := sorted(set(checksums or {}) - names):
        raise StudyError(f"{id}: {lost[0]} has a checksum but is not among the model's files at {revision[:12]}")
    hub.download("model", id, revision, files, partial, checksums)
    converted = _as_safetensors(partial)
    made = {} if "tokenizer.json" in names else {"tokenizer.json": build_tokenizer(id, partial)}
    shutil.rmtree(partial / ".cache", ignore_errors=True)
    for stray in partial.iterdir():
        if stray.name not in names | set(converted) | set(made):
            stray.unlink() if stray.is_file() else shutil.rmtree(stray)
    record = {
        "id": id,
        "revision": revision,
        "files": {
            path.name: {"bytes": path.stat().st_size, "sha256": hub.digest(path, sha256())}
            for path in sorted(partial.iterdir())
        },
        **({"built": made} if made else {}),
        "unpinned": sorted(names - set(checksums or {})),
    }
    (partial / RECORD).write_text(json.dumps(record, indent=1) + "\n")
    stamps.on_checkpoint(partial, output / RECORD)
    shutil.rmtree(output, ignore_errors=True)
    os.replace(partial, output)
    return record


def build_tokenizer(id: str, folder: Path) -> str:
    """Write tokenizer.json from a folder's tokenizer.model, and say by what; StudyError where ids are not as published.

    The ids are those of the model's published code, where the catalogue has them (`kinds/formats`): a step's tag with
    another id would score at other places.
    """
    from importlib.metadata import version

    from ttstudy.models import sentencepiece

    try:
        tokenizer = sentencepiece.built(folder / "tokenizer.model")
    except StudyError as error:
        raise StudyError(f"{id}: {error}") from None
    published = (form.published[id].tokens for form in FORMATS.values() if id in form.published)
    for token, wanted in next(published, {}).items():
        if (found := tokenizer.token_to_id(token)) != wanted:
            raise StudyError(
                f"{id}: in the tokenizer that its tokenizer.model makes, {token!r} has the id {found}, not {wanted} as "
                "in its published code; nothing was kept"
            )
    tokenizer.save(str(folder / "tokenizer.json"))
    return f"from tokenizer.model by ttstudy.models.sentencepiece, tokenizers {version('tokenizers')}"


def _as_safetensors(folder: Path) -> list[str]:
    """Names of the safetensors files and index that take the place of a folder's `.bin` weights."""
    shards = sorted(folder.glob("pytorch_model*.bin"))
    if not shards:
        return []
    from ttstudy.models.checkpoint import convert

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



"""Process reward models known by name, and how any other one's format is told from its configuration.

What is known stands with each format (`ttstudy.kinds.formats`). No tokenizers, no torch: the layout asks it at every
start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttstudy.kinds.formats import FORMATS


@dataclass(frozen=True, slots=True)
class Known:
    """A model on the Hugging Face hub: its format, options of the format that are its own, the commit if recorded."""

    format: str
    options: Mapping[str, Any]
    revision: str | None


CATALOGUE: dict[str, Known] = {
    id: Known(name, model.options, model.revision)
    for name, form in FORMATS.items()
    for id, model in form.published.items()
}
"""Among them the seven PRMs of the study (arXiv 2502.06703, section 4.1)."""

_WANTED = ["*.json", "*.jinja", "tokenizer.model"]
"""Files of a hub model that are fetched beside its weights."""
_ARCHITECTURES = {architecture: name for name, form in FORMATS.items() for architecture in form.architectures}


def format_of(name: str, config: Mapping[str, Any]) -> str:
    """Format of a model by its name in the catalogue or its architecture; never a guess.

    ValueError where the architecture could be any format, e.g. LlamaForCausalLM.
    """
    if name in CATALOGUE:
        return CATALOGUE[name].format
    architecture = (config.get("architectures") or ["no architecture"])[0]
    if architecture in _ARCHITECTURES:
        return _ARCHITECTURES[architecture]
    raise ValueError(
        f"The PRM format of {name} cannot be told from {architecture}: pass format= one of {', '.join(FORMATS)}."
    )


def pinned(name: str, revision: str | None) -> str:
    """Commit at which a hub model is read: 40 hex digits, given or in the catalogue; ValueError otherwise."""
    known = CATALOGUE.get(name)
    revision = revision or (known.revision if known else None)
    if revision is None:
        raise ValueError(f"No commit is recorded for {name}: pass revision= with the 40 hex digits of one.")
    if not re.fullmatch("[0-9a-f]{40}", revision):
        raise ValueError(f"The revision of {name} must be a commit of 40 hex digits, not {revision!r}.")
    return revision


def find_folder(name: str | Path, revision: str | None = None) -> Path:
    """Folder of a PRM's checkpoint: `name` itself, or a hub model's files at one commit (no code files).

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

    id, commit = str(name), pinned(str(name), revision)
    try:
        folder = Path(snapshot_download(id, revision=commit, local_files_only=True))
        if any(folder.glob("*.safetensors")) or any(folder.glob("*.bin")):
            return folder
    except LocalEntryNotFoundError:
        pass
    files = HfApi().list_repo_files(id, revision=commit)
    weights = "*.safetensors" if any(file.endswith(".safetensors") for file in files) else "pytorch_model*.bin"
    return Path(snapshot_download(id, revision=commit, allow_patterns=[*_WANTED, weights]))

"""Sizes of a model before it is here: its own config.json where there is one, else workflow/models.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ttstudy.models import gguf
from ttstudy.models.architecture import Architecture, UnsupportedArchitectureError
from ttstudy.models.checkpoint import read_json
from ttstudy.study import read_yaml

TABLE = Path(__file__).resolve().parents[2] / "models.yaml"
"""Config facts of the models of the paper's studies, by id of the hub, each with its source."""
TINY = 0.1
"""Billions of parameters up to which a model runs on a CPU where nothing else is said: the miniature's."""


@cache
def table(path: Path = TABLE) -> Mapping[str, Any]:
    """The table: `models` by id, `sources`, and `endpoints`, which nothing here places."""
    return read_yaml(path)


def config_of(id: str | None, folder: Path | None = None) -> Mapping[str, Any] | None:
    """config.json of a model's folder, or GGUF file, else what the table has of its id; None where neither is there."""
    if folder is not None and folder.suffix == ".gguf":
        return gguf.config(gguf.read(folder))
    if folder is not None and (folder / "config.json").is_file():
        return read_json(folder / "config.json")
    found: Mapping[str, Any] | None = table()["models"].get(id)
    return found


def shape_of(id: str | None, folder: Path | None = None) -> Architecture | None:
    """What a model is, as far as its memory goes; None where it is not known or not of the Llama family."""
    config = config_of(id, folder)
    if config is None:
        return None
    try:
        return Architecture.of(config)
    except (UnsupportedArchitectureError, KeyError, TypeError):
        return None


def billions_of_name(name: str) -> float | None:
    """Size that a model's name tells: 0.5 for Qwen2.5-0.5B-Instruct, 8 for Llama-3.1-8B; None where it does not."""
    found = re.findall(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)[bB](?![A-Za-z0-9])", name)
    return float(found[-1]) if found else None


def numbers_of(id: str | None, folder: Path | None = None) -> int:
    """Bytes of one weight as the checkpoint stores them: 2 unless its config.json says float32."""
    config = config_of(id, folder) or {}
    return 4 if (config.get("dtype") or config.get("torch_dtype")) == "float32" else 2

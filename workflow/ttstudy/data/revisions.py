"""Pinned commits of what a study takes from the hub, in a lock file beside the study.

`workflow/studies/paper.yaml` has `paper.revisions.yaml` beside it, written by `scripts/pin_revisions.py`; a `revision`
in the study itself goes before it. A dry run and a plan do without; a run refuses.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from ttstudy.errors import StudyError
from ttstudy.study import Study, from_mapping, read_yaml, with_base

if TYPE_CHECKING:
    from ttstudy.data.hub import Kind

GROUPS: dict[str, Kind] = {"policies": "model", "prms": "model", "benchmarks": "dataset"}
_HEADER = (
    "# Commits of the Hugging Face hub at which this study reads models and data sets.\n"
    "# Written by scripts/pin_revisions.py; --update moves them to the newest.\n"
)


class Pin(NamedTuple):
    """Something of the hub that a study names: where (its key), what, and its commit (None: not pinned)."""

    key: str
    kind: Kind
    id: str
    revision: str | None


def pins(config: Mapping[str, Any]) -> Iterator[Pin]:
    """Every hub model and data set of a configuration."""
    for group, kind in GROUPS.items():
        entries = config.get(group)
        for name, item in entries.items() if isinstance(entries, Mapping) else ():
            if isinstance(item, Mapping) and item.get("source") == "hub":
                yield Pin(f"{group}.{name}", kind, str(item.get("id")), item.get("revision"))


def lock_path(config: Path) -> Path:
    """The lock file of a study's file."""
    return config.with_name(f"{config.stem}.revisions.yaml")


def read_lock(path: Path) -> dict[str, dict[str, str]]:
    """Commits by kind and id; StudyError for anything that is no commit."""
    lock: dict[str, dict[str, str]] = {"model": {}, "dataset": {}}
    if not os.path.lexists(path):
        return lock
    for kind, commits in read_yaml(path).items():
        if kind not in lock or not isinstance(commits, Mapping):
            raise StudyError(f"{path}: {kind}: unknown key; it holds `model` and `dataset`, each id: commit")
        for id, commit in commits.items():
            if not re.fullmatch(r"[0-9a-f]{40}", str(commit)):
                raise StudyError(f"{path}: {kind}.{id}: {commit!r} is no commit of 40 hex digits; pin it anew")
            lock[kind][str(id)] = str(commit)
    return lock


def write_lock(path: Path, lock: Mapping[str, Mapping[str, str]]) -> None:
    """Write a lock file, sorted."""
    content = {kind: dict(sorted(commits.items())) for kind, commits in sorted(lock.items()) if commits}
    path.write_text(_HEADER + yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def with_revisions(config: Mapping[str, Any], files: Iterable[Path]) -> dict[str, Any]:
    """The configuration with commits of the lock files filled in where it has none; a later file goes before."""
    lock: dict[str, dict[str, str]] = {"model": {}, "dataset": {}}
    for file in files:
        for kind, commits in read_lock(lock_path(file)).items():
            lock[kind] |= commits
    result = dict(config)
    for pin in pins(config):
        commit = lock[pin.kind].get(pin.id)
        if pin.revision is None and commit is not None:
            group, name = pin.key.split(".", 1)
            result[group] = dict(result[group]) | {name: dict(result[group][name]) | {"revision": commit}}
    return result


def files_of(config: Mapping[str, Any], file: Path) -> list[Path]:
    """The study files that a configuration is made of: its base, then its own."""
    return [*([file.parent / str(config["base"])] if config.get("base") else []), file]


def load(path: Path | str) -> Study:
    """The checked study of a YAML file, pinned as far as its lock files do."""
    config, path = read_yaml(path), Path(path)
    return from_mapping(with_revisions(with_base(config, path.parent), files_of(config, path)), str(path))


def require(study: Study, file: Path | str = "CONFIG") -> None:
    """StudyError when anything of the hub is not pinned: it names the keys and the command that pins them."""
    missing = [f"{pin.key} ({pin.id})" for pin in pins(study.model_dump()) if pin.revision is None]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise StudyError(
            f"no revision is pinned for {', '.join(missing[:3])}{more}; "
            f"`python scripts/pin_revisions.py {file}` asks the hub for each and writes them down"
        )

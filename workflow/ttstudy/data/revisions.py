"""Pinned commits of what a study takes from the hub, and the SHA-256 of its files, in a lock file beside the study.

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

GROUPS: dict[str, Kind] = {"policies": "model", "prms": "model", "benchmarks": "dataset", "labelled": "dataset"}
_HEADER = (
    "# Commits of the Hugging Face hub at which this study reads models and data sets, and SHA-256 of their files.\n"
    "# Written by scripts/pin_revisions.py; --update moves them to the newest. `source`: who states what is pinned.\n"
)


class Pin(NamedTuple):
    """Something of the hub that a study names: where (its key), what, and its commit (None: not pinned).

    Of a data set, `file` and `split` tell which file of it is read.
    """

    key: str
    kind: Kind
    id: str
    revision: str | None
    file: str | None = None
    split: str = "test"


class Locked(NamedTuple):
    """What a lock file says of a model or data set: commit, SHA-256 by file, who states them, what is built by what."""

    revision: str
    checksums: Mapping[str, str] = {}
    source: str | None = None
    built: Mapping[str, str] = {}


Lock = dict[str, dict[str, Locked]]
"""By kind and id."""


def pins(config: Mapping[str, Any]) -> Iterator[Pin]:
    """Every hub model and data set of a configuration."""
    for group, kind in GROUPS.items():
        entries = config.get(group)
        for name, item in entries.items() if isinstance(entries, Mapping) else ():
            if isinstance(item, Mapping) and item.get("source") == "hub":
                told = {key: item[key] for key in ("file", "split") if item.get(key)}
                yield Pin(f"{group}.{name}", kind, str(item.get("id")), item.get("revision"), **told)


def lock_path(config: Path) -> Path:
    """The lock file of a study's file."""
    return config.with_name(f"{config.stem}.revisions.yaml")


def read_lock(path: Path) -> Lock:
    """What a lock file pins; StudyError for anything that is no commit, and no SHA-256."""
    lock: Lock = {"model": {}, "dataset": {}}
    if not os.path.lexists(path):
        return lock
    for kind, entries in read_yaml(path).items():
        if kind not in lock or not isinstance(entries, Mapping):
            raise StudyError(f"{path}: {kind}: unknown key; it holds `model` and `dataset`, each id: commit")
        for id, entry in entries.items():
            lock[kind][str(id)] = _locked(entry, f"{path}: {kind}.{id}")
    return lock


def _locked(entry: Any, where: str) -> Locked:
    """An entry of a lock file: a commit, or a mapping with it."""
    told = entry if isinstance(entry, Mapping) else {"revision": entry}
    if strange := sorted(set(told) - set(Locked._fields)):
        raise StudyError(f"{where}.{strange[0]}: unknown key; there are {', '.join(Locked._fields)}")
    if not re.fullmatch(r"[0-9a-f]{40}", str(told.get("revision"))):
        raise StudyError(f"{where}: {told.get('revision')!r} is no commit of 40 hex digits; pin it anew")
    checksums = told.get("checksums") or {}
    if not isinstance(checksums, Mapping):
        raise StudyError(f"{where}.checksums: holds SHA-256 by file, not {checksums!r}")
    for name, checksum in checksums.items():
        if not re.fullmatch(r"[0-9a-f]{64}", str(checksum)):
            raise StudyError(f"{where}.checksums: {name}: {checksum!r} is no SHA-256 of 64 hex digits; pin it anew")
    return Locked(str(told["revision"]), dict(checksums), told.get("source"), dict(told.get("built") or {}))


def write_lock(path: Path, lock: Mapping[str, Mapping[str, Locked]]) -> None:
    """Write a lock file, sorted."""

    def plain(entry: Locked) -> Any:
        told = {key: value for key, value in entry._asdict().items() if value}
        return told if len(told) > 1 else entry.revision

    content = {
        kind: {id: plain(entry) for id, entry in sorted(entries.items())}
        for kind, entries in sorted(lock.items())
        if entries
    }
    path.write_text(_HEADER + yaml.safe_dump(content, sort_keys=False, width=120), encoding="utf-8")


def with_revisions(config: Mapping[str, Any], files: Iterable[Path]) -> dict[str, Any]:
    """The configuration with what the lock files pin filled in where it has none; a later file goes before."""
    lock: Lock = {"model": {}, "dataset": {}}
    for file in files:
        for kind, entries in read_lock(lock_path(file)).items():
            lock[kind] |= entries
    result = dict(config)
    for pin in pins(config):
        found = lock[pin.kind].get(pin.id)
        if found is None or pin.revision not in (None, found.revision):
            continue
        group, name = pin.key.split(".", 1)
        told: dict[str, Any] = {"revision": found.revision}
        if pin.kind == "dataset":  # one file of it is read
            known = {file: each for file, each in found.checksums.items() if pin.file in (None, file)}
        else:
            known = dict(found.checksums)
        if known and not result[group][name].get("checksums"):
            told["checksums"] = known
        result[group] = dict(result[group]) | {name: dict(result[group][name]) | told}
    return result


def files_of(config: Mapping[str, Any], file: Path) -> list[Path]:
    """The study files that a configuration is made of: its base, then its own."""
    return [*([file.parent / str(config["base"])] if config.get("base") else []), file]


def load(path: Path | str, root: Path = Path()) -> Study:
    """The checked study of a YAML file, pinned as far as its lock files do; its paths start from `root`."""
    config, path = read_yaml(path), Path(path)
    return from_mapping(with_revisions(with_base(config, path.parent, root), files_of(config, path)), str(path))


def require(study: Study, file: Path | str = "CONFIG") -> None:
    """StudyError when anything of the hub is not pinned: it names the keys and the command that pins them."""
    missing = [f"{pin.key} ({pin.id})" for pin in pins(study.model_dump()) if pin.revision is None]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise StudyError(
            f"no revision is pinned for {', '.join(missing[:3])}{more}; "
            f"`python scripts/pin_revisions.py {file}` asks the hub for each and writes them down"
        )

"""Specs as files: `results/specs/AB/CDEF....json`, named by their digests."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from ttstudy.dag.specs.kinds import KINDS
from ttstudy.dag.specs.records import Spec
from ttstudy.errors import StudyError

FOLDER = "specs"
"""Folder of the results that holds them."""
Kind = TypeVar("Kind", bound=Spec)


def place(results: str | Path, digest: str) -> str:
    """Path of the file of the spec with this digest."""
    return f"{results}/{FOLDER}/{digest[:2]}/{digest[2:]}.json"


def text(spec: Spec) -> str:
    """A spec as its file has it. The order of its maps is the layout's, and the first of its outputs names the job."""
    content = {"step": spec.step, "digest": spec.digest, "spec": spec.model_dump(mode="json")}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write(spec: Spec, path: str | Path) -> None:
    """Write a spec's file, whole or not at all, unless it is there as it should be."""
    path, wanted = Path(path), text(spec).encode()
    try:
        if path.read_bytes() == wanted:
            return
    except OSError:
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(wanted)
    os.replace(temporary, path)


def content(path: str | Path) -> dict[str, Any]:
    """A spec's file as it is; StudyError where it is none."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(found, dict) or found.get("step") not in KINDS:
            raise ValueError("it names no step")
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror}); start the study again, which writes it") from None
    except ValueError as error:
        raise StudyError(f"{path}: not a spec ({error}); start the study again, which writes it") from None
    return found


def read(path: str | Path, kind: type[Kind]) -> Kind:
    """The spec of one kind in a file; StudyError for another kind, and for what is no spec or not its own."""
    found = content(path)
    if KINDS[found["step"]] is not kind:
        raise StudyError(f"{path}: is a spec of the step {found['step']}, not of {kind.step}")
    return checked(found, path, kind)


def checked(found: dict[str, Any], path: str | Path, kind: type[Kind]) -> Kind:
    """The spec that a file's content is; StudyError where it does not fit its kind, or its digest does not fit it."""
    try:
        spec = kind.model_validate_json(json.dumps(found["spec"]))
    except (ValidationError, KeyError) as error:
        raise StudyError(f"{path}: not a spec of {kind.step} as this version knows it ({error})") from None
    if found.get("digest") != spec.digest:
        raise StudyError(f"{path}: is not what its digest says; start the study again, which writes it")
    return spec

"""Specs as files: `results/specs/AB/CDEF...-OUTPUTS.json`, named by their digests and what they make."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from ttstudy.dag import writing
from ttstudy.dag.specs.kinds import KINDS
from ttstudy.dag.specs.records import Spec, digest8
from ttstudy.errors import StudyError

FOLDER = "specs"
"""Folder of the results that holds them."""
Kind = TypeVar("Kind", bound=Spec)


def place(results: str | Path, spec: Spec) -> str:
    """Path of a spec's file. Two jobs may have one digest (two names for one model): the outputs tell them apart."""
    return f"{results}/{FOLDER}/{spec.digest[:2]}/{spec.digest[2:]}-{digest8(spec.outputs)}.json"


def of_digest(results: Path, digest: str) -> dict[str, Any] | None:
    """Content of a spec's file by the digest that a stamp has; None where there is none that can be read."""
    for path in sorted((results / FOLDER / digest[:2]).glob(f"{digest[2:]}-*.json")):
        with suppress(StudyError):
            return content(path)
    return None


def text(spec: Spec) -> str:
    """A spec as its file has it. The order of its maps is the layout's, and the first of its outputs names the job."""
    content = {"step": spec.step, "digest": spec.digest, "spec": spec.model_dump(mode="json")}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write(spec: Spec, path: str | Path) -> None:
    """Write a spec's file, whole or not at all, unless it is there as it should be."""
    path, wanted = Path(path), text(spec).encode()
    with suppress(OSError):
        if path.read_bytes() == wanted:
            return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writing.write(path, wanted)
    except OSError as error:
        raise StudyError(f"{path}: cannot be written ({error.strerror}); make room for it and start again") from None


def content(path: str | Path) -> dict[str, Any]:
    """A spec's file as it is; StudyError where it is none."""
    try:
        found: Any = json.loads(Path(path).read_text(encoding="utf-8"))
        step = found.get("step") if isinstance(found, dict) else None
        if not isinstance(step, str) or step not in KINDS or not isinstance(found.get("spec"), dict):
            raise ValueError("it names no step")
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror}); start the study again, which writes it") from None
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{path}: not a spec ({error}); start the study again, which writes it") from None
    return dict(found)


def read(path: str | Path, kind: type[Kind]) -> Kind:
    """The spec of one kind in a file; StudyError for another kind, and for what is no spec or not its own."""
    found = content(path)
    if KINDS[found["step"]] is not kind:
        raise StudyError(f"{path}: is a spec of the step {found['step']}, not of {kind.step}")
    return checked(found, path, kind)


def read_any(path: str | Path) -> Spec:
    """The spec in a file, of whatever kind it is; StudyError as for `read`."""
    found = content(path)
    return checked(found, path, KINDS[found["step"]])


def checked(found: dict[str, Any], path: str | Path, kind: type[Kind]) -> Kind:
    """The spec that a file's content is; StudyError where it does not fit its kind, or its digest does not fit it."""
    try:
        spec = kind.model_validate_json(json.dumps(found["spec"]))
    except (ValidationError, KeyError) as error:
        raise StudyError(f"{path}: not a spec of {kind.step} as this version knows it ({error})") from None
    if found.get("digest") != spec.digest:
        raise StudyError(f"{path}: is not what its digest says; start the study again, which writes it")
    return spec

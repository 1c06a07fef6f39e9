"""Typed records that decide results: what of them is in a digest, and how a digest is made.

A record is read field by field. A field marked FREE (`ttstudy.study.fields.Mark`) is in no digest; one marked OWN is in
that of one result and not in that of its folder; a value that is its field's default is left out, so that an option
that comes later moves nothing that was made before it. Everything else decides.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from ttstudy.dag import rehearsed
from ttstudy.study.fields import FREE, OWN, Mark


def canonical(content: Mapping[str, Any]) -> str:
    """One text per content: keys sorted, no spaces, plain JSON values only (TypeError otherwise)."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest8(content: Mapping[str, Any]) -> str:
    """First eight hexadecimal characters of the SHA-256 of the canonical text: the name of a folder."""
    return sha256(canonical(content).encode()).hexdigest()[:8]


class Record(BaseModel):
    """A part of a spec: nothing but its own fields, and nothing changed once it is made."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class File(Record):
    """A file that a step reads: where it lies, and the digest of the spec that makes it."""

    path: Annotated[str, FREE]
    digest: str
    output: str = ""
    """Which of the job's outputs it is."""
    given: Annotated[bool, FREE] = False
    """No step makes it: the digest is that of its content."""


@cache
def _fields(kind: type[BaseModel]) -> tuple[tuple[str, FieldInfo, frozenset[Mark]], ...]:
    return tuple(
        (name, field, frozenset(mark for mark in field.metadata if isinstance(mark, Mark)))
        for name, field in kind.model_fields.items()
    )


def deciding(value: Any, own: bool = True) -> Any:
    """What decides of a record, as plain JSON values; without `own`, only what all results of a folder share."""
    if isinstance(value, File):
        return f"{value.digest}.{value.output}"
    if isinstance(value, BaseModel):
        found = {}
        for name, field, marks in _fields(type(value)):
            if FREE in marks or (OWN in marks and not own):
                continue
            item = deciding(getattr(value, name), own)
            if field.is_required() or item != deciding(field.get_default(call_default_factory=True), own):
                found[name] = item
        return found
    if isinstance(value, Mapping):
        return {str(key): deciding(item, own) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [deciding(item, own) for item in value]
    return value


def free(value: BaseModel) -> dict[str, Any]:
    """The fields of a record that are marked FREE: options of a machine, which change no result."""
    return {name: getattr(value, name) for name, _, marks in _fields(type(value)) if FREE in marks}


def bound(value: BaseModel) -> dict[str, Any]:
    """The other fields of a record, defaults too."""
    return {name: getattr(value, name) for name, _, marks in _fields(type(value)) if FREE not in marks}


def files(value: Any) -> Iterator[File]:
    """Every file that a record names, in the order of its fields."""
    if isinstance(value, File):
        yield value
    elif isinstance(value, BaseModel):
        for name, _, _ in _fields(type(value)):
            yield from files(getattr(value, name))
    elif isinstance(value, Mapping):
        for key in sorted(value):
            yield from files(value[key])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from files(item)


class Spec(Record):
    """All that decides the results of one job, and where they and what it reads lie."""

    step: ClassVar[str]
    """The job's script, without its suffix."""
    outputs: Annotated[dict[str, str], FREE]
    """Paths by the words that the step knows them by; the first names the job."""

    @cached_property
    def digest(self) -> str:
        """What tells this job's results from all others': 32 hexadecimal characters, which its results carry."""
        return sha256(canonical(self._decides(own=True)).encode()).hexdigest()[:32]

    @cached_property
    def folder(self) -> str:
        """Eight characters of what all results of one folder share: the end of the folder's name."""
        return digest8(self._decides(own=False))

    def _decides(self, own: bool) -> dict[str, Any]:
        # Nothing that a rehearsal makes is what a real run asks for.
        apart = {"rehearsal": True} if rehearsed.name() else {}
        return {"step": self.step} | apart | dict(deciding(self, own))

    @cached_property
    def inputs(self) -> tuple[File, ...]:
        """Every file that the job reads, each once."""
        return tuple({file.path: file for file in files(self)}.values())

    @property
    def outside(self) -> dict[str, str]:
        """Files outside of the results that the job reads, and the SHA-256 that each was planned with."""
        return {}

    @property
    def product(self) -> str:
        """The path that names the job: its first output."""
        return next(iter(self.outputs.values()))

    def file(self, output: str | None = None) -> File:
        """One of the job's outputs as another job reads it; the first by default."""
        name = output or next(iter(self.outputs))
        return File(path=self.outputs[name], digest=self.digest, output=name)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other values, which does not keep the digests of the old ones."""
        copied = super().model_copy(update=update, deep=deep)
        if set(update or ()) - {"outputs"}:
            for name in ("digest", "folder", "inputs"):
                copied.__dict__.pop(name, None)
        return copied

    def named(self, **outputs: str) -> Self:
        """The same spec with outputs whose paths hang on its own digest."""
        return self.model_copy(update={"outputs": outputs})


class Versioned(Spec):
    """A step that calls a model or reads what others wrote: its version is raised by hand when its results change."""

    version: int


class Coded(Spec):
    """Any other step: `code` is a digest of what it computes with (`ttstudy.dag.fingerprint.code`)."""

    code: str

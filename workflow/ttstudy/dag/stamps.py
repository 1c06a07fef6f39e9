"""Results that describe themselves: what made a file, from what, and what is in it, told by the file.

A stamp is four words. `spec`: the digest of the spec that made the file (`ttstudy.dag.specs`). `output`: which of its
outputs it is. `inputs`: of everything that the job read, eight characters of what was in it and eight of what that was
made from. `content`: a digest of what is in the file, the same for the same rows whatever wrote them. Tables carry the
stamp in their Parquet metadata, pages and figures in a comment at their end, JSON records as a key, checkpoints as a
file in their folder. So a plan needs neither file times nor anybody's records: a copy is as good as the original.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from ttstudy.dag import contents, rehearsed
from ttstudy.errors import StudyError

if TYPE_CHECKING:
    import pyarrow as pa

    from ttstudy.dag.specs.records import File, Spec

KEY = "ttstudy"
"""Of the metadata of a table, and of a JSON record."""
CHECKPOINT = ".stamp"
"""File of a checkpoint's folder that holds its stamp."""
MARKERS = ("training.json", "fetched.json")
"""Files whose folder is a checkpoint."""
_LONGEST = 2**20
"""Bytes at a page's end in which its stamp is looked for: room for what sixty thousand files held."""
_TOLD = re.compile(rb"<!-- ttstudy (\{[^<>]*\}) -->\n")


class Stamp(NamedTuple):
    """What a result says of itself; see the module."""

    spec: str
    output: str
    inputs: str
    content: str

    def text(self) -> str:
        """As JSON."""
        return json.dumps(self._asdict(), sort_keys=True)


# -- while a step runs -----------------------------------------------------------------------------------------------

_running: list[tuple[Spec, str]] = []
_AGAIN = "start the study again, which makes it anew"
_LONG, _GONE = 8, "?"
"""Characters that an input takes in `inputs`, twice: of its own content, and of what it was made from."""


def begin(spec: Spec, root: Path = Path()) -> None:
    """What this process writes from now on is this spec's; StudyError where an input is not what the spec asks for."""
    there = {file.path: of(root / file.path) for file in spec.inputs if not file.given}
    for file in spec.inputs:
        known = there.get(file.path)
        if not file.given and known is None and (root / file.path).exists():
            raise StudyError(f"{file.path}: does not say what made it; {_AGAIN}")
        if known is not None and known[:2] != (file.digest, file.output):
            raise StudyError(f"{file.path}: was made by other settings or code than {spec.step} asks for; {_AGAIN}")
    look_again(spec)
    _running[:] = [(spec, inputs(spec, there.get))]


def end() -> None:
    """What this process writes from now on is no spec's."""
    _running.clear()


def begin_as(spec: Spec, read: str) -> None:
    """What this process writes from now on is this spec's, made from what `read` (a stamp's `inputs`) tells."""
    _running[:] = [(spec, read)]


def look_again(spec: Spec) -> None:
    """StudyError where a file or checkpoint that was given is not the one that the run was planned with."""
    for path, planned in spec.outside.items():
        if contents.content(Path(path)) != planned:
            raise StudyError(f"{path}: has changed since this run was planned; start the study again")
    for file in spec.inputs:
        if file.given and Path(file.path).name == "config.json":
            folder = Path(file.path).parent
            if contents.checkpoint_digest(folder, str(folder)) != file.digest:
                raise StudyError(f"{folder}: has changed since this run was planned; start the study again")
        elif file.given and file.path.endswith(".gguf"):
            if contents.file_digest(Path(file.path))[: len(file.digest)] != file.digest:
                raise StudyError(f"{file.path}: has changed since this run was planned; start the study again")


def running(path: Path, content: Callable[[], str]) -> Stamp | None:
    """The stamp of what the running step writes to a path; None outside of one, and for what is no output of it."""
    if not _running:
        return None
    spec, read = _running[0]
    names = {Path(place): name for name, place in spec.outputs.items()}
    found = names.get(path) or names.get(path.parent)
    return None if found is None else Stamp(spec.digest, found, read, content())


def origin() -> str | None:
    """What tells the running step and all that it reads from any other; None outside of one."""
    return f"{_running[0][0].digest} {sha256(_running[0][1].encode()).hexdigest()}" if _running else None


def inputs(spec: Spec, stamp: Callable[[str], Stamp | None]) -> str:
    """What all inputs of a job hold now, one after the other: its content, and what it was made from.

    Of one that is gone, or not as the job wants it, `?`.
    """
    return "".join(_of_input(file, stamp) for file in spec.inputs)


def _of_input(file: File, stamp: Callable[[str], Stamp | None]) -> str:
    if file.given:
        return file.digest[:_LONG].ljust(_LONG, "-") + "-" * _LONG
    known = stamp(file.path)
    if known is None or known[:2] != (file.digest, file.output):
        return _GONE * 2 * _LONG
    return known.content[:_LONG] + made_from(known.inputs)


def made_from(told: str) -> str:
    """Digest of the contents in a stamp's `inputs`."""
    own = (told[place : place + _LONG] for place in range(0, len(told), 2 * _LONG))
    return sha256("".join(own).encode()).hexdigest()[:_LONG]


def agree(told: str, now: str, again: Callable[[int], str | None]) -> bool:
    """Whether a result's `inputs` are what its inputs hold now.

    Of one that is gone, `again` (by its place) says what it would be made from now; None where that is not known.
    """
    if len(told) != len(now):
        return not told  # of a result that was brought over without its inputs nothing is known
    for place in range(0, len(now), 2 * _LONG):
        content, made = told[place : place + _LONG], told[place + _LONG : place + 2 * _LONG]
        if _GONE in content:
            continue
        if _GONE not in (own := now[place : place + _LONG]):
            if own != content:
                return False
        elif (would := again(place // (2 * _LONG))) is not None and would != made:
            return False
    return True


# -- in files --------------------------------------------------------------------------------------------------------


def of(path: Path) -> Stamp | None:
    """The stamp of a result (a table, page, record or checkpoint, or a folder of figures); None where it has none."""
    try:
        if path.suffix == ".parquet":
            return of_table(path)
        if path.name in MARKERS:
            return of_text((path.parent / CHECKPOINT).read_text(encoding="utf-8"))
        if path.suffix == ".json":
            return of_text(json.dumps(json.loads(path.read_text(encoding="utf-8"))[KEY]))
        if path.is_dir():
            found = [_of_page(figure) for figure in sorted(path.glob("*.svg"))]
            return found[0] if len({stamp and stamp[:3] for stamp in found}) == 1 else None
        return _of_page(path)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, NotImplementedError):
        return None


def of_table(table: Path | BinaryIO) -> Stamp | None:
    """The stamp of a Parquet file, or of one that is open; None where it has none, or is no such file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(table).metadata or {}
        told = metadata.get(KEY.encode())
        return None if told is None else of_text(told.decode())
    except (OSError, ValueError, pa.ArrowException):
        return None


def note(path: Path, name: str) -> str | None:
    """What a table's metadata says under a name; None where it says nothing, or is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        told = (pq.read_metadata(path).metadata or {}).get(f"{KEY}.{name}".encode())
    except (OSError, ValueError, pa.ArrowException):
        return None
    return None if told is None else str(told.decode())


def _of_page(path: Path) -> Stamp | None:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _LONGEST))
        found = _TOLD.findall(stream.read())
    return of_text(found[-1].decode()) if found else None


def of_text(text: str) -> Stamp | None:
    """The stamp that a text is; None where it is another thing."""
    told = json.loads(text)
    if not isinstance(told, dict) or not all(isinstance(told.get(name), str) for name in Stamp._fields):
        return None
    return Stamp(*(told[name] for name in Stamp._fields))


def on_table(table: pa.Table, path: Path, notes: Mapping[str, str] | None = None) -> pa.Table:
    """A table with the running step's stamp for a path, and notes, in its metadata; without a stamp outside of one."""
    stamp = running(path, lambda: of_rows(table))
    # As bytes, as Arrow has them: a table that has a stamp already shall not keep it beside the new one.
    told = {f"{KEY}.{name}".encode(): text.encode() for name, text in (notes or {}).items()}
    if (name := rehearsed.name()) is not None:
        told[f"{KEY}.rehearsal".encode()] = name.encode()
    if stamp is not None:
        told[KEY.encode()] = stamp.text().encode()
    return table.replace_schema_metadata((table.schema.metadata or {}) | told)


def on_page(content: bytes, path: Path) -> bytes:
    """A page or figure with the running step's stamp as a comment at its end; as it is outside of one."""
    stamp = running(path, lambda: sha256(content).hexdigest()[:32])
    return content if stamp is None else content + f"<!-- ttstudy {stamp.text()} -->\n".encode()


def on_record(record: dict[str, Any], path: Path) -> dict[str, Any]:
    """A JSON record with the running step's stamp as a key; as it is outside of one."""
    stamp = running(path, lambda: sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:32])
    return record if stamp is None else {KEY: stamp._asdict()} | record


def on_checkpoint(folder: Path, marker: Path) -> None:
    """Write the running step's stamp for a checkpoint's marker into its whole folder; nothing outside of one."""
    stamp = running(marker, lambda: of_checkpoint(folder))
    if stamp is not None:
        (folder / CHECKPOINT).write_text(stamp.text() + "\n", encoding="utf-8")


# -- contents --------------------------------------------------------------------------------------------------------


def of_checkpoint(folder: Path) -> str:
    """Digest of what a model is: its weights, tokenizer, configuration and record; not how long it took."""
    kept = (".json", ".safetensors", ".jinja", ".model")
    apart = ("timing.json", "checksums.json")
    total = sha256()
    known = _known_checksums(folder)
    for path in sorted(folder.iterdir()):
        if path.suffix in kept and path.name not in apart:
            total.update(f"{path.name} {known.get(path.name) or _digest(path)}\n".encode())
    return total.hexdigest()[:32]


def _known_checksums(folder: Path) -> dict[str, str]:
    """Checksums of a fetched model's large files, which its record has: 145 GB are not read a second time."""
    record = folder / "fetched.json"
    if not record.is_file():
        return {}
    files = json.loads(record.read_text(encoding="utf-8")).get("files", {})
    return {name: str(item["sha256"]) for name, item in files.items()}


def _digest(path: Path) -> str:
    from hashlib import file_digest

    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def of_rows(table: pa.Table) -> str:
    """Digest of a table's columns and values; the bits of memory and file that hold them do not matter."""
    total = sha256(str(table.num_rows).encode())
    for name in table.column_names:
        total.update(f"\0{name}\0".encode())
        for part in _parts(table.column(name).combine_chunks()):
            total.update(part)
    return total.hexdigest()[:32]


def _parts(array: pa.Array) -> Iterable[bytes]:
    """A column as bytes: which values are there, how long texts and lists are, and what is in them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    kind = array.type
    if pa.types.is_dictionary(kind):
        yield from _parts(array.dictionary_decode())
        return
    yield pc.cast(array.is_valid(), pa.uint8()).to_numpy(zero_copy_only=False).tobytes() if array.null_count else b"-"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield pc.cast(pc.fill_null(pc.list_value_length(array), -1), pa.int64()).to_numpy().tobytes()
        yield from _parts(pc.list_flatten(array))
    elif pa.types.is_null(kind):
        yield b"null"
    elif pa.types.is_boolean(kind):
        yield pc.cast(pc.fill_null(array, False), pa.uint8()).to_numpy().tobytes()
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        yield f"{kind}\0".encode()
        yield pc.fill_null(array, 0).to_numpy(zero_copy_only=False).tobytes()
    else:
        texts = pc.fill_null(pc.cast(array, pa.large_binary()), b"")
        yield pc.cast(pc.binary_length(texts), pa.int64()).to_numpy().tobytes()
        _, _, data = texts.buffers()
        lengths = int(pc.sum(pc.binary_length(texts)).as_py() or 0)
        start = _start(texts)
        yield memoryview(data)[start : start + lengths].tobytes() if data is not None else b""


def _start(texts: pa.Array) -> int:
    """Where the first text of a `large_binary` array begins in its buffer."""
    import numpy as np

    offsets = texts.buffers()[1]
    return 0 if offsets is None or not len(texts) else int(np.frombuffer(offsets, dtype=np.int64)[texts.offset])

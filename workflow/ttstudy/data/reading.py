"""The one reader of files from outside: JSON lines, JSON arrays and objects, CSV, Parquet, zip logs; packed ones too.

What a file is, its content tells; only CSV is known by its name. Everything is bounded: lines, documents, tables, and
what a packed file unpacks to.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

from ttstudy.data.rows import KeyTwiceError, json_value, unique
from ttstudy.errors import StudyError
from ttstudy.kinds.sources import Place

Row = dict[str, Any]


class BrokenRow(Exception):
    """A row cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that is read, in bytes and rows. A packed file is measured unpacked."""

    line: int = 50_000_000
    document: int = 1_000_000_000
    """Of a JSON array or object."""
    rows: int = 10_000_000
    table: int = 20_000_000_000
    """Of all texts of a file."""


PROBLEMS = Limits(line=10_000_000, table=1_000_000_000)
"""Of a file of problems or of labelled solutions."""
RESPONSES = Limits()
"""Of a file of recorded responses, of which a row may hold hundreds."""
_BATCH = 256
_PACKED = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\xfd7zX": ".xz", b"\x28\xb5\x2f\xfd": ".zst"}
"""What packed files begin with, and how they are named."""
_OTHERS = {
    b"ARRO": "an Arrow file; save it as Parquet",
    b"\xff\xff\xff\xff": "an Arrow file; save it as Parquet",
    b"\x80": "a pickle, which may run anything when it is read; save it as JSON lines or Parquet",
    b"\x93NUM": "an array of numpy; save it as JSON lines or Parquet",
    b"7z\xbc\xaf": "a 7z archive; unpack it first",
    b"SQLi": "a database; save the table as CSV",
}
"""What files begin with that are not read, and what to do."""
_ARCHIVES = (".tar", ".tgz")


def read(files: Sequence[Path], limits: Limits = RESPONSES) -> Iterator[tuple[Place, Row | BrokenRow]]:
    """Rows of files in their order, each with its place; StudyError names a file that cannot be read."""
    for file in files:
        try:
            yield from _rows(file, limits)
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile):
            raise StudyError(f"{file}: is cut off or damaged; copy or download it again") from None
        except OSError as error:
            raise StudyError(f"{file}: cannot be read ({error.strerror or error})") from None


def _rows(file: Path, limits: Limits) -> Iterator[tuple[Place, Row | BrokenRow]]:
    with file.open("rb") as stream:
        magic = stream.read(4)
    name = file.name.lower()
    packed = next((ending for begun, ending in _PACKED.items() if magic.startswith(begun)), "")
    name = name.removesuffix(packed)
    if other := next((what for begun, what in _OTHERS.items() if magic.startswith(begun)), None):
        raise StudyError(f"{file}: {other}")
    if name.endswith(_ARCHIVES):
        raise StudyError(f"{file}: an archive of several files; unpack it first")
    if magic == b"PAR1" or file.suffix == ".parquet":
        yield from _parquet(file, limits)
    elif magic == b"PK\x03\x04":
        yield from _zip(file, limits)
    else:
        with _opened(file, packed) as stream:
            given = _Bounded(stream, file, limits)
            if name.endswith((".csv", ".tsv")):
                yield from _csv(given, file, "\t" if name.endswith(".tsv") else ",")
            else:
                yield from _json(given, file, name)


def _opened(file: Path, packed: str) -> IO[bytes]:
    """A file's bytes, unpacked as its ending says."""
    if packed == ".zst":
        import pyarrow as pa

        return cast("IO[bytes]", io.BufferedReader(pa.input_stream(str(file), compression="zstd")))
    opens: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    return cast("IO[bytes]", opens[packed](file) if packed else file.open("rb"))


def items(row: Row) -> list[Row]:
    """The objects of an object's one list of objects, or of an object by numbers, as programs wrap their rows."""
    if all(str(key).isdigit() and isinstance(value, dict) for key, value in row.items()):
        return list(row.values())
    lists = [v for v in row.values() if isinstance(v, list) and v and all(isinstance(item, dict) for item in v)]
    return lists[0] if len(lists) == 1 else []


class _Bounded:
    """Lines of a stream, counted; StudyError for one that is too long, or for too many bytes in all."""

    def __init__(self, stream: IO[bytes], file: Path, limits: Limits) -> None:
        self.stream, self.file, self.limits, self.number, self.size = stream, file, limits, 0, 0

    def __iter__(self) -> Iterator[bytes]:
        while line := self.stream.readline(self.limits.line + 1):
            self.number += 1
            self.size += len(line)
            if len(line) > self.limits.line:
                what = f"line {self.number} is longer than {self.limits.line:,} bytes"
                raise StudyError(f"{self.file}: {what}; one row a line")
            if self.size > self.limits.table:
                raise StudyError(f"{self.file}: more than {self.limits.table:,} bytes of text; give a part of it")
            yield line.removeprefix(b"\xef\xbb\xbf") if self.number == 1 else line

    def whole(self, begun: bytes) -> str:
        """All that is left as one text, after what was read before."""
        parts, size = [begun], len(begun)
        while part := self.stream.read(1 << 20):
            parts.append(part)
            size += len(part)
            if size > self.limits.document:
                what = f"more than {self.limits.document:,} bytes in one JSON value"
                raise StudyError(f"{self.file}: {what}; write JSON lines, one object a line")
        try:
            return b"".join(parts).decode("utf-8")
        except UnicodeDecodeError:
            raise StudyError(f"{self.file}: not UTF-8 text; save the file as UTF-8") from None


# -- JSON ----------------------------------------------------------------------------------------------------


def _json(given: _Bounded, file: Path, name: str) -> Iterator[tuple[Place, Row | BrokenRow]]:
    lines = iter(given)
    for line in lines:
        if not line.strip():
            continue
        if line.lstrip()[:1] == b"[":
            yield from _array(given.whole(line), file)
            return
        if line.lstrip()[:1] != b"{" and not name.endswith((".json", ".jsonl")):
            raise StudyError(f"{file}: neither JSON nor Parquet; if it is a table, name it .csv or .tsv")
        row = _line(line)
        if isinstance(row, BrokenRow) and name.endswith(".json") and line.lstrip()[:1] == b"{":
            yield Place(file, "object", 1), _line(given.whole(line).encode("utf-8"))
            return
        yield Place(file, "line", given.number), row
        break
    for line in lines:
        if line.strip():
            yield Place(file, "line", given.number), _line(line)


def _line(line: bytes) -> Row | BrokenRow:
    try:
        row = json_value(line.decode("utf-8"))
    except KeyTwiceError as error:
        return BrokenRow(str(error))
    except UnicodeDecodeError:
        return BrokenRow("not UTF-8 text; save the file as UTF-8")
    except json.JSONDecodeError as error:
        return BrokenRow(f"not valid JSON ({error.msg}); write one JSON object a line")
    except RecursionError:
        return BrokenRow("JSON nested too deeply; write one flat object a line")
    except ValueError:  # a number of thousands of digits
        return BrokenRow("JSON with a number that is too long")
    return row if isinstance(row, dict) else BrokenRow("not a JSON object; write one object a line")


def _array(text: str, file: Path) -> Iterator[tuple[Place, Row | BrokenRow]]:
    """Items of a JSON array; StudyError at the first that is not valid JSON, since nothing parts the rest."""
    decoder = json.JSONDecoder(object_pairs_hook=unique)
    place, number, end = text.index("[") + 1, 0, len(text)
    while True:
        while place < end and text[place] in " \t\r\n":
            place += 1
        if text[place : place + 1] == "]" and not number:
            place += 1
            break
        number += 1
        where = Place(file, "item", number)
        try:
            value, place = decoder.raw_decode(text, place)
        except KeyTwiceError as error:
            raise StudyError(f"{file}: {where}: {error}") from None
        except RecursionError:
            raise StudyError(f"{file}: {where}: JSON nested too deeply; write an array of flat objects") from None
        except ValueError as error:
            reason = str(error).split(":")[0]
            raise StudyError(f"{file}: {where}: not valid JSON ({reason}); the array is cut off or broken") from None
        yield where, value if isinstance(value, dict) else BrokenRow("not a JSON object")
        while place < end and text[place] in " \t\r\n":
            place += 1
        place += 1
        if text[place - 1 : place] == "]":
            break
        if text[place - 1 : place] != ",":
            raise StudyError(f"{file}: {where}: not valid JSON (no comma after it); the array is cut off or broken")
    if text[place:].strip():
        raise StudyError(f"{file}: text follows the end of the JSON array; give one array, or one object a line")


def _zip(file: Path, limits: Limits) -> Iterator[tuple[Place, Row | BrokenRow]]:
    """Samples of a log of inspect_ai (`.eval`), which is a zip of JSON files."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = sorted(n for n in archive.namelist() if n.startswith("samples/") and n.endswith(".json"))
            if not names:
                raise StudyError(f"{file}: a zip file without samples/*.json, so no `.eval` log; unpack it first")
            size = 0
            for number, name in enumerate(names, 1):
                with archive.open(name) as stream:
                    content = stream.read(limits.line + 1)
                size += len(content)
                if len(content) > limits.line or size > limits.table:
                    raise StudyError(f"{file}: {name}: unpacks to more than {limits.line:,} bytes; give a part of it")
                yield Place(file, "sample", number), _line(content)
    except (zipfile.BadZipFile, zlib.error, UnicodeDecodeError, struct.error):
        raise StudyError(f"{file}: not a readable zip file; copy or download it again") from None
    except (NotImplementedError, RuntimeError) as error:  # Zstandard, which this Python has not; a password
        raise StudyError(f"{file}: {str(error)[:80]}; write it as JSON: `inspect log convert --to json`") from None


# -- tables --------------------------------------------------------------------------------------------------


def _csv(given: _Bounded, file: Path, delimiter: str) -> Iterator[tuple[Place, Row | BrokenRow]]:
    """Rows of a table with a header; an empty cell is no value."""

    def texts() -> Iterator[str]:
        for line in given:
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError:
                raise StudyError(f"{file}: line {given.number}: not UTF-8 text; save the file as UTF-8") from None

    csv.field_size_limit(given.limits.line)
    lines = texts()
    first = next(lines, "")
    if first.lower().startswith("sep="):  # a line of Excel's
        delimiter, first = first[4:5], next(lines, "")
    else:  # spreadsheets of many countries write semicolons
        delimiter = max((delimiter, ";", "\t", "|"), key=first.count)
    rows = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
    try:
        names = [name.strip() for name in next(rows, [])]
        if len(set(names)) < len(names):
            double = next(name for name in names if names.count(name) > 1)
            raise StudyError(f"{file}: column {double!r} is there twice; keep one of them")
        for number, cells in enumerate(rows, 1):
            if not cells:
                continue
            place = Place(file, "row", number, typed=False)
            if len(cells) != len(names):
                yield place, BrokenRow(f"{len(cells)} cells for {len(names)} columns")
            else:
                yield place, {name: cell if cell != "" else None for name, cell in zip(names, cells, strict=True)}
    except csv.Error as error:
        raise StudyError(f"{file}: line {given.number}: not readable as CSV ({error})") from None


def _parquet(file: Path, limits: Limits) -> Iterator[tuple[Place, Row | BrokenRow]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = size = 0
    try:
        schema = pq.read_schema(file)
        texts = [field.name for field in schema if field.type in (pa.string(), pa.large_string())]
        # As dictionaries: what they would unpack to is known before it is unpacked.
        with pq.ParquetFile(file, read_dictionary=texts) as table:
            names = schema.names
            if len(set(names)) < len(names):
                double = next(name for name in names if names.count(name) > 1)
                raise StudyError(f"{file}: column {double!r} is there twice; keep one of them")
            for batch in table.iter_batches(batch_size=_BATCH):
                size += sum(map(_unpacked, batch.columns))
                if size > limits.table or number >= limits.rows:
                    limit = f"{limits.rows:,} rows or {limits.table:,} bytes of text"
                    raise StudyError(f"{file}: more than {limit}; give a part of it")
                for row in batch.to_pylist():
                    number += 1
                    yield Place(file, "row", number), row
    except StudyError:
        raise
    except (pa.ArrowException, ValueError, OSError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise StudyError(f"{file}: not a readable Parquet file ({reason}); copy or download it again") from None


def _unpacked(column: Any) -> int:
    """Bytes of a column's texts, each as often as it is there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    values = column.dictionary
    lengths = pc.binary_length(values) if not pa.types.is_primitive(values.type) else pa.array([8] * len(values))
    return int(pc.sum(lengths.take(column.indices)).as_py() or 0)

"""Results of an earlier version, brought over: moved to where they lie today, and stamped, so that none is made again.

What models made and what came from outside moves (`ttstudy.run.legacy` says where it lay); grades, labels and tables of
a study are cheap, and the next run makes them anew. A result is stamped where it lies and moved then, inputs before
what was made from them: whenever this stops, each is either still at its old place or done. Whole folders move, so
records of jobs, unfinished parts and journals of endpoints go along. Nothing that is there already is overwritten.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ttstudy.dag import stamps, writing
from ttstudy.dag.layout import Layout, jobs
from ttstudy.dag.specs.inputs import BenchmarkSpec
from ttstudy.dag.specs.records import Spec
from ttstudy.dag.stamps import Stamp
from ttstudy.errors import StudyError
from ttstudy.run import integrity
from ttstudy.run.old_places import KINDS, Made, Place, names, places
from ttstudy.study import FileBenchmark, HubBenchmark

_BESIDE = re.compile(r"\.(?P<of>.+)\.(?:job\.json|parts|journal)")
_UNFINISHED = (".parts", ".journal")


# -- refusing to make again what is there ----------------------------------------------------------------------------


def refuse(layout: Layout) -> None:
    """StudyError where a run would make again what is there in the old layout; looks at little but names."""
    if not (layout.root / layout.study.results).is_dir():
        return

    @cache
    def wanted() -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for job in jobs(layout):
            for path in job.spec.outputs.values():
                found.setdefault(path.rpartition("/")[0], []).append(path.rpartition("/")[2])
        return found

    for place in places(layout):
        for path in _would_be_made_again(place, layout.root, wanted):
            raise StudyError(
                f"{path}: was made by an earlier version, and this run would make it again; bring all results over "
                f"with `make migrate CONFIG=...`, or delete {path.rpartition('/')[0] if place.folder else path}"
            )


def _would_be_made_again(place: Place, root: Path, wanted: Callable[[], dict[str, list[str]]]) -> Iterator[str]:
    """Paths of what is at an old place alone; `wanted` has the names of what the study asks for, by folder."""
    for old in place.old:
        if old == place.new:
            yield from (path for path, _ in place.results(root, old) if _unstamped(root / path) and _whole(root / path))
        elif not place.folder:
            yield from [old] if _only_old(root / old, root / place.new) else []
        elif (root / old).is_dir():
            for name in wanted().get(place.new, ()):
                if _only_old(root / old / name, root / place.new / name):
                    yield f"{old}/{name}"


def _only_old(old: Path, new: Path) -> bool:
    """Whether a result, or a part of one, is at its old place and there is none like it at the new one."""
    if new.exists():
        return False
    return old.exists() and _whole(old) or _unfinished(old) and not _unfinished(new)


def _unfinished(path: Path) -> bool:
    return any(path.with_name(f".{path.name}{ending}").exists() for ending in _UNFINISHED)


def _unstamped(path: Path) -> bool:
    """Whether a result says nothing of itself; of a checkpoint, one look at a name tells."""
    if path.name in stamps.MARKERS:
        return not (path.parent / stamps.CHECKPOINT).exists()
    return stamps.of(path) is None


def _whole(path: Path) -> bool:
    """Whether a result can be brought over: a damaged one is made again in any case."""
    return _fault(path) is None


def _fault(path: Path) -> str | None:
    try:
        return integrity.fault(path)
    except (KeyError, TypeError, ValueError) as error:  # a record of a checkpoint that says something else
        return f"not what such a file should be ({error})"


# -- bringing over -----------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What became of the results of one kind."""

    moved: int = 0
    there: int = 0
    unfinished: int = 0
    left: list[tuple[str, str]] = field(default_factory=list)
    """Path and reason."""
    moves: list[tuple[str, str]] = field(default_factory=list)


def migrate(layout: Layout, dry: bool = False) -> dict[str, Tally]:
    """Bring over all results of a study, by kind; with `dry`, only say what would be."""
    return _Migration(layout.root, dry).all(layout)


class _Migration:
    def __init__(self, root: Path, dry: bool) -> None:
        self.root, self.dry = root, dry
        self.tallies = {kind: Tally() for kind in KINDS}
        self._known: dict[str, Stamp | None] = {}

    def all(self, layout: Layout) -> dict[str, Tally]:
        for place in places(layout):
            self._bring(place)
        return self.tallies

    def _bring(self, place: Place) -> None:
        tally = self.tallies[place.kind]
        done: set[str] = set()
        for old in place.old:
            if old == place.new or not self._anything(place, old):
                continue
            kept = self._stamp_all(place, old, tally, done)
            if not place.folder and kept:
                continue
            tally.unfinished += sum(name.endswith(_UNFINISHED) for name in self._beside(place, old))
            if (self.root / old).exists() and (place.folder or not (self.root / place.new).exists()):
                tally.moves.append((old, place.new))
            if not self.dry:
                _move(self.root / old, self.root / place.new)
        for path, made in place.results(self.root, place.new):
            if path not in done:
                self._heal(path, made, tally)

    def _anything(self, place: Place, old: str) -> bool:
        path = self.root / old
        return path.exists() or (not place.folder and _unfinished(path))

    def _beside(self, place: Place, old: str) -> list[str]:
        """Names of what is unfinished at an old place."""
        path = self.root / old
        if place.folder:
            return [name for name in names(path) if name.endswith(_UNFINISHED)]
        return [name for ending in _UNFINISHED if path.with_name(name := f".{path.name}{ending}").exists()]

    def _stamp_all(self, place: Place, old: str, tally: Tally, done: set[str]) -> bool:
        """Stamp what lies at an old place and not yet at the new one; whether anything of it is left as it is."""
        left = False
        for path, made in place.results(self.root, old):
            new = place.at(path, old)
            if (self.root / new).exists():
                continue
            done.add(new)
            reason = None if self.dry else self._stamp(path, made)
            if reason is None:
                tally.moved += 1
            else:
                tally.left.append((path, reason))
                left = True
        return left

    def _heal(self, path: str, made: Made, tally: Tally) -> None:
        """Stamp a result at its place where it says nothing of itself, or not yet what it was made from."""
        spec, output = made
        have = stamps.of(self.root / path)
        now = self._inputs(spec)
        gaps = have is not None and have[:2] == (spec.digest, output) and have.inputs.count("?") > now.count("?")
        fits = have is not None and stamps.agree(have.inputs, now, lambda _place: None)
        if have is not None and not (gaps and fits):
            tally.there += 1
        elif self.dry or (reason := self._stamp(path, made)) is None:
            tally.moved += 1
        else:
            tally.left.append((path, reason))

    def _inputs(self, spec: Spec) -> str:
        """What a result was made from; `?` where some of that is gone: then nothing speaks against the result."""
        return stamps.inputs(spec, self._stamp_of)

    def _stamp_of(self, path: str) -> Stamp | None:
        if path not in self._known:
            self._known[path] = stamps.of(self.root / path)
        return self._known[path]

    def _stamp(self, path: str, made: Made) -> str | None:
        """Stamp one result where it lies; why it cannot be, where it cannot."""
        spec, output = made
        place, made_from = self.root / path, self._inputs(spec)
        have = stamps.of(place)
        if have is not None and have[:3] == (spec.digest, output, made_from):
            return None
        if (reason := _fault(place)) is not None:
            return reason
        if place.name in stamps.MARKERS:
            stamp = Stamp(spec.digest, output, made_from, stamps.of_checkpoint(place.parent))
            writing.write(place.with_name(stamps.CHECKPOINT), stamp.text() + "\n")
        else:
            _stamp_table(place, spec, output, made_from)
        for known in (path, *spec.outputs.values()):
            self._known.pop(known, None)
        return None


def _stamp_table(path: Path, spec: Spec, output: str, made_from: str) -> None:
    """Write a table anew with a stamp: the same rows, to the bit, and all that stood in its metadata."""
    import pyarrow.parquet as pq

    from ttstudy.data import tables

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        table = file.read()
    told = {stamps.KEY: Stamp(spec.digest, output, made_from, stamps.of_rows(table)).text()}
    if isinstance(spec, BenchmarkSpec):
        from ttstudy.data import benchmarks

        # Of a table that was cut to its first problems, nobody knows the checksum of all but who wrote it down.
        limit = spec.settings.problems if isinstance(spec.settings, FileBenchmark | HubBenchmark) else None
        known = getattr(spec.settings, "sha256", None)
        if limit is None or table.num_rows < limit:
            known = benchmarks.checksum(table.to_pandas())
        told |= {f"{stamps.KEY}.sha256": known} if known else {}
    told = {key.encode(): text.encode() for key, text in told.items()}  # as Arrow has them: none stands there twice
    tables.keep(table.replace_schema_metadata((table.schema.metadata or {}) | told), path)


def _move(old: Path, new: Path) -> None:
    """Rename a file or folder, what is beside it first; where it is there already, only what is not there."""
    new.parent.mkdir(parents=True, exist_ok=True)
    if old.is_dir() or not new.exists():
        for name in names(old.parent):
            found = _BESIDE.fullmatch(name)
            if found and found["of"] == old.name:
                target = new.with_name(name.replace(old.name, new.name, 1))
                if not os.path.lexists(target):
                    os.rename(old.parent / name, target)
    if not old.is_dir():
        if old.exists() and not new.exists():
            os.rename(old, new)
    elif not new.exists():
        os.rename(old, new)
    else:
        _join(old, new)


def _join(old: Path, new: Path) -> None:
    """Move into a folder what it does not have; what belongs to a result that it has of its own stays where it was."""
    have = set(names(new))
    for name in names(old):
        found = _BESIDE.fullmatch(name)
        if name in have:
            if (old / name).is_dir() and (new / name).is_dir() and found is None:
                _join(old / name, new / name)
        elif found is None or found["of"] not in have:
            os.rename(old / name, new / name)
    with suppress(OSError):
        old.rmdir()

"""What every step in `scripts/` shares: its spec, a log, errors as one sentence, and parts that survive a kill.

Beside its output a step leaves a hidden JSON file that says what the job took (`ttstudy.run.provenance.jobs` reads it).
No table depends on it, so times and hardware change no result.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Protocol, TypeVar

import pandas as pd

from ttstudy.dag import contents, stamps, writing
from ttstudy.dag.specs import files as specs
from ttstudy.dag.specs.generation import Drawing, Engine, Judge, ScoreSpec, SearchSpec
from ttstudy.dag.specs.records import File, Spec
from ttstudy.data import tables
from ttstudy.errors import StudyError, sentence
from ttstudy.models import environment
from ttstudy.models.budget import Seat
from ttstudy.models.devices import Running
from ttstudy.run import devices, endings, gpus, kept, leases, placing, provenance, scratch
from ttstudy.run.telling import told

Item = TypeVar("Item")
Rows = Mapping[str, Sequence[tuple[object, ...]]]
"""Rows of frames by the frame's name."""
Kind = TypeVar("Kind", bound=Spec)


class _Running(Protocol):
    @property
    def running(self) -> Running: ...


Model = TypeVar("Model", bound=_Running)


_job: ContextVar[provenance.Took] = ContextVar("_job")
"""What the running job's record will tell; a worker runs one job after another."""


def took(**amounts: float) -> None:
    """Note what the job used beside time, such as `tokens`; the reader of its record sums them.

    Whole numbers but for seconds (`..._seconds`), which have two decimals.
    """
    noted = _job.get().amounts
    for name, amount in amounts.items():
        noted[name] = noted.get(name, 0) + (round(float(amount), 2) if name.endswith("_seconds") else int(amount))


def enter(spec: Spec) -> None:
    """Go on in the Python of the job's engines, with the GPUs that it was given; StudyError where it sees fewer."""
    environment.enter(*sorted(_engines(spec)))
    devices.require(spec)


def seats(spec: Spec, policy: Path | None = None, prm: Path | None = None) -> tuple[Seat | None, Seat | None]:
    """Where the job's models sit on its GPUs, policy and PRM; None on a CPU. StudyError where they do not fit."""
    placed = placing.seats(spec, policy, prm) if int(os.environ.get(gpus.ASKED) or 0) else None
    return (None, None) if placed is None else (placed.policy, placed.prm)


def policy(
    spec: Drawing, folder: Path, seat: Seat | None, opens: Callable[[Path, Engine, Seat | None], Model]
) -> Model:
    """The job's policy, as `opens` opens it; a worker may have it loaded from an earlier job."""
    what = ("policy", str(folder), _content(spec.policy), spec.engine.model_dump_json(), seat)
    return _model(what, folder, lambda: opens(folder, spec.engine, seat))


def prm(
    spec: ScoreSpec | SearchSpec, folder: Path, seat: Seat | None, opens: Callable[[Path, Judge, Seat | None], Model]
) -> Model:
    """The job's PRM; see `policy`."""
    content, judge = _content(spec.judge.checkpoint), spec.judge.model_dump_json()
    # On GPUs a search may have it apart; beside a policy that changes torch's kernels it always has.
    beside = isinstance(spec, SearchSpec) and bool(spec.engine.options.get("batch_invariant"))
    what = ("prm", str(folder), content, judge, seat and (seat, spec.step, beside))
    return _model(what, folder, lambda: opens(folder, spec.judge, seat))


def _model(what: tuple[object, ...], folder: Path, opens: Callable[[], Model]) -> Model:
    """The job's record tells what the model runs on, and how long loading it took."""
    with opening(folder):
        model: Model = kept.opened(what, opens, _job.get().loads)
    _job.get().running[str(what[0])] = model.running
    return model


def _content(checkpoint: File) -> str:
    """What is in a checkpoint: a model that was trained or fetched again may be another under the same name."""
    stamp = None if checkpoint.given else stamps.of(Path(checkpoint.path))
    return checkpoint.digest if stamp is None else stamp.text()


def main(kind: type[Kind], step: Callable[[Kind, Path | None], None]) -> None:
    """Run a step on the spec that `--spec` names, and record what it took; `step` gets the spec and its log's path.

    What data, configuration or machine do wrong is one sentence and a status (`ttstudy.errors.Ending`). An input that
    turns out damaged is set aside, so that the next run makes it again.
    """
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--spec", required=True, type=Path, help="file in results/specs: all that decides the output")
    parser.add_argument("--log", type=Path, help="file for progress lines")
    args = parser.parse_args()
    run(kind, step, args.spec, args.log)


def run(kind: type[Kind], step: Callable[[Kind, Path | None], None], path: Path, log: Path | None) -> None:
    """Run a step on the spec in a file; see `main`. A worker comes here once for every job."""
    taken = provenance.Took()
    token = _job.set(taken)

    def whole() -> None:
        spec = specs.read(path, kind)
        contents.remember(path.parent.parent.parent)
        with leases.held(provenance.beside(Path(spec.product), "lease")) as lease:
            if (lease.waited or endings.in_cluster()) and _made_already(spec):
                tell([f"{spec.product}: is there already, whole and of this spec; nothing to do"], log)
                return
            stamps.begin(spec)
            begin_to_count()
            step(spec, log)
            leases.still_held()
            try:
                stamps.look_again(spec)
            except StudyError:
                for output in spec.outputs.values():  # made from nobody knows what
                    Path(output).unlink(missing_ok=True)
                raise
            provenance.record(spec, taken, _engines(spec))

    try:
        with _ended_in_order():
            told(whole, log)
    finally:
        stamps.end()
        _job.reset(token)


def _made_already(spec: Spec) -> bool:
    """Whether another process made the outputs: of a job that was submitted twice, or begun again after its end."""
    if not Path(spec.product).exists():
        return False
    from ttstudy.run import standing

    return standing.stands(spec)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """A SIGTERM, which Slurm sends before it kills, ends the process with what it holds given up."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def folder(checkpoint: File) -> Path:
    """Folder of a checkpoint: the copy on this node's own disk where `scripts/launch.py` made one."""
    own = str(Path(checkpoint.path).parent)
    return Path(json.loads(os.environ.get(scratch.STAGED, "{}")).get(own, own))


@contextmanager
def opening(checkpoint: Path) -> Iterator[None]:
    """What cannot be opened inside is told in one sentence with the checkpoint's folder."""
    try:
        yield
    except Exception as error:
        if sentence(error) is not None:
            raise
        raise StudyError(f"{checkpoint}: this checkpoint cannot be opened ({error})") from error


def _engines(spec: Spec) -> set[str]:
    """Engines that a spec names, the policy's and the PRM's."""
    found = set()
    if isinstance(spec, Drawing):
        found.add(spec.engine.kind)
    if isinstance(spec, ScoreSpec | SearchSpec):
        found.add(spec.judge.engine)
    return found


@contextmanager
def log(path: Path | None) -> Iterator[IO[str] | None]:
    """The step's log, opened for appending, or None."""
    if path is None:
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        yield stream


def tell(sentences: Iterable[str], path: Path | None) -> None:
    """Tell the user something of the results, on the terminal and in the step's log."""
    with log(path) as stream:
        for text in sentences:
            print(text, file=sys.stderr)
            if stream is not None:
                print(text, file=stream)


def in_parts(
    output: Path,
    items: list[Item],
    size: int,
    compute: Callable[[list[Item]], dict[str, pd.DataFrame]],
) -> dict[str, pd.DataFrame]:
    """Compute frames for blocks of items, keeping each block beside `output` until `finish(output)`.

    A killed step finds its finished blocks again, unless what it reads was made anew since. A block's file name
    carries its first and last item, so that another block size never takes one for another; a damaged part is
    computed again.
    """
    folder = _parts(output)
    _own(folder)
    collected: dict[str, list[pd.DataFrame]] = {}
    for start in range(0, len(items), size):
        chunk = items[start : start + size]
        name = f"{start:06d}-{start + len(chunk) - 1:06d}"
        frames = _read_part(folder / name)
        if frames is None:
            frames = compute(chunk)
            _write_part(folder / name, frames)
        for key, frame in frames.items():
            collected.setdefault(key, []).append(frame)
    return {key: pd.concat(frames, ignore_index=True) for key, frames in collected.items()}


_ITEMS, _ITEM = "items", "item"


def as_they_end(
    output: Path,
    count: int,
    size: int,
    columns: Mapping[str, Sequence[str]],
    work: Callable[[list[int]], Iterable[tuple[int, Rows]]],
    seconds: float = math.inf,
) -> dict[str, pd.DataFrame]:
    """Rows of frames for items 0 to `count` - 1, in their order; each `size` that ended are kept beside `output`.

    Kept until `finish(output)`: a killed step finds them again, whichever they are, unless what it reads was made anew
    since. A damaged part is computed again.

    Args:
        seconds: after which what has ended is kept, however few they are.
        columns: of each frame, by its name.
        work: gives (item, rows by frame) for each of the items that it is handed, as they end.
    """
    folder = _parts(output)
    _own(folder)
    parts, taken = [], set[int]()
    for path in sorted(folder.iterdir()):
        part = _read_part(path) if path.name.isdecimal() else None
        if part is not None and taken.isdisjoint(items := set(part[_ITEMS][_ITEM])):
            parts.append(part)
            taken |= items
    names = (f"{number:06d}" for number in itertools.count() if not (folder / f"{number:06d}").exists())
    waiting: dict[int, Rows] = {}
    since = time.monotonic()
    rest = [item for item in range(count) if item not in taken]
    try:
        for place, (item, rows) in enumerate(work(rest) if rest else (), 1):
            waiting[item] = rows
            if len(waiting) >= size or place == len(rest) or time.monotonic() - since >= seconds:
                parts.append(_part_of(waiting, columns))
                _write_part(folder / next(names), parts[-1])
                waiting, since = {}, time.monotonic()
    except StudyError:  # the work refuses to go on: what has ended was right
        if waiting:
            _write_part(folder / next(names), _part_of(waiting, columns))
        raise
    order = {key: pd.concat([part[key] for part in parts], ignore_index=True) for key in columns}
    return {
        key: frame.sort_values(_ITEM, kind="stable", ignore_index=True).drop(columns=_ITEM)
        for key, frame in order.items()
    }


def _part_of(ended: Mapping[int, Rows], columns: Mapping[str, Sequence[str]]) -> dict[str, pd.DataFrame]:
    """Frames of the items that ended, each row with its item, and the items."""
    frames = {
        key: pd.DataFrame([(item, *row) for item, rows in ended.items() for row in rows[key]], columns=[_ITEM, *names])
        for key, names in columns.items()
    }
    return frames | {_ITEMS: pd.DataFrame({_ITEM: list(ended)})}


def _own(folder: Path) -> None:
    """A folder of parts that were made by the running step from what it reads now; others are removed."""
    origin, told = stamps.origin() or "", folder / ".origin"
    leases.still_held()
    if told.exists() and told.read_text(encoding="utf-8") != origin:
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not told.exists():
        writing.write(told, origin)


def _parts(output: Path) -> Path:
    return output.with_name(f".{output.name}.parts")


def finish(output: Path) -> None:
    """Remove the parts of a step whose output is written."""
    leases.still_held()
    shutil.rmtree(_parts(output), ignore_errors=True)


def _read_part(folder: Path) -> dict[str, pd.DataFrame] | None:
    try:
        frames = {path.stem: tables.load(path) for path in sorted(folder.glob("*.parquet"))}
    except (OSError, ValueError):
        return None
    return frames or None


def _write_part(folder: Path, frames: dict[str, pd.DataFrame]) -> None:
    leases.still_held()
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for key, frame in frames.items():
        frame.to_parquet(temporary / f"{key}.parquet", index=False, **tables.WHOLE)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(temporary, folder)


def begin_to_count() -> None:
    """The job's seconds count from now: what it waited for before is none of its own."""
    _job.get().began = time.monotonic()


def stopwatch() -> Callable[[], str]:
    """A function that tells wall and CPU seconds since now."""
    wall, cpu = time.monotonic(), time.process_time()
    return lambda: f"{time.monotonic() - wall:.1f} s wall, {time.process_time() - cpu:.1f} s CPU"

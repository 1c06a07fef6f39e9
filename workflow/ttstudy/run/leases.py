"""Who makes an output: a file beside it, with a heartbeat, on the file system that all processes share.

`.NAME.lease` is made by a hard link, which one process gets and all others do not, on NFS too; it says who holds it.
While the holder lives it renews the file's time. Whoever wants it waits; one whose holder is dead (no heartbeat for
six of them, by the file server's clock, or a process of this machine that is gone) is taken over. A normal end, and a
SIGTERM, leaves nothing behind.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ttstudy.errors import Ending, HeldError

BEAT = "TTSTUDY_HEARTBEAT"
"""Environment variable: seconds between two heartbeats; 20 by default."""
_SECONDS, _DEAD, _PATIENCE = 20.0, 6, 15
"""Seconds of a beat; beats without a sign after which a holder is dead; beats that a step waits for a live one."""
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


_TAKEN = "this process gave no sign for long and another has taken its work over; it ends here"


class Holder(NamedTuple):
    """Who holds a lease."""

    id: str
    machine: str
    """Name, boot and process space: where a process's number means the same."""
    process: int
    began: str
    """When its process began, in the kernel's ticks: numbers come again."""
    job: str | None
    """Its Slurm job."""
    beat: float

    def words(self) -> str:
        """In words."""
        job = f", Slurm job {self.job}" if self.job else ""
        return f"process {self.process} on {self.machine.partition('/')[0]}{job}"


class Lease:
    """A lease that is held; a thread renews it."""

    def __init__(self, path: Path, me: Holder, waited: bool, ends: bool = False) -> None:
        """`waited`: another held it before; `ends`: this process ends, as if killed, when another takes it over."""
        self.path, self.waited = path, waited
        self._me, self._lost, self._stop, self._ends = me, False, threading.Event(), ends
        _own.add(me.id)
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def _renew(self) -> None:
        while not self._stop.wait(self._me.beat):
            with suppress(OSError):  # the file server is away: so it is for the others
                if not self._mine():
                    self._lost = True
                    if self._ends and not self._stop.is_set():
                        print(f"error: {self.path}: {_TAKEN}", file=sys.stderr, flush=True)
                        os._exit(Ending.HELD)
                    return
                os.utime(self.path)

    def _mine(self) -> bool:
        found = _read(self.path)
        return found is not None and found[0].id == self._me.id

    @property
    def lost(self) -> bool:
        """Whether another has taken it over: this process was taken for dead."""
        return self._lost

    def release(self) -> None:
        """Give it up."""
        self._stop.set()
        with suppress(OSError):
            if self._mine():
                self.path.unlink()
        _own.discard(self._me.id)


_held: list[Lease] = []
_own: set[str] = set()
"""Leases that this process holds, since it became what it is: of those before an exec nobody beats the heart."""


@contextmanager
def held(path: Path) -> Iterator[Lease]:
    """Hold the lease at a path; HeldError where a process that is alive keeps it for long."""
    lease = take(path)
    _held.append(lease)
    try:
        yield lease
    finally:
        _held.remove(lease)
        lease.release()


def still_held() -> None:
    """HeldError where another has taken over what this process makes: nothing is to be written or removed any more."""
    for lease in _held:
        if lease.lost or not lease._mine():
            raise HeldError(f"{lease.path}: {_TAKEN}")


def take(path: Path, whole_run: bool = False) -> Lease:
    """The lease at a path, once it is free or its holder dead.

    HeldError where it is held: a step waits for fifteen beats, a whole run until its holder gives a sign.
    """
    beat = float(os.environ.get(BEAT) or _SECONDS)
    me = Holder(uuid.uuid4().hex, _machine(), os.getpid(), _began(os.getpid()), os.environ.get("SLURM_JOB_ID"), beat)
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f"{path.name}.{me.id[:12]}.tmp")
    own.write_text(json.dumps(me._asdict()), encoding="utf-8")
    began, first, waited = time.monotonic(), None, False
    sign, since = 0.0, began
    try:
        while (other := _attempt(own, path, (sign, time.monotonic() - since))) is not None:
            holder, renewed = other
            if not waited:
                first, waited = renewed, True
                print(f"{path}: held by {holder.words()}; waiting for it", file=sys.stderr)
            if renewed != sign:
                sign, since = renewed, time.monotonic()
            if whole_run and renewed != first or not whole_run and time.monotonic() - began > _PATIENCE * beat:
                raise HeldError(f"{path}: held by {holder.words()}, which is alive; wait for it, or end it")
            time.sleep(min(1.0, beat / 4))
    finally:
        own.unlink(missing_ok=True)
    return Lease(path, me, waited, ends=whole_run)


def _attempt(own: Path, path: Path, watched: tuple[float, float]) -> tuple[Holder, float] | None:
    """None once the lease is this process's, whose claim lies in `own`; else who holds it, and its last sign.

    `watched`: a sign of the holder's, and for how many seconds it has been seen to be the last.
    """
    while not _placed(own, path):
        if (found := _read(path)) is not None:  # else it was given up just now
            break
    else:
        return None
    if not _dead(found, own, watched):
        return found
    # One at a time takes over, so that nobody replaces a lease that has just been.
    guard = path.with_name(f"{path.name}.takeover.tmp")
    if not _placed(own, guard):
        with suppress(OSError):
            if _now(own) - guard.stat().st_mtime > _DEAD * _SECONDS:
                guard.unlink()
        return found
    try:
        again = _read(path)
        if again is None or again[0].id != found[0].id or not _dead(again, own, watched):
            return found
        os.replace(own, path)
        os.utime(path)
        return None
    finally:
        guard.unlink(missing_ok=True)


def _placed(own: Path, place: Path) -> bool:
    """Whether a claim stands at a place that was empty."""
    try:
        os.link(own, place)
        return True
    except FileExistsError:
        with suppress(OSError):  # NFS may lose the answer to a link that was made
            return os.path.samefile(own, place)
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    try:
        with place.open("x", encoding="utf-8") as stream:
            stream.write(own.read_text(encoding="utf-8"))
        return True
    except FileExistsError:
        return False


def _read(path: Path) -> tuple[Holder, float] | None:
    """Who holds a lease, and when it was renewed; None where it is gone, or is being written."""
    try:
        with path.open(encoding="utf-8") as stream:  # to open a file is what makes NFS look at it again
            holder = Holder(**json.loads(stream.read()))
            if not (isinstance(holder.beat, int | float) and isinstance(holder.machine, str)):
                raise TypeError
            return holder, os.fstat(stream.fileno()).st_mtime
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, RecursionError):
        with suppress(OSError):
            return Holder("", "unknown", 0, "", None, _SECONDS), path.stat().st_mtime
        return None


def _dead(found: tuple[Holder, float], own: Path, watched: tuple[float, float]) -> bool:
    holder, renewed = found
    if renewed == watched[0] and watched[1] > _DEAD * holder.beat:  # its time may lie in the future, or in a copy
        return True
    if holder.machine == _machine():
        if _began(holder.process) != holder.began:
            return True
        if holder.process == os.getpid() and holder.id not in _own:
            return True
    return _now(own) - renewed > _DEAD * holder.beat


def _now(own: Path) -> float:
    """The time by the clock that the times of leases are by: the file server's."""
    os.utime(own)
    return own.stat().st_mtime


def _machine() -> str:
    told = [platform.node()]
    for place in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with suppress(OSError):
            told.append(os.readlink(place) if place.endswith("pid") else Path(place).read_text().strip())
    return "/".join(told)


def _began(process: int) -> str:
    """When a process of this machine began; "" of one that has ended."""
    try:
        told = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if told[0] == "Z" else told[19]

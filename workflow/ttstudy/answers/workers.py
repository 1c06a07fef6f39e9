"""Worker processes with hard limits: a task over its time or memory costs its worker, never the batch."""

from __future__ import annotations

import atexit
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # It runs as a process of its own; named here, its code is part of every step that checks answers.
    from ttstudy.answers import worker  # noqa: F401

SECONDS = 2.0
"""Processor seconds that a check may use; reading it takes milliseconds, a large system's honest sum a few tenths."""
WALL = 8.0
"""Seconds on the wall for a check with all it needs: the start of its worker, imports, the pipe."""
PATIENCE = 60.0
"""Seconds on the wall of the second try, in a batch, of a check that the machine hardly let run."""
STARVED = 0.1
"""Share of its processor time below which a check over its wall time was not let run."""
TICKS = os.sysconf("SC_CLK_TCK")
ROOT = str(Path(__file__).resolve().parents[2])


class Lost(Exception):
    """The task was stopped: over its time or its memory, or its worker died."""


class Starved(Lost):
    """The task's time on the wall is over, but the machine has hardly let it run."""


class _Process:
    """One worker process and its pipe."""

    def __init__(self, seconds: float, memory_mb: int, wall: float) -> None:
        path = os.pathsep.join(part for part in (ROOT, os.environ.get("PYTHONPATH", "")) if part)
        # Not a fork: threads and torch in the parent do no harm, and scripts need no main guard.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ttstudy.answers.worker", str(memory_mb), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )
        assert self.process.stdin is not None and self.process.stdout is not None  # both are pipes
        self.tasks, self.answers = self.process.stdin, self.process.stdout
        self.seconds, self.pending, self.deadline = seconds, b"", time.monotonic() + wall
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.answers, selectors.EVENT_READ)
        try:
            self.receive(limited=False)
        except Starved:
            self.close()
            raise
        except Lost:
            self.close()
            raise RuntimeError(
                "the answer checker could not start; run `python -m ttstudy.answers.worker 1024 5` to see why"
            ) from None

    def cpu(self) -> float | None:
        """Seconds of processor time that the worker has used, None where the system does not tell."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / TICKS

    def receive(self, *, limited: bool = True) -> dict[str, Any]:
        """Next line of the worker; raises `Lost` at the end of the pipe or over the limits.

        The limit that decides is on the worker's own processor time (where `limited`: imports are not the
        task's fault), so that a busy machine changes no verdict; the deadline ends the wait on the wall.
        """
        started, spent = time.monotonic(), self.cpu()
        while b"\n" not in self.pending:
            time_now, cpu_now = time.monotonic(), self.cpu()
            used = time_now - started if spent is None or cpu_now is None else cpu_now - spent
            if limited and used >= self.seconds:
                raise Lost
            if time_now >= self.deadline:
                raise Lost if limited and used >= STARVED * self.seconds else Starved
            left = self.deadline - time_now
            if not self.selector.select(min(left, max(self.seconds - used, 0.05)) if limited else left):
                continue
            chunk = os.read(self.answers.fileno(), 1 << 16)
            if not chunk:
                raise Lost
            self.pending += chunk
        line, _, self.pending = self.pending.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def call(self, task: dict[str, Any]) -> Any:
        """Result of a task; raises `Lost`."""
        try:
            self.tasks.write(json.dumps(task).encode() + b"\n")
            self.tasks.flush()
        except (BrokenPipeError, OSError):
            raise Lost from None
        message = self.receive()
        if "failed" in message:
            raise Lost
        return message["result"]

    def close(self) -> None:
        """Kill the process and wait for it, so that no zombie stays."""
        self.process.kill()
        self.process.wait()
        self.selector.close()
        self.answers.close()
        # A dead worker's pipe may still hold a task that nobody will read.
        with suppress(BrokenPipeError):
            self.tasks.close()


class Pool:
    """A number of worker processes, each started when needed and replaced when lost; safe to use in threads.

    `seconds` is the processor time of one task and `memory_mb` the address space of one worker.
    """

    def __init__(self, workers: int | None = None, seconds: float = SECONDS, memory_mb: int = 1024) -> None:
        """Make the pool; no process starts yet."""
        self.workers = workers or len(os.sched_getaffinity(0))
        self.seconds, self.memory_mb, self.wall = seconds, memory_mb, WALL
        self.free: list[_Process] = []
        self.slots = threading.BoundedSemaphore(self.workers)
        self.lock = threading.Lock()
        self.owner = os.getpid()

    @contextmanager
    def worker(self, wall: float = PATIENCE) -> Iterator[_Process]:
        """Lend a worker for `wall` seconds, its start included; one that loses its task is closed."""
        with self.slots:
            with self.lock:
                process = self.free.pop() if self.free else None
            if process is None:
                process = _Process(self.seconds, self.memory_mb, wall)
            else:
                process.deadline = time.monotonic() + wall
            try:
                yield process
            except BaseException:
                process.close()
                raise
            with self.lock:
                self.free.append(process)

    def call(self, task: dict[str, Any], wall: float | None = None) -> Any:
        """Result of one task; raises `Lost`."""
        with self.worker(wall or self.wall) as process:
            return process.call(task)

    def map(self, tasks: Iterable[dict[str, Any]]) -> list[Any]:
        """Results of tasks in their order, `Lost` (the class) for a task that was stopped.

        A task that a busy machine kept from running is tried once more, with more patience.
        """

        def one(task: dict[str, Any]) -> Any:
            try:
                try:
                    return self.call(task)
                except Starved:
                    return self.call(task, PATIENCE)
            except Lost:
                return Lost

        tasks = list(tasks)
        if not tasks:
            return []
        with ThreadPoolExecutor(min(self.workers, len(tasks))) as threads:
            return list(threads.map(one, tasks))

    def close(self) -> None:
        """Stop all workers that are not at work."""
        if os.getpid() != self.owner:
            return
        with self.lock:
            free, self.free = self.free, []
        for process in free:
            process.close()

    def __enter__(self) -> Pool:
        """Use as a context: the workers end with it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the workers."""
        self.close()


_shared: Pool | None = None
_lock = threading.Lock()


def shared() -> Pool:
    """Pool of this process for single checks: started at the first hard one, stopped at exit."""
    global _shared
    with _lock:
        if _shared is None or _shared.owner != os.getpid():
            _shared = Pool()
            atexit.register(_shared.close)
        return _shared

"""A worker: a process that runs one job's step after another, and keeps their models loaded.

Every job of it is as one in a process of its own: it has the job's output and error streams, an environment and
warnings that no earlier job changed, models whose caches and counters are empty, and a record of its own. A job that
fails ends its worker, and so does a job whose launcher is gone: what either left is not to be trusted. How jobs find
it: `ttstudy.run.workers`.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import select
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from ttstudy.errors import StudyError
from ttstudy.models import environment
from ttstudy.run import workers

_SECONDS = 300.0
"""How long an idle worker stays."""
_CLOSING = 30
"""Seconds that closing the models may take."""
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Worker:
    """The socket, who is served, and since when nobody is. One thread listens; the main thread runs the jobs."""

    def __init__(self, place: Path, gpus: int, first: socket.socket) -> None:
        """Listen beside `place`, this process's number behind it; `first`: a connection that is open already."""
        self.place, self.gpus = place.with_name(f"{place.name}-{os.getpid()}"), gpus
        self.idle_seconds = float(os.environ.get(workers.IDLE) or _SECONDS)
        self.jobs: queue.SimpleQueue[tuple[Sequence[str], list[int]] | None] = queue.SimpleQueue()
        self._wake, self._woken = socket.socketpair()
        self._done: list[int] = []
        self._served: socket.socket | None = None
        self._since = time.monotonic()
        self._leaving = False
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with workers.address(self.place) as known:
            self._listening.bind(known)
        self._listening.listen(64)
        self._owner = _handle(int(os.environ[workers.OWNER]))
        self._hear(first)
        threading.Thread(target=self._listen, daemon=True).start()

    def finished(self, status: int) -> None:
        """The job at hand has ended: free for the next."""
        self._done.append(status)
        self._wake.send(b"!")

    def _listen(self) -> None:
        """Until the run ends, or the launcher of the job at hand does."""
        try:
            while True:
                watched: list[Any] = [self._listening, self._woken, self._owner, *filter(None, [self._served])]
                ready, _, _ = select.select(watched, [], [], None if self._served else 1.0)
                if self._owner in ready:
                    self.gone()
                if self._woken in ready:
                    self._woken.recv(1)
                    self._free()
                elif self._served in ready:
                    self.gone()  # its launcher was killed, and so is the job
                if self._listening in ready:
                    self._hear(self._listening.accept()[0])
                if self._served is None and (self.idle >= self.idle_seconds or not self.gpus and _short_of_memory()):
                    self._leave()
        except BaseException:
            traceback.print_exc()
            self.gone()

    @property
    def idle(self) -> float:
        """Seconds without a job; below 0 with one."""
        return -1.0 if self._served or self._leaving else time.monotonic() - self._since

    def _free(self) -> None:
        status, served = self._done.pop(), self._served
        self._served, self._since = None, time.monotonic()
        assert served is not None
        with served, suppress(OSError):
            workers.send(served, {"status": status})
        if status:
            self._leave()

    def _hear(self, connection: socket.socket) -> None:
        """Answer one message; a connection stays open for as long as what it asked for takes."""
        connection.settimeout(20)
        descriptors: list[int] = []
        try:
            text, descriptors, _, _ = socket.recv_fds(connection, workers.MESSAGE, 2)
            message = json.loads(text or b"{}")
            asked = message.get("do")
            taken = asked in ("tell", "end") or self.idle >= float(message.get("idle") or 0)
            workers.send(connection, {"taken": taken})
            if asked == "tell":
                workers.send(connection, {"idle": self.idle, "gpus": self.gpus})
            elif taken and asked == "job":
                self._served = connection
                self.jobs.put((message["command"], descriptors))
                return
            elif taken and asked in ("leave", "end"):
                if self._served:
                    self.gone()
                connection.detach()  # closed by the end of this process
                self._leave()
                return
        except (OSError, ValueError):
            pass
        for each in descriptors:
            os.close(each)
        connection.close()

    def _leave(self) -> None:
        """Take no more jobs; the main thread closes the models and ends the process."""
        if not self._leaving:
            self._leaving = True
            self.place.unlink(missing_ok=True)
            self.jobs.put(None)

    def gone(self) -> NoReturn:
        """End at once, whatever the main thread does."""
        self.place.unlink(missing_ok=True)
        os._exit(1)


def _handle(process: int) -> int:
    """A descriptor that can be read once a process is gone; OSError where it is gone already."""
    return os.pidfd_open(process)


def _short_of_memory() -> bool:
    """Whether this machine has less memory free than this process takes, or than a quarter of all."""
    try:
        lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
        known = {words[0]: int(words[1]) * 1024 for words in lines}
        mine = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return False
    return known["MemAvailable:"] < max(mine, known["MemTotal:"] / 4)


# -- the main thread --------------------------------------------------------------------------------------------------


def main() -> None:
    """Serve until nobody needs this process any more."""
    given = json.loads(sys.argv[1])
    first = socket.socket(fileno=given["socket"])
    try:
        if not given["light"]:
            environment.enter(*_engines(given["command"]))  # which may begin this process anew, in another Python
    except StudyError:
        workers.send(first, {"status": None})  # the job alone says what is wrong
        return
    for descriptor in (given["socket"], *given["locks"]):
        os.set_inheritable(descriptor, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the run ends its jobs, and they their workers
    try:
        worker = Worker(Path(given["place"]), given["gpus"], first)
    except OSError as error:
        sys.exit(f"error: worker: {error}")
    if given["light"]:
        while (job := worker.jobs.get()) is not None:
            worker.finished(_copied(*job))
        return
    from ttstudy.run import kept

    kept.keep()
    _streams(quiet := [os.open(os.devnull, os.O_WRONLY)] * 2)
    while (job := worker.jobs.get()) is not None:
        status = _run(*job)
        _streams(quiet)
        worker.finished(status)
    signal.alarm(_CLOSING)
    kept.drop()


def _engines(command: Sequence[str]) -> list[str]:
    """Engines of the models that a job opens."""
    spec = json.loads(Path(_options(command[1:])["--spec"]).read_text(encoding="utf-8"))["spec"]
    engines = (spec.get("engine") or {}).get("kind"), (spec.get("judge") or {}).get("engine")
    return [engine for engine in engines if engine]


def _copied(command: Sequence[str], streams: list[int]) -> int:
    """Run one job in a copy of this process, which ends with it; its exit status."""
    with suppress(Exception):  # the job itself says what is wrong with its step
        _module(command[0])
    parent, child = os.getpid(), os.fork()
    if not child:
        _end_with(parent)
        status = _run(command, streams)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status < 0:
        with suppress(OSError):
            os.write(streams[1], f"error: {killed(-status)}\n".encode())
    for descriptor in streams:
        os.close(descriptor)
    return status if status >= 0 else 128 - status


def killed(number: int) -> str:
    """What is told of a job that a signal ended."""
    memory = "; the system does so where memory runs out: run fewer jobs at once" if number == signal.SIGKILL else ""
    return f"the job was killed by signal {number}{memory}"


def _end_with(parent: int) -> None:
    """Be killed when the parent process is gone, however it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _run(command: Sequence[str], streams: list[int]) -> int:
    """Run one job; its exit status."""
    before = dict(os.environ)
    _streams(streams)
    for descriptor in streams:
        os.close(descriptor)
    with suppress(OSError):  # the peak of memory counts from here
        Path("/proc/self/clear_refs").write_text("5")
    try:
        with warnings.catch_warnings():
            _step(command)
        return 0
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        os.environ.clear()
        os.environ.update(before)


_modules: dict[str, ModuleType] = {}


def _step(command: Sequence[str]) -> None:
    """Run the step of a script, `scripts/NAME.py --spec FILE --log FILE`."""
    from ttstudy.dag.specs.kinds import KINDS
    from ttstudy.run import steps

    script, told = command[0], _options(command[1:])
    log = told.get("--log")
    steps.run(KINDS[Path(script).stem], _module(script).step, Path(told["--spec"]), Path(log) if log else None)


def _module(script: str) -> ModuleType:
    """The module of a script, loaded once."""
    if script not in _modules:
        known = spec_from_file_location(f"step_{Path(script).stem}", script)
        assert known is not None and known.loader is not None
        module = module_from_spec(known)
        known.loader.exec_module(module)
        _modules[script] = module
    return _modules[script]


def _options(arguments: Sequence[str]) -> Mapping[str, str]:
    return dict(zip(arguments[::2], arguments[1::2], strict=True))


def _streams(descriptors: Sequence[int]) -> None:
    """Write to these from now on."""
    stream: Any
    for number, (stream, descriptor) in enumerate(zip((sys.stdout, sys.stderr), descriptors, strict=True), 1):
        stream.flush()
        os.dup2(descriptor, number)

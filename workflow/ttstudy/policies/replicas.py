"""Data parallel vLLM: copies of a policy in processes of their own, each with its own GPUs, sharing the requests."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from ttstudy.errors import StudyError
from ttstudy.models.chat import Chatting, ChatTokenizer
from ttstudy.policies.protocol import Completion, Engine, Progress, Request, check
from ttstudy.policies.stream import Stream, draw_all

if TYPE_CHECKING:
    from ttstudy.policies.vllm import VllmEngine


def open_vllm(path: str | Path, name: str | None = None, *, data_parallel: int = 1, **options: Any) -> Engine:
    """vLLM in this process, or `data_parallel` copies of it in processes of their own."""
    if data_parallel == 1:
        from ttstudy.policies.vllm import VllmEngine

        return VllmEngine(path, name, **options)
    return Replicas(path, name, data_parallel, options)


def devices(count: int, each: int) -> list[str | None]:
    """`CUDA_VISIBLE_DEVICES` of each of `count` copies with `each` GPUs; None where there is no GPU.

    StudyError where there are too few.
    """
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        nodes = [item.name[6:] for item in Path("/dev").glob("nvidia[0-9]*")]
        given = ",".join(sorted(nodes, key=int))
    names = [name.strip() for name in given.split(",") if name.strip()]
    if not names:
        return [None] * count
    if len(names) < count * each:
        raise StudyError(
            f"vllm: {count} copies (data_parallel) of {each} GPUs (tensor_parallel) need {count * each} GPUs, "
            f"and {len(names)} are visible; lower one of the two"
        )
    return [",".join(names[index * each : (index + 1) * each]) for index in range(count)]


class Replicas(Chatting):
    """Copies of one policy. The samples of a prompt stay together, so that they share its cache."""

    def __init__(self, path: str | Path, name: str | None, count: int, options: dict[str, Any]) -> None:
        """Start the copies and wait until all are loaded; StudyError as from `VllmEngine`."""
        self.chat = ChatTokenizer(path)
        context = multiprocessing.get_context("spawn")
        self._workers: list[tuple[Any, Connection]] = []
        try:
            for visible in devices(count, options.get("tensor_parallel", 1)):
                here, there = context.Pipe()
                process = context.Process(target=_work, args=(there, os.getpid(), visible, path, name, options))
                process.start()
                there.close()
                self._workers.append((process, here))
            answers = [self.receive(connection) for _, connection in self._workers]
        except BaseException:
            self.close()
            raise
        self.name, self.parameters, self.context, self.vocabulary, self.running, shape = answers[0]
        self.shape: tuple[int, int, float] = (shape[0] * count, shape[1] * count, shape[2])
        """`places`, `ahead` and `slack` of all copies together; see `ttstudy.policies.stream.Stream`."""

    def generate(self, requests: Sequence[Request], progress: Progress | None = None) -> list[Completion]:
        """Draw one completion per request, in their order, a share on each copy."""
        check(requests, self.vocabulary)
        return draw_all(self.stream(), requests, progress)

    def stream(self) -> Stream:
        """Requests in flight on the copies, which others may join; see `ttstudy.policies.stream`."""
        return ReplicaStream(self)

    @property
    def copies(self) -> list[Connection]:
        """A pipe to each copy."""
        return [connection for _, connection in self._workers]

    def forget(self) -> None:
        """See `VllmEngine.forget`."""
        for _, connection in self._workers:
            self.send(connection, None)

    def close(self) -> None:
        """End the copies."""
        for process, connection in self._workers:
            connection.close()
            process.join(2)
            if process.is_alive():
                process.terminate()
        self._workers = []

    def __del__(self) -> None:
        """End the copies with the engine."""
        self.close()

    def send(self, connection: Connection, message: Any) -> None:
        """Tell a copy; StudyError as from `receive`."""
        try:
            connection.send(message)
        except (BrokenPipeError, ConnectionError):
            self.receive(connection)

    def receive(self, connection: Any) -> Any:
        """What a copy tells; StudyError where it was killed, what it raised where it failed."""
        try:
            answer = connection.recv()
        except (EOFError, ConnectionError):
            self.close()
            raise StudyError(
                "vllm: one of the copies (data_parallel) was killed, most likely for want of memory; lower "
                "vllm.data_parallel or vllm.max_num_seqs"
            ) from None
        if isinstance(answer, Exception):
            self.close()
            raise answer
        return answer


class ReplicaStream:
    """Requests in flight on copies; see `ttstudy.policies.stream.Stream`. A lane stays on the copy that it began on."""

    def __init__(self, replicas: Replicas) -> None:
        """Start with none."""
        self.replicas, self.tokens = replicas, 0
        self.places, self.ahead, self.slack = replicas.shape
        self._flying: dict[Connection, int] = dict.fromkeys(replicas.copies, 0)
        self._lanes: dict[int, Connection] = {}

    def submit(self, jobs: Sequence[tuple[int, Request]], lane: int = 0) -> None:
        """See `Stream.submit`."""
        connection = self._lanes.setdefault(lane, min(self._flying, key=lambda copy: self._flying[copy]))
        self._flying[connection] += len(jobs)
        self.replicas.send(connection, list(jobs))

    def poll(self) -> list[tuple[int, Completion]]:
        """See `Stream.poll`: what copies have told by now, or within a hundredth of a second."""
        found: list[tuple[int, Completion]] = []
        for connection in wait([copy for copy, flying in self._flying.items() if flying], timeout=0.01):
            ended = self.replicas.receive(connection)
            self._flying[connection] -= len(ended)  # type: ignore[index]
            found += ended
        self.tokens += sum(completion.tokens for _, completion in found)
        return found


def _work(
    connection: Connection, parent: int, visible: str | None, path: Path, name: str | None, options: dict[str, Any]
) -> None:
    """One copy: load, tell its shape, then take requests and tell completions as they end, until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a killed step leaves no copy behind
        if os.getppid() != parent:
            return
    if visible is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible
    try:
        from ttstudy.policies.vllm import VllmEngine

        engine = VllmEngine(path, name, **options)
        stream = engine.stream()
        shape = (stream.places, stream.ahead, stream.slack)
        connection.send((engine.name, engine.parameters, engine.context, engine.vocabulary, engine.running, shape))
        _draw(connection, engine, stream)
    except (StudyError, ValueError) as error:
        connection.send(error)
    except Exception as error:  # anything else is told to the step, which ends with it
        connection.send(RuntimeError(f"a copy of {name or path} failed: {error}"))


def _draw(connection: Connection, engine: VllmEngine, stream: Stream) -> None:
    """Take requests and tell completions as they end, until the pipe ends. None between jobs: forget."""
    asked: SimpleQueue[list[tuple[int, Request]] | EOFError | None] = SimpleQueue()

    def listen() -> None:  # in a thread: two that only tell each other would wait for ever once the pipe is full
        try:
            while True:
                asked.put(connection.recv())
        except (EOFError, OSError):
            asked.put(EOFError())

    Thread(target=listen, daemon=True).start()
    flying = 0
    while True:
        while not flying or not asked.empty():
            jobs = asked.get()
            if isinstance(jobs, EOFError):
                return
            if jobs is None:
                engine.forget()
                continue
            stream.submit(jobs)
            flying += len(jobs)
        if ended := stream.poll():
            connection.send(ended)
            flying -= len(ended)

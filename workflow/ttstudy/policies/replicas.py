"""Data parallel vLLM: copies of a policy in processes of their own, each with its own GPUs, sharing the requests."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from itertools import groupby
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from ttstudy.errors import StudyError
from ttstudy.models.chat import Chatting, ChatTokenizer
from ttstudy.policies.protocol import Completion, Engine, Progress, Request


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
            answers = [self._receive(connection) for _, connection in self._workers]
        except BaseException:
            self.close()
            raise
        self.name, self.parameters, self.context, self.vocabulary, self.running = answers[0]

    def generate(self, requests: Sequence[Request], progress: Progress | None = None) -> list[Completion]:
        """Draw one completion per request, in their order, a share on each copy."""
        shares: list[list[int]] = [[] for _ in self._workers]
        for group, (_, numbers) in enumerate(groupby(range(len(requests)), key=lambda i: requests[i].prompt)):
            shares[group % len(shares)].extend(numbers)
        waiting: dict[Any, list[int]] = {}  # by connection
        for (_, connection), share in zip(self._workers, shares, strict=True):
            if share:
                self._send(connection, [requests[number] for number in share])
                waiting[connection] = share
        done: list[Completion | None] = [None] * len(requests)
        counts: dict[Any, tuple[int, int]] = {}
        while waiting:
            for connection in wait(list(waiting)):
                answer = self._receive(connection)
                if isinstance(answer, tuple):
                    counts[connection] = answer
                    if progress is not None:
                        finished, tokens = (sum(values) for values in zip(*counts.values(), strict=True))
                        progress(finished, tokens)
                    continue
                for number, completion in zip(waiting.pop(connection), answer, strict=True):
                    done[number] = completion
        return [completion for completion in done if completion is not None]

    def forget(self) -> None:
        """See `VllmEngine.forget`."""
        for _, connection in self._workers:
            self._send(connection, None)

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

    def _send(self, connection: Connection, message: Any) -> None:
        try:
            connection.send(message)
        except (BrokenPipeError, ConnectionError):
            self._receive(connection)

    def _receive(self, connection: Any) -> Any:
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


def _work(
    connection: Connection, parent: int, visible: str | None, path: Path, name: str | None, options: dict[str, Any]
) -> None:
    """One copy: load, tell its shape, then answer lists of requests with lists of completions until the pipe ends."""
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
        connection.send((engine.name, engine.parameters, engine.context, engine.vocabulary, engine.running))
        while True:
            requests = connection.recv()
            if requests is None:
                engine.forget()
                continue
            connection.send(engine.generate(requests, lambda *counts: connection.send(counts)))
    except EOFError:
        return
    except (StudyError, ValueError) as error:
        connection.send(error)
    except Exception as error:  # anything else is told to the step, which ends with it
        connection.send(RuntimeError(f"a copy of {name or path} failed: {error}"))

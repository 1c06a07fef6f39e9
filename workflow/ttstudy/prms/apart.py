"""A PRM in a process of its own: with GPUs of its own beside a policy's, and nothing that the policy's engine set."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ttstudy.errors import StudyError
from ttstudy.kinds.formats import Encoded
from ttstudy.models.devices import Running
from ttstudy.prms.engine import Siblings


class Apart:
    """A scoring engine elsewhere; see `ttstudy.prms.engine.ScoringEngine`. A thread may wait for it.

    Args:
        visible: CUDA_VISIBLE_DEVICES of its process.
        folder: the PRM's checkpoint.
        options: of `ttstudy.prms.open_reward_model`, `engine` among them.
    """

    def __init__(self, visible: str, folder: Path, options: Mapping[str, Any]) -> None:
        """Start the process; StudyError as from the engine."""
        self.path, self.tokens, self.apart = folder, 0, True
        on_vllm = options["engine"] == "vllm"
        self._cache = "vllm.kv_cache_gib, vllm.max_model_len" if on_vllm else "transformers.prefix_cache_gib"
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process: Any = context.Process(target=_work, args=(there, os.getpid(), visible, folder, dict(options)))
        self._process.start()
        there.close()
        self.parameters: int
        self.context: int
        self.running: Running
        self.shares: bool
        self.parameters, self.context, self.running, self.shares = self._receive()

    def run(self, batch: Sequence[Encoded], problems: Sequence[int]) -> list[list[float]]:
        """See `ScoringEngine.run`."""
        return self._ask("run", batch, problems)

    def run_last(self, groups: Sequence[Siblings]) -> list[list[float]]:
        """See `ScoringEngine.run_last`."""
        return self._ask("run_last", groups)

    def forget(self) -> None:
        """See `ScoringEngine.forget`."""
        self._ask("forget")

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            self._here.close()
            process.join(5)
            if process.is_alive():
                process.terminate()

    def __del__(self) -> None:
        """End the process with the engine."""
        if getattr(self, "_process", None) is not None:
            self.close()

    def _ask(self, method: str, *items: Sequence[Any]) -> list[list[float]]:
        try:
            self._here.send((method, [list(each) for each in items]))
        except (BrokenPipeError, ConnectionError):
            self._receive()
        scores: list[list[float]]
        scores, self.tokens = self._receive()
        return scores

    def _receive(self) -> Any:
        try:
            answer = self._here.recv()
        except (EOFError, ConnectionError):
            self.close()
            raise StudyError(
                f"{self.path}: the process of this PRM was killed, most likely for want of memory; lower the memory "
                f"of its cache ({self._cache})"
            ) from None
        if isinstance(answer, Exception):
            self.close()
            raise answer
        return answer


def _work(connection: Connection, parent: int, visible: str, folder: Path, options: dict[str, Any]) -> None:
    """Open the PRM, tell its shape, then answer until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a killed step leaves no engine behind
        if os.getppid() != parent:
            return
    os.environ["CUDA_VISIBLE_DEVICES"] = visible
    os.environ.pop("VLLM_BATCH_INVARIANT", None)  # the policy's: it would change the kernels that score
    try:
        from ttstudy.prms import open_reward_model

        engine: Any = open_reward_model(folder, **options).engine
        connection.send((engine.parameters, engine.context, engine.running, engine.shares))
        while True:
            method, items = connection.recv()
            connection.send((getattr(engine, method)(*items), engine.tokens))
    except EOFError:
        return
    except (StudyError, ValueError) as error:
        connection.send(error)
    except Exception as error:  # anything else is told to the step, which ends with it
        connection.send(RuntimeError(f"scoring with {folder} failed: {error}"))

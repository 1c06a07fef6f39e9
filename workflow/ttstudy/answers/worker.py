"""The worker, `python -m ttstudy.answers.worker MEMORY_MB SECONDS`: a JSON task a line in, a result out.

It works on hostile text, so it limits its own memory and kills itself when a task is far over its time; the
parent kills it sooner. `{"loading": true}` tells the parent that a slow import starts, which is not the
task's fault.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import mpmath  # noqa: F401  (here, so that no task waits for it)

from ttstudy.answers import algebra
from ttstudy.answers.keys import keys_of
from ttstudy.answers.reference import value
from ttstudy.answers.showing import canonical


class Worker:
    """Reads tasks from one pipe and answers on another until the first is closed."""

    def __init__(self, source: BinaryIO, sink: BinaryIO, seconds: float) -> None:
        """Serve `source` and `sink`, with `seconds` of processor time for a task."""
        self.source, self.sink, self.seconds = source, sink, seconds
        self.works: dict[str, Callable[[str], Any]] = {
            "keys": self.keys,
            "forms": canonical,
            "reference": self.reference,
            "verify": self.verify,
        }

    def send(self, message: dict[str, Any]) -> None:
        """Write one line."""
        self.sink.write(json.dumps(message).encode() + b"\n")
        self.sink.flush()

    def run(self) -> None:
        """Serve tasks; an error in one is its result, never the end of the worker."""
        self.send({"ready": True})
        for line in self.source:
            self.own_limit()
            try:
                task = json.loads(line)
                result = [self.works[task["op"]](text) for text in task["answers"]]
                message = {"result": result}
            except MemoryError:
                message = {"failed": "memory"}
            except Exception as error:
                message = {"failed": type(error).__name__}
            signal.setitimer(signal.ITIMER_PROF, 0)
            self.send(message)

    def own_limit(self, seconds: float = 0) -> None:
        """End this process some processor seconds after its limit, should the parent be gone."""
        signal.setitimer(signal.ITIMER_PROF, seconds or self.seconds + 2)

    def keys(self, answer: str) -> list[Any]:
        """Exact key, sorted loose keys and canonical form of an answer."""
        keys = keys_of(answer, numeric=True, fallback=self.slow(algebra.strict_key, "math_verify"))
        return [keys.exact, sorted(keys.loose), canonical(answer)]

    def reference(self, text: str) -> str:
        """Value of a text as the reference grader reads it."""
        return value(text, self.slow(algebra.reference_key, "latex2sympy2_extended"))

    def verify(self, pair: str) -> bool:
        """What Math-Verify says of a gold answer and an answer."""
        return bool(self.slow(algebra.verified, "math_verify")(pair))

    def slow(self, work: Callable[[str], Any], name: str) -> Callable[[str], Any]:
        """Work that needs a heavy module, which is imported while the parent's clock stands still."""

        def ready(text: str) -> Any:
            if name not in sys.modules:
                self.send({"loading": True})
                self.own_limit(120)
                importlib.import_module(name)
                self.own_limit()
                self.send({"loaded": True})
            return work(text)

        return ready


def main() -> None:
    """Set the limits and serve; what libraries print does not reach the pipe."""
    megabytes, seconds = int(sys.argv[1]), float(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    Worker(sys.stdin.buffer, sink, seconds).run()


if __name__ == "__main__":
    main()

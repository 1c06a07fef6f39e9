"""The worker, `python -m ttstudy.answers.worker MEMORY_MB SECONDS`: a JSON task a line in, a result out.

It works on hostile text, so it limits its own memory and kills itself when a task is far over its time; the parent
kills it sooner. All that a task may need is imported before the first one, so that no task waits for it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from typing import Any, BinaryIO

import math_verify  # noqa: F401  (here, so that no task waits for it)

from ttstudy.answers.algebra import verified
from ttstudy.answers.reading import canonical, keys_of
from ttstudy.answers.reference import value


def keys(answer: str) -> list[Any]:
    """Exact key, sorted loose keys and canonical form of an answer."""
    found = keys_of(answer)
    return [found.exact, sorted(found.loose), canonical(answer)]


WORKS = {"keys": keys, "reference": value, "verify": verified}


def serve(source: BinaryIO, sink: BinaryIO, seconds: float) -> None:
    """Answer tasks until `source` is closed; an error in one is its result, never the end of the worker."""

    def send(message: dict[str, Any]) -> None:
        sink.write(json.dumps(message).encode() + b"\n")
        sink.flush()

    send({"ready": True})
    for line in source:
        # This process ends some processor seconds after its limit, should the parent be gone.
        signal.setitimer(signal.ITIMER_PROF, seconds + 2)
        try:
            task = json.loads(line)
            message = {"result": [WORKS[task["op"]](text) for text in task["answers"]]}
        except MemoryError:
            message = {"failed": "memory"}
        except Exception as error:
            message = {"failed": type(error).__name__}
        signal.setitimer(signal.ITIMER_PROF, 0)
        send(message)


def main() -> None:
    """Set the limits and serve; what libraries print does not reach the pipe."""
    megabytes, seconds = int(sys.argv[1]), float(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    serve(sys.stdin.buffer, sink, seconds)


if __name__ == "__main__":
    main()

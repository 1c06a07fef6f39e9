"""Progress of a long step: a live bar on a terminal, a line now and then in the log, nothing else anywhere."""

from __future__ import annotations

import fcntl
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from ttstudy.policies.protocol import Progress

LOG_SECONDS = 20.0


def _terminal_lock(stack: ExitStack) -> bool:
    """Whether this step may draw on the terminal: one step at a time does, the others stay quiet."""
    if not sys.stderr.isatty():
        return False
    stream = stack.enter_context(open(Path(tempfile.gettempdir()) / "ttstudy-progress.lock", "a"))
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def bar(label: str, total: int, log: IO[str] | None = None) -> Iterator[Progress]:
    """A callback (requests done, tokens) that keeps a bar with tokens/s on a terminal and writes lines to `log`."""
    start = last = time.monotonic()
    with ExitStack() as stack:
        display = None
        if _terminal_lock(stack):
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            display = stack.enter_context(
                Progress(
                    TextColumn("{task.description}"),
                    BarColumn(),
                    MofNCompleteColumn(),
                    TextColumn("{task.fields[rate]}"),
                    TimeRemainingColumn(),
                    console=Console(stderr=True),
                    transient=True,
                )
            )
            task = display.add_task(label, total=total, rate="")

        def update(done: int, tokens: int) -> None:
            nonlocal last
            now = time.monotonic()
            rate = f"{tokens / max(now - start, 1e-9):,.0f} tokens/s"
            if display is not None:
                display.update(task, completed=done, rate=rate)
            if log is not None and (now - last > LOG_SECONDS or done >= total):
                last = now
                print(f"{label}: {done}/{total}, {tokens:,} tokens, {rate}", file=log, flush=True)

        yield update

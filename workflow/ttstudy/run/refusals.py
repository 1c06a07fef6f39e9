"""What the examination of the data refused in a run, said again at its end: other jobs' lines bury the sentence."""

from __future__ import annotations

from contextlib import suppress

from ttstudy.dag.layout import Layout, jobs

LOG = "{folder}/logs/{benchmark}/{policy}.examine.log"
"""Log of a cell's examination, as its rule has it."""


def since(layout: Layout, start: float) -> list[str]:
    """The refusals of examinations whose logs were written after `start`, seconds of the clock."""
    found = []
    for job in jobs(layout):
        if job.rule != "examine" or job.cell is None:
            continue
        log = layout.root / LOG.format(folder=layout.folder, **job.cell._asdict())
        with suppress(OSError):
            last = log.read_text(encoding="utf-8").rstrip().rpartition("\n")[2]
            if log.stat().st_mtime >= start and last.startswith("error: "):
                found.append(last)
    return found

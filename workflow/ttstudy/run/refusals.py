"""What the examination of the data refused in a run, said again at its end: other jobs' lines bury the sentence."""

from __future__ import annotations

from contextlib import suppress

from ttstudy.dag.layout import Layout, jobs


def log(folder: str, benchmark: str, policy: str) -> str:
    """Log of a cell's examination."""
    return f"{folder}/logs/{benchmark}/{policy}.examine.log"


def since(layout: Layout, start: float) -> list[str]:
    """The refusals of examinations whose logs were written after `start`, seconds of the clock."""
    found = []
    paths = [log(layout.folder, *job.cell) for job in jobs(layout) if job.rule == "examine" and job.cell is not None]
    for path in (layout.root / place for place in [*paths, f"{layout.folder}/logs/findings.log"]):
        with suppress(OSError):
            last = path.read_text(encoding="utf-8").rstrip().rpartition("\n")[2]
            if path.stat().st_mtime >= start and last.startswith("error: "):
                found.append(last)
    return found

"""What a study will put on the disk, and what there is room for: free blocks, and what quotas leave."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ttstudy.dag import hours, shards
from ttstudy.dag.cells import Run
from ttstudy.dag.layout import Job, Layout
from ttstudy.dag.specs.generation import Drawing
from ttstudy.dag.specs.inputs import ConvertSpec, FetchSpec
from ttstudy.data import room
from ttstudy.models.resources import table


def needed_gb(layout: Layout, left: Iterable[Job]) -> float:
    """GB of the jobs that are left: weights that are fetched, and text that is drawn."""
    rows, total = table(), 0.0
    for job in left:
        if isinstance(job.spec, FetchSpec | ConvertSpec):
            total += hours.billions(layout.study, str(job.of), layout.root) * rows["loading"]["bytes"]
        elif isinstance(job.spec, Drawing) and isinstance(job.of, Run) and not shards.of(job.spec):
            drawn = hours.work(layout, job.of, "", hours.assumed(layout, job.of.cell)).drawn
            total += drawn * rows["expected"]["bytes_per_token"] / 1e9
    return total


def room_gb(folder: Path) -> float:
    """GB that a folder, or the one that it will be in, may still take: by its disk, and this user's quota on it."""
    return room.free(nearest(folder)) / 1e9


def nearest(folder: Path) -> Path:
    """The folder, or the first above it that is there."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def lacking(layout: Layout, left: Iterable[Job]) -> str | None:
    """A sentence where the rest of a study wants more than there is room for; None where it fits."""
    folder = layout.root / layout.study.results
    wanted, free = needed_gb(layout, left), room_gb(folder)
    if wanted <= free:
        return None
    return f"{folder}: this study will put about {wanted:,.0f} GB there, and there is room for {free:,.0f} GB"

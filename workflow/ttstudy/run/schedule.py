"""How long jobs take on so many GPUs: the longest first, each on as many as it wants, side by side on one box."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

BOX = 8
"""GPUs of one machine, which a job's are all on; where a job wants more, it takes whole machines."""


class Timed(NamedTuple):
    """A job: its hours, its GPUs, what it is part of, and what must be there before it starts (None: nothing)."""

    hours: float
    gpus: int
    makes: Hashable = None
    after: Hashable = None


def hours(jobs: Sequence[Timed], gpus: int, box: int = BOX) -> float | None:
    """Hours of a list schedule on `gpus` GPUs in machines of `box`; None where a job wants more than there are.

    Whenever GPUs fall free, the longest of the jobs that are ready and fit is started: a list schedule (Graham, 1966,
    https://doi.org/10.1002/j.1538-7305.1966.tb01709.x), which jobs that end as planned can keep.
    """
    jobs = [job for job in jobs if job.gpus and job.hours > 0]
    if any(job.gpus > gpus for job in jobs):
        return None
    free = [min(box, gpus - start) for start in range(0, gpus, box)]
    wanted = Counter(job.makes for job in jobs)
    waiting = [job for job in jobs if job.after is not None and wanted[job.after]]
    ready = _longest_first([job for job in jobs if job.after is None or not wanted[job.after]])
    running: list[tuple[float, int, list[tuple[int, int]], Hashable]] = []
    now, number = 0.0, 0
    while ready or running or waiting:
        for job in [*ready]:
            if not any(free):
                break
            if (places := _places(free, job.gpus, box)) is not None:
                ready.remove(job)
                for place, count in places:
                    free[place] -= count
                number += 1
                heapq.heappush(running, (now + job.hours, number, places, job.makes))
        if not running:  # no machines together are as wide as a job
            return None
        now, _, places, made = heapq.heappop(running)
        for place, count in places:
            free[place] += count
        wanted[made] -= 1
        if made is not None and not wanted[made]:
            ready = _longest_first([*ready, *(job for job in waiting if job.after == made)])
            waiting = [job for job in waiting if job.after != made]
    return now


def _longest_first(jobs: Sequence[Timed]) -> list[Timed]:
    return sorted(jobs, key=lambda job: (-job.hours, -job.gpus))


def _places(free: Sequence[int], gpus: int, box: int) -> list[tuple[int, int]] | None:
    """(machine, GPUs on it) for a job: on the fullest machine that holds it, or on whole ones; None where none do."""
    fitting = [(left, place) for place, left in enumerate(free) if left >= min(gpus, box)]
    whole = -(-gpus // box)
    if len(fitting) < whole:
        return None
    if whole == 1:
        return [(min(fitting)[1], gpus)]
    return [(place, free[place]) for _, place in fitting[:whole]]

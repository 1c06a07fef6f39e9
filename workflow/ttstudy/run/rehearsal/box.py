"""The box of GPUs that a study is rehearsed for: every job of the full-size study is placed on it."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from ttstudy.dag.cells import PoolBlock, Search
from ttstudy.dag.layout import Job, Layout, jobs
from ttstudy.dag.specs.generation import Drawing, ScoreSpec
from ttstudy.errors import StudyError
from ttstudy.models.budget import Gpu
from ttstudy.run import admission, demand
from ttstudy.run.placing import Places


class Box(NamedTuple):
    """So many GPUs of so many GB, as they are sold."""

    gpus: int
    gb: float

    @property
    def words(self) -> str:
        """In words."""
        return f"{self.gpus} GPU{'' if self.gpus == 1 else 's'} of {self.gb:g} GB"

    @property
    def devices(self) -> list[str]:
        """Names of the simulated devices."""
        return [f"simulated-{number}" for number in range(self.gpus)]


def parse(text: str) -> Box:
    """`8x80` as a box; StudyError for anything else."""
    found = re.fullmatch(r"([1-9]\d{0,2})x([1-9]\d{0,3}(?:\.\d+)?)", text)
    if found is None:
        raise StudyError(f"GPUS: {text[:40]!r} is no box of GPUs; write so many x so many GB, as in 8x80 or 4x24")
    return Box(int(found[1]), float(found[2]))


def places(layout: Layout, box: Box) -> Places:
    """All jobs of a study on the box."""
    return Places(layout, Gpu.sold_with(box.gb), "stated", box.gpus)


def placed(seats: Places) -> int:
    """Jobs of the full-size study that have models on GPUs, each of them placed or refused."""
    return sum(one.jobs for one in admission.kinds(seats.layout, jobs(seats.layout)))


def refused(seats: Places) -> list[str]:
    """What fits nowhere on the box, a sentence for each reason, with the number of jobs and the first of them."""
    wanted = admission.kinds(seats.layout, jobs(seats.layout))
    reasons: dict[str, list[admission.Wanted]] = {}
    for one, words in admission.refusals(seats, wanted):
        reasons.setdefault(words.removeprefix(f"{one.words}: "), []).append(one)
    counts = Counter({reason: sum(one.jobs for one in some) for reason, some in reasons.items()})
    told = []
    for reason, some in reasons.items():
        number = f"{counts[reason]} job{'s' if counts[reason] > 1 else ''}"
        told.append(f"{number} ({some[0].words}{' and others' if some[1:] else ''}): {reason}")
    return told


def counts(seats: Places, box: Box) -> dict[tuple[str, str], int]:
    """Devices that each (policy, PRM) takes at full size, "" for none of the two; what fits nowhere takes the box."""
    found: dict[tuple[str, str], int] = {}
    study, root = seats.layout.study, seats.layout.root
    for job in jobs(seats.layout):
        pair = _models(job)
        if pair is not None and pair not in found:
            policy, prm = (name or None for name in pair)
            wanted = demand.of_job(study, policy, prm, None, root, seats).gpus
            found[pair] = min(wanted, box.gpus)
    return found


def _models(job: Job) -> tuple[str, str] | None:
    """The policy and the PRM that a job opens; None of a job that opens no model here."""
    if isinstance(job.of, Search) and isinstance(job.spec, Drawing):
        return job.of.cell.policy, job.of.prm
    if isinstance(job.spec, ScoreSpec):
        return "", job.prm
    return (job.of.cell.policy, "") if isinstance(job.of, PoolBlock) and isinstance(job.spec, Drawing) else None

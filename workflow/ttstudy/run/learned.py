"""What finished jobs took beside what was planned: by it the next of their kind ask for time and memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ttstudy.dag import hours, shards
from ttstudy.dag.cells import Run, Search
from ttstudy.dag.layout import Job, Layout
from ttstudy.run import provenance

Kind = tuple[str, ...]
LEAST = 0.25
"""Of what was planned, below which no pace is believed: a job that went on after a kill counts its last process."""


class Learned(NamedTuple):
    """Of the finished jobs of a kind: hours taken for each that was planned, and the most memory of one, in GB."""

    pace: float = 1.0
    peak_gb: float = 0.0


def kinds(job: Job) -> tuple[Kind, ...]:
    """What a job is like, the narrowest kind first: on the same benchmark, then on any; () where nothing is planned."""
    if not isinstance(job.spec, shards.Sharded):
        return ()
    if isinstance(job.of, Run):
        method, prm = (job.of.method, job.of.prm) if isinstance(job.of, Search) else ("", job.prm)
        whole: Kind = (job.spec.step, method, job.of.cell.policy, prm)
        return (*whole, job.of.cell.benchmark), whole
    return ((job.rule, str(job.of), job.prm),)


def planned(layout: Layout, job: Job) -> float:
    """Hours that are planned for a job, or a shard's part of them, by assumptions; 0 where nothing tells any."""
    if job.rule == "score_labelled":
        opened, busy = hours.of_labelled(layout, str(job.of), job.prm)
    elif isinstance(job.of, Run):
        opened, busy = hours.of_run(layout, job.of, job.prm)
    else:
        return 0.0
    return opened + busy / (shards.of(job.spec) or (0, 1))[1] if busy else 0.0


def learned(layout: Layout, done: Iterable[Job], on_gpu: Callable[[Job], bool]) -> dict[Kind, Learned]:
    """What the records of finished jobs tell of each kind; `on_gpu`: whether a job would be on GPUs now.

    What ran on a CPU tells nothing of a job on GPUs, nor the other way round.
    """
    took: dict[Kind, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for job in done:
        if not (mine := kinds(job)) or shards.of(job.spec) or not (wanted := planned(layout, job)):
            continue
        record = provenance.read(provenance.beside(layout.root / job.spec.product))
        if record is None or not record.get("seconds") or _on_gpu(record) != on_gpu(job):
            continue
        for kind in mine:
            sums = took[kind]
            sums[0] += float(record["seconds"]) / 3600
            sums[1] += wanted
            sums[2] = max(sums[2], float(record.get("peak_bytes") or 0) / 1e9)
    return {kind: Learned(max(LEAST, spent / wanted), peak) for kind, (spent, wanted, peak) in took.items()}


def of(job: Job, known: Mapping[Kind, Learned]) -> Learned:
    """What is known of a job's kind, the narrowest that has finished jobs; as planned where there is none."""
    return next((known[kind] for kind in kinds(job) if kind in known), Learned())


def _on_gpu(record: Mapping[str, object]) -> bool:
    """Whether a model of the job that left a record ran on a GPU."""
    engines = record.get("engines")
    running = engines.values() if isinstance(engines, dict) else ()
    return any(str(one.get("device", "")).startswith("cuda") for one in running if isinstance(one, dict))

"""How fast models are: stated in workflow/resources.yaml, measured by finished jobs of these results, or assumed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import NamedTuple

from ttstudy.dag import hours, shards
from ttstudy.dag.cells import PoolBlock
from ttstudy.dag.layout import Job, Layout
from ttstudy.run import provenance

STATED, MEASURED, ASSUMED = "stated", "finished jobs", "assumed"
"""Where a speed is from, as the plan tells it."""


class Measured(NamedTuple):
    """What finished jobs say of a model: tokens a second, on what, and how many jobs they were."""

    rate: float
    hardware: str
    jobs: int


def measured(layout: Layout, every: Collection[Job], undone: Collection[str]) -> dict[str, Measured]:
    """Speeds of models by name, from the records beside the results of finished jobs that drew, or scored, with one.

    Loading is in them. Of several kinds of machines, the one on which most tokens were.
    """
    sums: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(lambda: [0.0, 0.0, 0.0]))
    for job in every:
        if not isinstance(job.of, PoolBlock) or job.spec.step not in ("sample", "score") or shards.of(job.spec):
            continue
        path = provenance.beside(layout.root / job.spec.product)
        known = None if job.spec.product in undone else provenance.read(path)
        if known is None or not known.get("tokens") or not known.get("seconds"):
            continue
        name, kind = (job.prm, "prm") if job.prm else (job.of.cell.policy, "policy")
        spent = sums[name][_hardware(known, kind)]
        for place, amount in enumerate((known["tokens"], known["seconds"], 1)):
            spent[place] += amount
    found = {}
    for name, machines in sums.items():
        hardware, (tokens, seconds, jobs) = max(machines.items(), key=lambda item: item[1][0])
        found[name] = Measured(tokens / seconds, hardware, int(jobs))
    return found


def _hardware(record: Mapping[str, object], kind: str) -> str:
    """What a job's model ran on: its GPUs, else the machine."""
    engines = record.get("engines")
    running = engines.get(kind) if isinstance(engines, dict) else None
    device = str(running.get("device", "")) if isinstance(running, dict) else ""
    return device if device.startswith("cuda") else str(record.get("hardware", "unknown"))


def speed(
    layout: Layout, name: str, size: float, gpus: int, draws: bool, known: Mapping[str, Measured]
) -> tuple[float, str]:
    """Tokens a second of a model, and where that is from: stated goes before measured, and that before assumed."""
    if (rate := hours.stated(layout, name)) is not None:
        return rate, STATED
    if name in known:
        return known[name].rate, MEASURED
    return hours.assumed_speed(size, gpus, draws), ASSUMED


def words(known: Mapping[str, Measured]) -> list[str]:
    """A line for each machine that finished jobs measured speeds on."""
    machines: dict[str, list[str]] = {}
    for name, one in known.items():
        machines.setdefault(one.hardware, []).append(f"{name} {one.rate:,.0f}")
    lines = ((machine, ", ".join(told)) for machine, told in machines.items())
    return [f"Measured by finished jobs on {machine} (tokens/s): {told}." for machine, told in lines]

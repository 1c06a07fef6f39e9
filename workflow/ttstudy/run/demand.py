"""What a job asks for: GPUs, memory and time by the size of its models, from one table (workflow/resources.yaml).

Nothing here decides a result. Profiles turn the numbers into local slots or a Slurm request.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ttstudy.dag import hours, shards
from ttstudy.dag.cells import Run
from ttstudy.dag.hours import billions, elsewhere, on_gpu, told_gpus
from ttstudy.dag.layout import Job, Layout
from ttstudy.errors import StudyError
from ttstudy.kinds.engines import ENGINES
from ttstudy.models import environment
from ttstudy.models.resources import checked, models_row, table
from ttstudy.run.machine_files import SiteFile
from ttstudy.run.placing import Places
from ttstudy.study import Study, read_yaml
from ttstudy.study.models import OnEngine

SITE = Path(__file__).resolve().parents[2] / "profiles" / "slurm" / "site.yaml"


class Demand(NamedTuple):
    """GPUs, host memory in GB, and hours of one job."""

    gpus: int
    memory_gb: float
    hours: float


def of_models(policy: float | None = None, prm: float | None = None, rows: Mapping[str, Any] | None = None) -> Demand:
    """Demand of a job with a policy, a PRM or both, by their parameters in billions (None: not part of the job)."""
    rows = table() if rows is None else rows
    policy_row = None if policy is None else models_row("policies", policy, rows)
    prm_row = None if prm is None else models_row("prms", prm, rows)
    found = [row for row in (policy_row, prm_row) if row is not None]
    gpus = sum(row["gpus"] for row in found)
    share = rows["share_a_gpu"]
    if policy is not None and prm is not None and policy <= share["policy"] and prm <= share["prm"]:
        gpus = max(row["gpus"] for row in found)
    return Demand(gpus, sum(row["memory_gb"] for row in found), max((row["hours"] for row in found), default=0))


def of_job(
    study: Study,
    policy: str | None = None,
    prm: str | None = None,
    rows: Mapping[str, Any] | None = None,
    root: Path = Path(),
    places: Places | None = None,
) -> Demand:
    """Demand of a job with models of a study: memory and hours by their sizes, GPUs by their places.

    Where these are not known, GPUs by the table, and at least as many as an engine is told to take.
    """
    names = {"policy": policy, "prm": prm}
    sizes = {kind: billions(study, name, root) for kind, name in names.items() if name is not None}
    on_gpu = {kind: size for kind, size in sizes.items() if wants_gpu(study, str(names[kind]), size)}
    held = {kind: 0.0 if elsewhere(study, str(names[kind])) else size for kind, size in sizes.items()}
    memory = of_models(**held, rows=rows).memory_gb
    told = [told_gpus(study, str(names[kind])) for kind in on_gpu]
    if places is not None and on_gpu:
        # What does not fit is refused elsewhere, in words.
        with suppress(StudyError):
            if (placed := places.of(*(names[kind] if kind in on_gpu else None for kind in names))) is not None:
                return of_models(**sizes, rows=rows)._replace(gpus=placed.gpus, memory_gb=memory)
    gpus = max([of_models(**on_gpu, rows=rows).gpus, *told])
    return of_models(**sizes, rows=rows)._replace(gpus=gpus, memory_gb=memory)


def wants_gpu(study: Study, name: str, size: float) -> bool:
    """Whether a model of so many billions of parameters is run on GPUs: as it is meant to, or by the vLLM here."""
    settings = study.policies.get(name) or study.prms[name]
    in_vllm = isinstance(settings, OnEngine) and ENGINES[settings.engine].vllm_environment
    return on_gpu(study, name, size) or (in_vllm and not environment.cpu_build())


SPARE = 1.5
"""Hours asked for of each that is planned: no job ends for being a little slower than assumed."""


def planned_hours(layout: Layout, job: Job) -> float | None:
    """Hours to ask for a job by what is assumed of its models, in whole half hours; None where that tells nothing."""
    if not isinstance(job.of, Run):
        return None
    opened, busy = hours.of_run(layout, job.of, job.prm)
    planned = opened + busy / (shards.of(job.spec) or (0, 1))[1]
    return math.ceil(2 * SPARE * planned) / 2 if planned > 1 / 60 else None


def of_step(step: str) -> Demand:
    """Demand of a step without GPUs: `light` or `training`."""
    row = table()[step]
    return Demand(0, row["memory_gb"], row["hours"])


# -- a site's Slurm -------------------------------------------------------------------------------------------


RESOURCES = ("gpu", "mem_mb", "runtime", "slurm_partition", "slurm_account", "gpu_model")
"""Resources of every job, as Snakemake and its Slurm plugin name them."""
OF_MODELS = ("nodes", "cpus_per_gpu")
"""Those that only jobs with models have: of the light jobs that share a submission Snakemake would add them up."""


class Site(NamedTuple):
    """A cluster: names of its partitions, account, GPU model, node-local folder for models, and limits."""

    cpu_partition: str | None = None
    gpu_partition: str | None = None
    account: str | None = None
    gpu_model: str | None = None
    scratch: str | None = None
    gpu_memory_gb: float | None = None
    longest_hours: float | None = None
    gpus_per_node: int = 8
    cpus_per_gpu: int = -1  # the plugin's word for: as Slurm has it


def read_site(path: Path | str | None = None) -> Site:
    """The site's settings: of `path`, else of TTSTUDY_SITE, else of the profile's own file."""
    path = Path(path or os.environ.get("TTSTUDY_SITE") or SITE)
    content = read_yaml(path)
    checked(SiteFile, content, path)
    return Site(**{key: value for key, value in content.items() if value is not None})


def slurm(demand: Demand, site: Site, attempt: int = 1) -> dict[str, Any]:
    """Resources of a demand in Snakemake's words; those that grow with the attempt are memory and time."""
    wanted = demand.hours * attempt
    if site.longest_hours is not None:
        wanted = min(wanted, site.longest_hours)
    partition = site.gpu_partition if demand.gpus else site.cpu_partition
    return {
        "gpu": demand.gpus,
        # Left to itself, Slurm may take a job's GPUs from several nodes; a model's processes want them on one.
        "nodes": max(1, math.ceil(demand.gpus / site.gpus_per_node)),
        "cpus_per_gpu": site.cpus_per_gpu,
        "mem_mb": int(demand.memory_gb * 1000 * attempt),
        "runtime": max(1, round(wanted * 60)),
        "slurm_partition": partition or "",
        "slurm_account": site.account or "",
        "gpu_model": (site.gpu_model or "") if demand.gpus else "",
    }

"""What a job asks for: GPUs by their places, memory by the sizes of its models, time by the plan.

What is assumed stands in one table (workflow/resources.yaml), which may state what one knows better. Nothing here
decides a result. Profiles turn the numbers into local slots or a Slurm request.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ttstudy.dag import hours
from ttstudy.dag.hours import billions, elsewhere, told_gpus
from ttstudy.dag.layout import Job, Layout
from ttstudy.errors import StudyError
from ttstudy.kinds.engines import ENGINES
from ttstudy.models import environment
from ttstudy.models.resources import checked, models_row, table
from ttstudy.run import devices, learned
from ttstudy.run.learned import Learned
from ttstudy.run.machine_files import SiteFile
from ttstudy.run.placing import Places
from ttstudy.study import Study, read_yaml
from ttstudy.study.models import OnEngine

SITE = Path(__file__).resolve().parents[2] / "profiles" / "slurm" / "site.yaml"


class Demand(NamedTuple):
    """GPUs, host memory in GB, and hours of one job; 0 hours: as planned."""

    gpus: int
    memory_gb: float
    hours: float
    stated: bool = False
    """Whether the table states its memory, which then is not raised by what finished jobs took."""


def of_models(policy: float | None = None, prm: float | None = None, rows: Mapping[str, Any] | None = None) -> Demand:
    """Demand of a job with a policy, a PRM or both, by their parameters in billions (None: not part of the job).

    Hours are those that the table states; 0 where it states none: the plan tells them (`of_work`).
    """
    rows = table() if rows is None else rows
    sizes = {"policies": policy, "prms": prm}
    found = {group: (models_row(group, size, rows), size) for group, size in sizes.items() if size is not None}
    gpus = [row["gpus"] for row, _ in found.values()]
    share = rows["share_a_gpu"]
    together = policy is not None and prm is not None and policy <= share["policy"] and prm <= share["prm"]
    memory = sum(_memory(row, size, rows) for row, size in found.values())
    stated = max((row["hours"] or 0.0 for row, _ in found.values()), default=0.0)
    told = any(row["memory_gb"] is not None for row, _ in found.values())
    return Demand(max(gpus, default=0) if together else sum(gpus), memory, stated, told)


def _memory(row: Mapping[str, Any], size: float, rows: Mapping[str, Any]) -> float:
    """GB of the host for a model of so many billions of parameters: as its row states, else its process and weights."""
    if row["memory_gb"] is not None:
        return float(row["memory_gb"])
    asked = rows["asked"]
    if row["gpus"]:  # its weights go through the host once
        return float(math.ceil(asked["spare"] * asked["process_gb"]["gpu"] + size * rows["loading"]["bytes"]))
    return float(math.ceil(asked["spare"] * (asked["process_gb"]["cpu"] + size * asked["cpu_bytes"])))


def of_job(
    study: Study,
    policy: str | None = None,
    prm: str | None = None,
    rows: Mapping[str, Any] | None = None,
    root: Path = Path(),
    places: Places | None = None,
) -> Demand:
    """Demand of a job with models of a study: memory by their sizes, GPUs by their places.

    Where these are not known, GPUs by the table, and at least as many as an engine is told to take.
    """
    names = {"policy": policy, "prm": prm}
    sizes = {kind: billions(study, name, root) for kind, name in names.items() if name is not None}
    seated = {kind: size for kind, size in sizes.items() if wants_gpu(study, str(names[kind]), size)}
    held = {kind: 0.0 if elsewhere(study, str(names[kind])) else size for kind, size in sizes.items()}
    memory = of_models(**held, rows=rows).memory_gb
    told = [told_gpus(study, str(names[kind])) for kind in seated]
    if places is not None and seated:
        # What does not fit is refused elsewhere, in words.
        with suppress(StudyError):
            if (placed := places.of(*(names[kind] if kind in seated else None for kind in names))) is not None:
                return of_models(**sizes, rows=rows)._replace(gpus=placed.gpus, memory_gb=memory)
    gpus = max([of_models(**seated, rows=rows).gpus, *told])
    return of_models(**sizes, rows=rows)._replace(gpus=gpus, memory_gb=memory)


def wants_gpu(study: Study, name: str, size: float) -> bool:
    """Whether a model of so many billions of parameters is run on GPUs: as it is meant to, or by the vLLM here."""
    settings = study.policies.get(name) or study.prms[name]
    in_vllm = isinstance(settings, OnEngine) and ENGINES[settings.engine].vllm_environment
    return hours.on_gpu(study, name, size) or (in_vllm and not environment.cpu_build())


def on_gpu(layout: Layout, job: Job) -> bool:
    """Whether a job has a model on a GPU."""
    names = [model.key.partition(".")[2] for model in devices.models(job.spec)]
    return any(wants_gpu(layout.study, name, billions(layout.study, name, layout.root)) for name in names)


def of_work(layout: Layout, job: Job, models: Demand, known: Mapping[learned.Kind, Learned] | None = None) -> Demand:
    """Demand of a job with these models: time by the plan, and by what finished jobs of its kind took (`known`).

    What the table states for models of their sizes goes before the plan. Memory rises where finished jobs took more.
    """
    asked, told = table()["asked"], learned.of(job, known or {})
    memory = models.memory_gb
    if not models.stated:
        memory = max(memory, float(math.ceil(asked["spare"] * told.peak_gb)))
    if models.hours:
        return models._replace(memory_gb=memory)
    # Of models on servers elsewhere nothing is planned.
    planned = learned.planned(layout, job) * told.pace or layout.study.max_job_hours / asked["spare"]
    step = asked["round_minutes"]
    minutes = max(asked["least_minutes"], step * math.ceil(asked["spare"] * planned * 60 / step))
    return models._replace(memory_gb=memory, hours=minutes / 60)


def of_step(step: str) -> Demand:
    """Demand of a step without GPUs: `light` or `training`."""
    row = table()[step]
    return Demand(0, row["memory_gb"], row["hours"])


# -- a site's Slurm -------------------------------------------------------------------------------------------


RESOURCES = ("gpu", "mem_mb", "runtime", "slurm_partition", "slurm_account", "gpu_model")
"""Resources of every job, as Snakemake and its Slurm plugin name them."""
OF_MODELS = ("devices", "nodes", "cpus_per_gpu")
"""Those that only jobs with models have: of the light jobs that share a submission Snakemake would add them up."""

OF_SITE = ("slurm_account", "qos", "slurm_extra", "cpus_per_gpu")
"""Those that are the same for all jobs."""
OF_LIGHT = (*OF_SITE, "gpu", "gpu_model", "slurm_partition")
"""Those that are the same for all jobs without models."""


class Site(NamedTuple):
    """A cluster: names of its partitions, account, GPU model and the like, what its jobs need before them, limits."""

    cpu_partition: str | None = None
    gpu_partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    extra: Sequence[str] = ()
    """More options of sbatch."""
    gpu_model: str | None = None
    gpu_request: str = "gpus"
    """The option of sbatch that asks for GPUs: `gpus`, or `gres`."""
    before: Sequence[str] = ()
    """Lines of shell before the command of a job on a node."""
    endpoints: str = "login"
    """Where endpoints are asked from: the login node, or compute nodes."""
    scratch: str | None = None
    gpu_memory_gb: float | None = None
    longest_hours: float | None = None
    gpus_per_node: int = 8
    cpus_per_gpu: int = -1  # the plugin's word for: as Slurm has it

    def resources(self, of_models: bool) -> tuple[str, ...]:
        """Names of the resources that a job states, with models or without; an empty word would be asked for, too."""
        more = {"qos": self.qos, "slurm_extra": self.extra}
        own = {"constraint": self.constraint, "gres": self.gpu_request == "gres"} if of_models else {}
        wanted = (name for name, given in (more | own).items() if given)
        return (*RESOURCES, *(OF_MODELS if of_models else ()), *wanted)


def read_site(path: Path | str | None = None) -> Site:
    """The site's settings: of `path`, else of TTSTUDY_SITE, else of the profile's own file."""
    path = Path(path or os.environ.get("TTSTUDY_SITE") or SITE)
    content = read_yaml(path)
    checked(SiteFile, content, path)
    return Site(**{key: value for key, value in content.items() if value is not None})


def slurm(demand: Demand, site: Site, attempt: int = 1, here: bool = False) -> dict[str, Any]:
    """Resources of a demand in Snakemake's words; those that grow with the attempt are memory and time.

    `here`: the job runs on this machine, or has its GPUs already, so that they are told by their number alone.
    """
    wanted = demand.hours * attempt
    if site.longest_hours is not None:
        wanted = min(wanted, site.longest_hours)
    partition = site.gpu_partition if demand.gpus else site.cpu_partition
    by_gres = site.gpu_request == "gres" and demand.gpus > 0 and not here
    nodes = max(1, math.ceil(demand.gpus / site.gpus_per_node))
    on_node = math.ceil(demand.gpus / nodes)  # `--gres` counts on each node
    return {
        "gpu": 0 if by_gres else demand.gpus,
        "devices": demand.gpus,
        "gres": ":".join(["gpu", *filter(None, [site.gpu_model]), str(on_node)]) if by_gres else "",
        # Left to itself, Slurm may take a job's GPUs from several nodes; a model's processes want them on one.
        "nodes": nodes,
        "cpus_per_gpu": site.cpus_per_gpu,
        "mem_mb": int(demand.memory_gb * 1000 * attempt),
        "runtime": max(1, round(wanted * 60)),
        "slurm_partition": partition or "",
        "slurm_account": site.account or "",
        "qos": site.qos or "",
        "constraint": (site.constraint or "") if demand.gpus else "",
        "slurm_extra": " ".join(site.extra),
        "gpu_model": (site.gpu_model or "") if demand.gpus and not by_gres else "",
    }

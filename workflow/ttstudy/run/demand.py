"""What a job asks for: GPUs, memory and time by the size of its models, from one table (workflow/resources.yaml).

Nothing here decides a result. Profiles turn the numbers into local slots or a Slurm request.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ttstudy.errors import StudyError
from ttstudy.kinds.engines import ENGINES, WEIGHTS
from ttstudy.models import environment
from ttstudy.models.checkpoint import parameters
from ttstudy.models.facts import TINY, billions_of_name
from ttstudy.run.machine_files import ResourcesFile, SiteFile, checked
from ttstudy.run.placing import Places
from ttstudy.study import Study, read_yaml
from ttstudy.study.models import OnEngine

TABLE = Path(__file__).resolve().parents[2] / "resources.yaml"
SITE = Path(__file__).resolve().parents[2] / "profiles" / "slurm" / "site.yaml"
ASSUMED_BILLIONS = 8.0
"""Size of a model of which neither the study nor its name says one."""


class Demand(NamedTuple):
    """GPUs, host memory in GB, and hours of one job."""

    gpus: int
    memory_gb: float
    hours: float


@cache
def table(path: Path = TABLE) -> Mapping[str, Any]:
    """The table of demands; StudyError names the file and the key of whatever cannot be in it."""
    content = read_yaml(path)
    checked(ResourcesFile, content, path)
    return content


def of_models(policy: float | None = None, prm: float | None = None, rows: Mapping[str, Any] | None = None) -> Demand:
    """Demand of a job with a policy, a PRM or both, by their parameters in billions (None: not part of the job)."""
    rows = table() if rows is None else rows
    policy_row = None if policy is None else _row("policies", policy, rows["policies"])
    prm_row = None if prm is None else _row("prms", prm, rows["prms"])
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
    told = [gpus_of_engine(study, str(names[kind])) for kind in on_gpu]
    if places is not None and on_gpu:
        # What does not fit is refused elsewhere, in words.
        with suppress(StudyError):
            if (placed := places.of(*(names[kind] if kind in on_gpu else None for kind in names))) is not None:
                return of_models(**sizes, rows=rows)._replace(gpus=placed.gpus, memory_gb=memory)
    gpus = max([of_models(**on_gpu, rows=rows).gpus, *told])
    return of_models(**sizes, rows=rows)._replace(gpus=gpus, memory_gb=memory)


def elsewhere(study: Study, name: str) -> bool:
    """Whether a model runs on a server of its own, and costs a job neither a GPU nor memory."""
    settings = study.policies.get(name) or study.prms[name]
    return isinstance(settings, OnEngine) and ENGINES[settings.engine].remote


def wants_gpu(study: Study, name: str, size: float) -> bool:
    """Whether a model of so many billions of parameters is run on GPUs: by its engine, its `device` and its size.

    vLLM's CPU build runs the miniature and its like; a larger model never goes there unasked.
    """
    settings = study.policies.get(name) or study.prms[name]
    if not isinstance(settings, OnEngine):
        return False
    engine = ENGINES[settings.engine]
    if engine.remote:
        return False
    if engine.vllm_environment:
        return size > TINY or gpus_of_engine(study, name) > 1 or not environment.cpu_build()
    if not engine.devices:  # it says so itself
        return int(getattr(settings, "gpus", 0)) > 0
    device: str | None = settings.device
    return device == "cuda" or (device is None and size > TINY)


def gpus_of_engine(study: Study, name: str) -> int:
    """GPUs that the engine of a model on GPUs is told to take, with several copies or shares for instance."""
    return max(1, int(getattr(study.policies.get(name) or study.prms[name], "gpus", 1)))


def of_step(step: str) -> Demand:
    """Demand of a step without GPUs: `light` or `training`."""
    row = table()[step]
    return Demand(0, row["memory_gb"], row["hours"])


def _row(kind: str, billions: float, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    for row in rows:
        if billions <= row["size"]:
            return row
    raise StudyError(f"workflow/resources.yaml: no row of {kind} holds {billions:g} billion parameters; add one")


def billions(study: Study, name: str, root: Path = Path()) -> float:
    """Size of a policy or PRM in billions of parameters: given, counted in its folder, told by its name, or assumed.

    0 for a model that needs no machine of ours: the miniature's, an endpoint, recorded responses.
    """
    settings = study.policies.get(name) or study.prms[name]
    if settings.source not in WEIGHTS:
        return 0.0
    if (given := getattr(settings, "parameters", None)) is not None:
        return float(given) / 1e9
    if settings.source == "checkpoint":
        return _counted(root / settings.path)
    if settings.source != "hub":
        return 0.0
    told = billions_of_name(settings.id)
    return ASSUMED_BILLIONS if told is None else told


@cache
def _counted(folder: Path) -> float:
    return parameters(folder) / 1e9


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
    hours = demand.hours * attempt
    if site.longest_hours is not None:
        hours = min(hours, site.longest_hours)
    partition = site.gpu_partition if demand.gpus else site.cpu_partition
    return {
        "gpu": demand.gpus,
        # Left to itself, Slurm may take a job's GPUs from several nodes; a model's processes want them on one.
        "nodes": max(1, math.ceil(demand.gpus / site.gpus_per_node)),
        "cpus_per_gpu": site.cpus_per_gpu,
        "mem_mb": int(demand.memory_gb * 1000 * attempt),
        "runtime": max(1, round(hours * 60)),
        "slurm_partition": partition or "",
        "slurm_account": site.account or "",
        "gpu_model": (site.gpu_model or "") if demand.gpus else "",
    }

"""What jobs ask for: GPUs, memory, time and partition, by the size of their models and the site's settings.

Tables: workflow/resources.yaml, workflow/models.yaml, workflow/profiles/slurm/site.yaml. Nothing here decides a result.
"""

import os
from functools import cache

from snakemake.resources import Resources
from ttstudy.run import admission, demand, gpus, keys, learned, scheduling, simulation
from ttstudy.run.placing import PLANNED, Places, site_gpu
from ttstudy.run.telling import told

site = told(demand.read_site)
if site.scratch:
    os.environ.setdefault("TTSTUDY_SCRATCH", site.scratch)

if site.before and not workflow.is_main_process:  # on a node
    shell.prefix("\n".join([*site.before, ""]))

gpu_places = Places(layout, *site_gpu(site.gpu_memory_gb))
os.environ[PLANNED] = f"{gpu_places.gpu.name}:{gpu_places.gpu.gib}"


WITHOUT_MODELS = ("light", "training")


def asked(step, output=None):
    """Resources of a step: of its models (`policy`, `prm`, `policy+prm`), `light` or `training`; more each attempt.

    `output`: pattern of its first output, by which its job, and so its hours, are known.
    """

    def one(key):
        return lambda wildcards, attempt: demand.slurm(
            _demand(step, wildcards, output), site, attempt, here=workflow.local_exec
        )[key]

    # What is the same for all jobs is no function: Snakemake takes a millisecond to call one.
    light = step in WITHOUT_MODELS
    same = demand.slurm(demand.of_step(step if light else "light"), site)
    return {
        key: same[key] if key in (demand.OF_LIGHT if light else demand.OF_SITE) else one(key)
        for key in site.resources(of_models=not light)
    }


def _demand(step, wildcards, output):
    if step in WITHOUT_MODELS:
        return demand.of_step(step)
    models = of_models(**{kind: wildcards[kind] for kind in step.split("+")})
    job = maker(layout, output.format(**dict(wildcards.items())))
    return demand.of_work(layout, job, models, of_finished_jobs())


@cache
def of_finished_jobs():
    """What finished jobs took, by kind; nothing where jobs run here, now, and in a job's own process."""
    if standing is None or workflow.local_exec:
        return {}
    done = [job for job in jobs(layout) if standing.stands(job.spec.product)]
    return learned.learned(layout, done, lambda job: demand.on_gpu(layout, job))


@cache
def of_models(policy=None, prm=None):
    """Demand of a job with these models."""
    wanted = demand.of_job(study, policy, prm, places=gpu_places)
    box = simulation.here()
    return wanted if box is None else wanted._replace(gpus=simulation.wanted(box, policy, prm))


def ask_for_the_rest(rules):
    """Rules that say nothing of their own ask for what light steps need, whatever cluster they run on."""
    for light in rules:
        if "runtime" not in light.resources:
            light.resources.update(Resources.from_mapping(asked("light")))


def refuse_above_the_limit():
    """StudyError when the plan needs more GPU-hours than the study allows."""
    if study.max_gpu_hours is not None:
        from ttstudy.run.plan import refuse_above

        refuse_above(layout, study.max_gpu_hours)


NO_MODELS = {"plan", "fetch"}
"""Targets whose jobs open no model."""


def refuse_what_no_gpu_holds(here):
    """StudyError for jobs that want more GPUs than this run may use, or more memory than they have.

    Snakemake would cut a job's GPUs down to the limit without a word. `here`: the jobs run on this machine, now.
    """
    targets = set(workflow.dag_settings.targets) if workflow.dag_settings else set()
    if targets and targets <= NO_MODELS:
        return
    stated = getattr(workflow.global_resources.get("gpu"), "value", None)
    limits = [] if stated is None else [int(stated)]
    if here and workflow.local_exec:
        limits.append(len(gpus.visible()))
    if here or limits:
        jobs = [left.job for left in standing.left()]
        most = min(limits) if limits else None
        admission.check(Places(layout, gpu_places.gpu, gpu_places.known, most), jobs)


def keyless(job):
    """The environment of a job in a cluster: without keys, but for those of the endpoints that it asks."""
    parts = list(job.jobs) if job.is_group() else [job]
    needed = set().union(*(keys.of_job(study, part.rule.name, part.wildcards_dict) for part in parts))
    stored = workflow.storage_settings.default_storage_provider is not None
    return keys.without(os.environ, keys.of_study(study), needed, stored)


if workflow.is_main_process and "snakemake_executor_plugin_slurm" in sys.modules:
    from ttstudy.run import cluster

    cluster.install(
        cluster.Context(
            Path(study.results),
            lambda: {specs.place(study.results, job.spec) for job in jobs(layout)},
            keyless,
        )
    )


if workflow.is_main_process:
    scheduling.install(layout, plain)
    told(lambda: refuse_what_no_gpu_holds(here=False))

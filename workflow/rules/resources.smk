"""What jobs ask for: GPUs, memory, time and partition, by the size of their models and the site's settings.

Tables: workflow/resources.yaml, workflow/profiles/slurm/site.yaml. Nothing here decides a result.
"""

import os

from snakemake.resources import Resources
from ttstudy.run import demand
from ttstudy.run.telling import told

site = told(demand.read_site)
if site.scratch:
    os.environ.setdefault("TTSTUDY_SCRATCH", site.scratch)


WITHOUT_MODELS = ("light", "training")


def asked(step):
    """Resources of a step: of its models (`policy`, `prm`, `policy+prm`), `light` or `training`; more each attempt."""

    def one(key):
        return lambda wildcards, attempt: demand.slurm(_demand(step, wildcards), site, attempt)[key]

    of_models = () if step in WITHOUT_MODELS else demand.OF_MODELS
    return {key: one(key) for key in (*demand.RESOURCES, *of_models)}


def _demand(step, wildcards):
    if step in WITHOUT_MODELS:
        return demand.of_step(step)
    return demand.of_job(study, **{kind: wildcards[kind] for kind in step.split("+")})


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

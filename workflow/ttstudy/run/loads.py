"""Models that jobs load: each job its own, or one worker (`ttstudy.run.worker`) for all jobs with the same models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ttstudy.dag.layout import Job
from ttstudy.dag.specs.records import Spec
from ttstudy.run.workers import MODELS, models

RULES = ("sample", "score", "score_labelled", "search")
"""Rules whose jobs open models."""


def of_job(job: Job) -> str | None:
    """What tells the models that a job opens from all others; None where it opens none."""
    return of_spec(job.spec) if job.rule in RULES else None


def of_spec(spec: Spec) -> str | None:
    """What tells the models of a spec from all others (`ttstudy.run.workers.models`); None where it opens none."""
    if not {"engine", "judge"} & set(type(spec).model_fields):
        return None
    return models(spec.model_dump(mode="json", include=set(MODELS)))


class Loads(NamedTuple):
    """How often some jobs load models."""

    workers: int
    """Sets of models that are loaded together: a policy, a PRM, or both. Each is loaded once where one worker is
    enough for its jobs."""
    models: int
    """Models that these sets load: of a search two."""
    apart: int
    """Models that are loaded where every job loads its own."""


def expected(jobs: Iterable[Job]) -> Loads:
    """Loads of jobs that are left to do."""
    sets: dict[str, int] = {}
    apart = 0
    for job in jobs:
        if (key := of_job(job)) is not None:
            sets[key] = ("engine" in type(job.spec).model_fields) + ("judge" in type(job.spec).model_fields)
            apart += sets[key]
    return Loads(len(sets), sum(sets.values()), apart)

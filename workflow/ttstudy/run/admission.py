"""Which jobs of a study cannot run on the GPUs that a run has, told before any starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ttstudy.dag import hours
from ttstudy.dag.layout import Job, Layout
from ttstudy.dag.specs.generation import Drawing, ScoreSpec
from ttstudy.errors import StudyError
from ttstudy.run import demand, devices
from ttstudy.run.gpus import number
from ttstudy.run.placing import Places


class Wanted(NamedTuple):
    """A kind of job: its step, the models that it has on GPUs, and how many jobs are of it."""

    step: str
    policy: str | None
    prm: str | None
    jobs: int

    @property
    def words(self) -> str:
        """The kind as a sentence names it."""
        models = [f"{kind}.{name}" for kind, name in (("policies", self.policy), ("prms", self.prm)) if name]
        return f"{self.step} with {' and '.join(models)}"


def kinds(layout: Layout, jobs: Iterable[Job]) -> list[Wanted]:
    """Jobs that open models on GPUs, by step and models, in the order of the DAG."""
    found: Counter[tuple[str, str | None, str | None]] = Counter()
    known: dict[str, bool] = {}

    def on_gpu(name: str | None) -> str | None:
        if name is not None and name not in known:
            known[name] = demand.wants_gpu(layout.study, name, hours.billions(layout.study, name, layout.root))
        return name if name is not None and known[name] else None

    for job in jobs:
        if isinstance(job.spec, Drawing | ScoreSpec) and not job.shards:
            names = dict(model.key.split(".", 1) for model in devices.models(job.spec))
            policy, prm = (on_gpu(names.get(group)) for group in ("policies", "prms"))
            if policy or prm:
                found[job.spec.step, policy, prm] += 1
    return [Wanted(*kind, count) for kind, count in found.items()]


def refusals(
    places: Places, wanted: Iterable[Wanted], rows: Mapping[str, Any] | None = None
) -> Iterator[tuple[Wanted, str]]:
    """Jobs that cannot run, each with one sentence: what does not fit, or wants more GPUs than the run may use."""
    layout, limit = places.layout, places.most
    for one in wanted:
        try:
            places.of(one.policy, one.prm)
        except StudyError as error:
            yield one, f"{one.words}: {error}"
            continue
        gpus = demand.of_job(layout.study, one.policy, one.prm, rows, layout.root, places).gpus
        if limit is not None and gpus > limit:
            yield (
                one,
                f"{one.words}: by its size it wants {number(gpus)}, and this run may use {limit} (`--resources gpu=`, "
                "the profile's `resources`, CUDA_VISIBLE_DEVICES or what nvidia-smi lists); give it more, or take the "
                "pair out of the study (`pairs`)",
            )


def check(places: Places, jobs: Iterable[Job]) -> None:
    """StudyError where a job cannot run: the first of them, and how many there are."""
    wanted: Sequence[Wanted] = kinds(places.layout, jobs)
    found = list(refusals(places, wanted))
    if found:
        count, every = sum(one.jobs for one, _ in found), sum(one.jobs for one in wanted)
        raise StudyError(f"{count} of {every} jobs on GPUs cannot run (`make plan` names all), first {found[0][1]}")

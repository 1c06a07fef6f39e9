"""The order of jobs on one machine: those with the models of a job before them, so that one worker serves them all.

Snakemake asks its scheduler which of the jobs that are ready shall start. Its own weighs priorities and sizes of input
files, and would change models at nearly every job. This one goes on with models that are loaded while jobs want them;
begins, where GPUs are free, with models all of whose jobs can run, those of the longest chain first; and loads models a
second time only for GPUs that nothing else wants.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ttstudy.dag import hours
from ttstudy.dag.layout import Job, Layout, jobs
from ttstudy.run import devices, loads

GPU = "gpu"
READING = 0.1
"""Time of reading a token beside that of drawing one, roughly."""
_URGENT = 60
"""Priority of a job without models from which on it goes before all others: models are made by these."""


class Known(NamedTuple):
    """What the scheduler knows of a job that opens models."""

    models: str
    work: float
    """To compare jobs with: the longer first."""


def known(layout: Layout) -> dict[str, Known]:
    """By the product of every job that opens models."""
    found: dict[str, Known] = {}
    sizes: dict[str, float] = {}
    for job in jobs(layout):
        told = type(job.spec).model_fields
        if (models := loads.of_job(job)) is not None:
            if models not in sizes:
                names = [model.key.partition(".")[2] for model in devices.models(job.spec)]
                sizes[models] = sum(hours.billions(layout.study, name, layout.root) for name in names)
            share = 1 if "engine" in told else READING
            found[job.spec.product] = Known(models, _responses(job) * sizes[models] * share)
    return found


def _responses(job: Job) -> int:
    """Responses to each problem that a job draws or reads."""
    spec: Any = job.spec
    first, last = getattr(job.of, "block", (1, 1))
    return int(getattr(spec, "budget", last - first + 1))


class Order:
    """Which jobs start next; remembers which models are loaded where no job runs on them."""

    def __init__(self, known: Mapping[str, Known], plain: Callable[[str], str] = str) -> None:
        """Nothing is loaded yet. `plain`: path of a result, of the path that Snakemake has for it."""
        self._known, self._plain = known, plain
        self._running: dict[str, int] = {}
        """GPUs of the jobs that were started and have not ended, by product."""
        self._idle: list[tuple[str, int]] = []
        """Models of workers without a job, and their GPUs; whoever got idle last stands last."""
        self.loads = 0

    def choose(self, ready: Iterable[Any], left: Iterable[Any], free: Mapping[str, Any]) -> list[Any]:
        """Jobs to start of those that are `ready`; `left`: all that have not ended. `free`: resources.

        Jobs are Snakemake's: `output`, `priority`, `scheduler_resources`.
        """
        unfinished = {self._product(job) for job in left}
        for product in [product for product in self._running if product not in unfinished]:
            self._idle.append((self._known[product].models, self._running.pop(product)))
        room = {name: amount for name, amount in free.items() if not isinstance(amount, str)}
        light, waiting = [], defaultdict(list)
        for job in ready:
            if (told := self._known.get(self._product(job))) is None:
                light.append(job)
            else:
                waiting[told.models].append(job)
                self._running.pop(self._product(job), None)  # it failed, and is tried again
        for mine in waiting.values():
            mine.sort(key=lambda job: (-job.priority, -self._known[self._product(job)].work, self._product(job)))
        light.sort(key=lambda job: (-job.priority, self._product(job)))
        chosen = [job for job in light if job.priority >= _URGENT and _fits(job, room)]
        for models in self._in_order(waiting, unfinished):
            if waiting[models] and _fits(waiting[models][0], room):
                chosen.append(waiting[models].pop(0))
                self._start(chosen[-1], models, int(room[GPU]) if GPU in room else None)
        return chosen + [job for job in light if job.priority < _URGENT and _fits(job, room)]

    def _product(self, job: Any) -> str:
        """What names a job: its first output."""
        return self._plain(str(job.output[0])) if job.output else ""

    def _in_order(self, waiting: Mapping[str, Sequence[Any]], unfinished: set[str]) -> Iterable[str]:
        """Models in the order in which a job of theirs may start, each as often as it may."""
        yield from [models for models, _ in reversed(self._idle) if waiting.get(models)]
        todo: dict[str, int] = defaultdict(int)
        work: dict[str, float] = defaultdict(float)
        for product in unfinished - set(self._running):
            if (told := self._known.get(product)) is not None:
                todo[told.models] += 1
                work[told.models] += told.work
        served = {self._known[product].models for product in self._running}

        def rank(models: str) -> tuple[bool, int, int, float]:
            """Models that a job has to wait for come last; wide ones first: so much is seldom free later."""
            first = waiting[models][0]
            gpus = int(first.scheduler_resources.get(GPU, 0))
            return len(waiting[models]) < todo[models], -gpus, -first.priority, -work[models]

        yield from sorted((models for models, mine in waiting.items() if mine and models not in served), key=rank)
        for models in sorted(waiting, key=lambda models: -work[models]):
            yield from [models] * len(waiting[models])

    def _start(self, job: Any, models: str, left: int | None) -> None:
        """Note a job that starts: on its models' worker if one is idle, else on GPUs that others leave.

        `left`: GPUs that no job has, once it runs.
        """
        gpus = int(job.scheduler_resources.get(GPU, 0))
        self._running[self._product(job)] = gpus
        if (models, gpus) in self._idle:
            self._idle.remove((models, gpus))
            return
        self.loads += 1
        while left is not None and self._idle and sum(held for _, held in self._idle) > left:
            self._idle.pop(0)


def _fits(job: Any, room: dict[str, Any]) -> bool:
    """Whether the resources are there that a job asks for; if so they are its own."""
    asked = {name: job.scheduler_resources.get(name, 0) for name in room}
    if any(amount > room[name] for name, amount in asked.items()):
        return False
    for name, amount in asked.items():
        room[name] -= amount
    return True


def install(layout: Layout, plain: Callable[[str], str] = str) -> None:
    """Be the scheduler of this run in place of Snakemake's greedy one, of which the profiles ask for."""
    from snakemake.scheduling.greedy import Scheduler

    order = Order(known(layout), plain)

    def select_jobs(scheduler: Any, ready: Any, remaining: Any, free: Any, _sizes: Any) -> list[Any]:
        return order.choose(ready, scheduler.dag.needrun_jobs(), free)

    setattr(Scheduler, "select_jobs", select_jobs)  # noqa: B010 - mypy knows that it is another function

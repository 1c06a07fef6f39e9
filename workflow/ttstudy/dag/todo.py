"""What of a study is left to do, and why: what the results say of themselves beside what the study asks for.

A result is made again when it is missing and something needs it, when its stamp (`ttstudy.dag.stamps`) names another
spec, when something that it was made from is not what it was then, and when a job before it runs. Nothing else counts:
not a file's time, and not what Snakemake remembers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from functools import cached_property
from typing import NamedTuple

from ttstudy.dag import stamps
from ttstudy.dag.layout import Job, Layout, jobs, maker
from ttstudy.dag.stamps import Stamp

Look = Callable[[Sequence[str]], Mapping[str, Stamp | None]]
"""Which of some results are there, and the stamp of each; None of what has none."""


class Why(Enum):
    """Why a job runs."""

    MISSING = "not there"
    UNTOLD = "does not say what made it"
    OTHER = "made by other settings or code"
    REMADE = "made from something that has been made anew since"
    BEFORE = "a step before it runs"


class Left(NamedTuple):
    """A job that is left to do: why, and the digest of the spec that made what is there (None: not known)."""

    job: Job
    why: Why
    made_by: str | None = None


STEADY = frozenset(
    ("fetch_model", "convert_model", "train_policy", "train_reward_model", "benchmark", "recorded", "labelled")
) | {"recorded_responses", "recorded_scores"}
"""Rules whose results are the same whenever they are made again: weights that were removed to make room, and are
fetched once more for a new budget, make nothing anew that was drawn with them. Should they differ after all, the next
run finds that they were remade."""


class Standing:
    """How the results of a study stand beside what it asks for. Every stamp is read once."""

    def __init__(self, layout: Layout, look: Look | None = None) -> None:
        """Look at everything that is there: on the disk, or by `look`."""
        self._layout, self._jobs = layout, jobs(layout)
        paths = [path for job in self._jobs for path in job.spec.outputs.values()]
        self._there = _on_disk(layout, paths) if look is None else look(paths)
        self._stamped = {path: stamp for path, stamp in self._there.items() if stamp is not None}
        self._found = {job.spec.product: self._look(job) for job in self._jobs}
        self._before = {job.spec.product: _before(layout, job) for job in self._jobs}
        for job in self._jobs:
            parts = [shard.product for shard in job.shards]
            if parts and self._found[job.spec.product] is None:
                # What is joined needs no shard: one that a killed run left behind says nothing.
                self._found |= dict.fromkeys(parts, Why.MISSING)
            elif parts:
                self._before[job.spec.product] = parts  # to join is to read nothing else
        self._steady = {job.spec.product for job in self._jobs if job.rule in STEADY}

    def _look(self, job: Job) -> Why | None:
        """What is wrong with a job's results as they are; None where nothing is."""
        there = {name: path for name, path in job.spec.outputs.items() if path in self._stamped}
        for path in job.spec.outputs.values():
            if path in self._there and path not in self._stamped:
                return Why.UNTOLD
        if any(self._stamped[path][:2] != (job.spec.digest, name) for name, path in there.items()):
            return Why.OTHER
        now = stamps.inputs(job.spec, self._stamped.get)
        if not all(stamps.agree(self._stamped[path].inputs, now, self._again(job)) for path in there.values()):
            return Why.REMADE
        return Why.MISSING if len(there) < len(job.spec.outputs) else None

    def _again(self, job: Job) -> Callable[[int], str | None]:
        """What an input that is gone would be made from now, by its place among the job's inputs."""

        def made_from(place: int) -> str | None:
            made = maker(self._layout, job.spec.inputs[place].path)
            now = stamps.inputs(made.spec, self._stamped.get)
            return None if "?" in now else stamps.made_from(now)

        return made_from

    def dirty(self) -> dict[str, str]:
        """Products that are there and must be made again, whatever is asked for, and why in words."""
        dirty: dict[str, str] = {}
        for product, why in self._found.items():
            if why is not None and why is not Why.MISSING:
                dirty[product] = why.value
            elif any(one in dirty for one in self._before[product]):
                dirty[product] = Why.BEFORE.value
        return dirty

    def stands(self, product: str) -> bool:
        """Whether a product is there as it should be: nothing is asked of what it was made from."""
        return self._found[product] is None and product not in self._dirty

    @cached_property
    def _dirty(self) -> dict[str, str]:
        return self.dirty()

    def spared(self) -> dict[str, set[str]]:
        """Inputs that are gone and that nothing asks for: by product that is as it should be and was made from them."""
        dirty = self._dirty
        gone = {product for product in self._steady if self._found[product] is Why.MISSING and product not in dirty}
        return {
            product: lost
            for product, why in self._found.items()
            if why is None and product not in dirty and (lost := gone.intersection(self._before[product]))
        }

    def left(self, beside: Sequence[str] = ()) -> list[Left]:
        """The jobs that a run to the report does, in the order of the DAG; `beside` it, these paths are asked for."""
        asked = {self._jobs[-1].spec.product} | {maker(self._layout, path).spec.product for path in beside}
        reached = _reached(self._before, list(asked))
        order = [job.spec.product for job in self._jobs if job.spec.product in reached]
        runs = _runs(order, self._before, self._found, self._steady, asked)
        made = {product: stamp.spec for product in runs if (stamp := self._stamped.get(product)) is not None}
        return [
            Left(job, runs[job.spec.product], made.get(job.spec.product))
            for job in self._jobs
            if job.spec.product in runs
        ]


def left(layout: Layout, beside: Sequence[str] = ()) -> list[Left]:
    """The jobs that a run of a study does, in the order of the DAG; `beside` the report, these paths are asked for."""
    return Standing(layout).left(beside)


def _on_disk(layout: Layout, paths: Iterable[str]) -> dict[str, Stamp | None]:
    """Results that are on the disk, and the stamp of each; None of what has none."""
    there = [path for path in paths if (layout.root / path).exists()]
    if not there:
        return {}
    import pyarrow.parquet  # noqa: F401 - once, before the threads ask for it

    # A shared file system answers slowly, but many at a time.
    with ThreadPoolExecutor(8) as pool:
        return dict(zip(there, pool.map(lambda path: stamps.of(layout.root / path), there), strict=True))


def _before(layout: Layout, job: Job) -> list[str]:
    """Products of the jobs whose results a job reads."""
    read = {maker(layout, file.path).spec.product for file in job.spec.inputs if not file.given}
    return [*read, *(shard.product for shard in job.shards)]


def _reached(before: dict[str, list[str]], wanted: Sequence[str]) -> set[str]:
    seen, todo = set(wanted), list(wanted)
    while todo:
        for product in before[todo.pop()]:
            if product not in seen:
                seen.add(product)
                todo.append(product)
    return seen


def _runs(
    order: Sequence[str],
    before: dict[str, list[str]],
    found: dict[str, Why | None],
    steady: set[str],
    asked: set[str],
) -> dict[str, Why]:
    """Why each job runs that does: what is wrong makes all after it wrong; what is missing is made where needed."""
    runs: dict[str, Why] = {}
    missing = {product for product in order if found[product] is Why.MISSING}

    def moves(product: str) -> bool:
        """Whether a job that runs makes what was made from it anew."""
        return product in runs and not (runs[product] is Why.MISSING and product in steady)

    def forward() -> bool:
        changed = False
        for product in order:
            if product in runs:
                continue
            why = found[product]
            if why is Why.MISSING and product in asked or why not in (None, Why.MISSING):
                runs[product] = why
            elif any(map(moves, before[product])) and product not in missing:
                runs[product] = Why.BEFORE
            else:
                continue
            changed = True
        return changed

    def backward() -> bool:
        changed = False
        for product in reversed(order):
            for one in before[product] if product in runs else ():
                if one in missing and one not in runs:
                    runs[one] = Why.MISSING
                    changed = True
        return changed

    while forward() | backward():
        pass
    return {product: runs[product] for product in order if product in runs}

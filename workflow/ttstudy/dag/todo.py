"""What of a study is left to do, and why: what the results say of themselves beside what the study asks for.

A result is made again when it is missing and something needs it, when its stamp (`ttstudy.dag.stamps`) names another
spec, when something that it was made from is not what it was then, and when a job before it runs. Nothing else counts:
not a file's time, and not what Snakemake remembers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from ttstudy.dag import stamps
from ttstudy.dag.layout import Job, Layout
from ttstudy.dag.stamps import Stamp


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


def left(layout: Layout, wanted: Iterable[Job] | None = None) -> list[Left]:
    """The jobs that a run does, in the order of the DAG; `wanted` (default: the report) is what it is asked for."""
    jobs = layout.jobs()
    stamped = _stamps(layout)
    found = {job.spec.product: _look(job, layout.root, stamped) for job in jobs}
    before = {job.spec.product: _before(layout, job) for job in jobs}
    reached = _reached(before, [job.spec.product for job in (jobs[-1:] if wanted is None else wanted)])
    runs = _runs([job.spec.product for job in jobs if job.spec.product in reached], before, found, reached)
    made = {product: stamped.get(product) for product in runs}
    return [
        Left(job, runs[job.spec.product], (stamp := made[job.spec.product]) and stamp.spec)
        for job in jobs
        if job.spec.product in runs
    ]


def dirty(layout: Layout) -> dict[str, str]:
    """Products that are there and must be made again, whatever is asked for, and why in words."""
    stamped = _stamps(layout)
    found: dict[str, str] = {}
    for job in layout.jobs():
        why = _look(job, layout.root, stamped)
        if why is not None and why is not Why.MISSING:
            found[job.spec.product] = why.value
        elif any(product in found for product in _before(layout, job)):
            found[job.spec.product] = Why.BEFORE.value
    return found


def _stamps(layout: Layout) -> dict[str, Stamp]:
    """The stamps of all results of a study that are there and have one."""
    paths = [path for job in layout.jobs() for path in job.spec.outputs.values()]
    there = [path for path in paths if (layout.root / path).exists()]
    if not there:
        return {}
    import pyarrow.parquet  # noqa: F401 - once, before the threads ask for it

    # A shared file system answers slowly, but many at a time.
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda path: stamps.of(layout.root / path), there)
        return {path: stamp for path, stamp in zip(there, found, strict=True) if stamp is not None}


def _look(job: Job, root: Path, stamped: dict[str, Stamp]) -> Why | None:
    """What is wrong with a job's results as they are; None where nothing is."""
    for path in job.spec.outputs.values():
        if path not in stamped:
            return Why.UNTOLD if (root / path).exists() else Why.MISSING
    mine = [stamped[path] for path in job.spec.outputs.values()]
    if any(stamp[:2] != (job.spec.digest, name) for stamp, name in zip(mine, job.spec.outputs, strict=True)):
        return Why.OTHER
    # What a result was made from may be gone; then nothing speaks against the result.
    now = stamps.inputs(job.spec, stamped.get)
    return Why.REMADE if now is not None and any(stamp.inputs != now for stamp in mine) else None


def _before(layout: Layout, job: Job) -> list[str]:
    """Products of the jobs whose results a job reads."""
    return list({layout.job(file.path).spec.product for file in job.spec.inputs if not file.given})


def _reached(before: dict[str, list[str]], wanted: Sequence[str]) -> set[str]:
    seen, todo = set(wanted), list(wanted)
    while todo:
        for product in before[todo.pop()]:
            if product not in seen:
                seen.add(product)
                todo.append(product)
    return seen


def _runs(
    order: Sequence[str], before: dict[str, list[str]], found: dict[str, Why | None], reached: set[str]
) -> dict[str, Why]:
    """Why each job runs that does: what is wrong makes all after it wrong; what is missing is made where needed."""
    runs: dict[str, Why] = {}
    targets = reached - {product for one in order for product in before[one]}
    missing = {product for product in order if found[product] is Why.MISSING}

    def forward() -> bool:
        changed = False
        for product in order:
            if product in runs:
                continue
            why = found[product]
            if why is Why.MISSING and product in targets or why not in (None, Why.MISSING):
                runs[product] = why
            elif any(one in runs for one in before[product]) and product not in missing:
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


def wanted(layout: Layout, targets: Iterable[str]) -> list[Job]:
    """The jobs that targets on Snakemake's command line mean: paths, rules, `all`, `fetch`; none for any other."""
    found: dict[str, Job] = {}
    for target in targets or ("all",):
        for job in _meant(layout, str(target)):
            found[job.spec.product] = job
    return list(found.values())


def _meant(layout: Layout, target: str) -> Iterator[Job]:
    if target == "all":
        yield layout.jobs()[-1]
    elif target == "fetch":
        yield from layout.from_the_hub()
    elif layout.makes(target):
        yield layout.job(target)
    else:
        yield from (job for job in layout.jobs() if job.rule == target)

"""Long jobs in shards: a search, a block or a scoring that is planned for more hours than `max_job_hours`.

Each shard is a job of its own with a part of the problems (of a scoring: of the responses), and a light job joins what
they made. No result hangs on it: seeds hang on problems, so the joined tables are, to the last byte, those of one job.
How many shards there are hangs on the study and workflow/resources.yaml alone, never on the machine or on what is done:
a run that goes on elsewhere finds its shards again.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

from ttstudy.dag import hours, places
from ttstudy.dag.cells import Run
from ttstudy.dag.context import Layout, remembered
from ttstudy.dag.specs.generation import Drawing, ScoreSpec, Shard
from ttstudy.dag.specs.records import Spec
from ttstudy.errors import StudyError

Sharded = Drawing | ScoreSpec
"""Kinds of specs whose jobs can be shared out."""


def shards(layout: Layout, spec: Spec, run: Run, prm: str = "") -> tuple[Spec, ...]:
    """Specs of the jobs that share out the one that draws, scores (with `prm`) or searches; () where it is one job."""
    if not isinstance(spec, Sharded) or (count := _count(layout, run, prm)) == 1:
        return ()
    return split(spec, count)


def split(spec: Spec, count: int) -> tuple[Spec, ...]:
    """Specs of so many shards of a job, in order."""
    found = []
    for number in range(count):
        part = places.SHARD.format(number=number + 1, count=count)
        outputs = {name: places.shard(path, part) for name, path in spec.outputs.items()}
        found.append(spec.model_copy(update={"shard": (number, count), "outputs": outputs}))
    return tuple(found)


@remembered
def _count(layout: Layout, run: Run, prm: str) -> int:
    """Jobs that share out one job, so that none is planned for more than the study allows."""
    limit = layout.study.max_job_hours
    try:
        opened, busy = hours.of_run(layout, run, prm)
    except StudyError:  # of weights that cannot be read: refused elsewhere, in words that name the key
        return 1
    if not busy or opened + busy <= limit:
        return 1
    every = hours.problems(layout, run.cell.benchmark)
    # What takes longer to open than a job may last is shared out by its work alone.
    room = limit - opened if opened < limit else limit
    most = max(1, math.floor(every * room / busy))
    return math.ceil(every / most)


def of(spec: Spec) -> Shard:
    """Which part of a job a spec is; None for a whole one."""
    return spec.shard if isinstance(spec, Sharded) else None


def rows(shard: Shard, count: int) -> range:
    """Which of so many problems, or responses, are a shard's."""
    number, of = shard or (0, 1)
    return range(number * count // of, (number + 1) * count // of)


def discard(parts: Sequence[Spec], root: Path = Path()) -> None:
    """Remove the folder of the shards of a job that is done."""
    shutil.rmtree((root / parts[0].product).parent, ignore_errors=True)

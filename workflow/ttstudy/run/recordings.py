"""Whether files of recorded responses hold what a study takes from them: told before any job."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ttstudy.dag.inputs import imported_spec
from ttstudy.dag.layout import Layout
from ttstudy.data import recorded
from ttstudy.errors import StudyError
from ttstudy.study import RecordedBenchmark, RecordedPolicy, RecordedPRM, Study

if TYPE_CHECKING:
    import pandas as pd

_COUNTED = ("problem_id", "greedy", "sample")


def check(layout: Layout, name: str, group: str) -> None:
    """StudyError where the files of a recorded policy or benchmark cannot be read, or lack what is taken from them."""
    spec = imported_spec(layout, name, group)
    table = layout.root / spec.product
    if table.exists():
        import pyarrow.parquet as pq

        from ttstudy.data import tables

        names: Iterable[str] = pq.read_schema(table).names
        frame = tables.read("recorded", table, _COUNTED)
    else:
        frame, _ = recorded.load([*map(Path, spec.sources)], recorded.given_by(spec))
        names = map(str, frame)
    if group == "policies":
        fits(layout.study, name, frame, names, _asked(layout, name))


def _asked(layout: Layout, policy: str) -> bool:
    """Whether a benchmark of the study has all problems of a policy's files."""
    mine = imported_spec(layout, policy).product
    own = (name for name, item in layout.study.benchmarks.items() if isinstance(item, RecordedBenchmark))
    return any(imported_spec(layout, name, "benchmarks").product == mine for name in own)


def fits(study: Study, policy: str, frame: pd.DataFrame, columns: Iterable[str], asked: bool = True) -> None:
    """StudyError where a policy's responses are too few, or scores of a PRM are absent that the study names.

    `frame` has problem_id, greedy and sample, `columns` are the names of all. Without `asked` no benchmark has all of
    its problems, and numbers of responses are left to the jobs.
    """
    settings = study.policies[policy]
    assert isinstance(settings, RecordedPolicy)
    have = recorded.prms(columns)
    for prm in study.prms_of(policy):
        item = study.prms[prm]
        if isinstance(item, RecordedPRM) and (item.column or prm) not in have:
            raise StudyError(
                f"prms.{prm}: the responses of policies.{policy} have no column 'scores.{item.column or prm}' "
                f"(PRMs there: {', '.join(have) or 'none'})"
            )
    largest, ids = study.budgets_for(policy).pool, list(dict.fromkeys(frame["problem_id"]))
    for pool in ([*(["cot"] if settings.greedy else []), *(["samples"] if largest else [])]) if asked else []:
        recorded.enough(frame, ids, pool, study.pilot_samples, largest, settings.uneven)

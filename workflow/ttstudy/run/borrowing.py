"""Rows that finished jobs have already: what a job need not draw, ask for or score again.

A block that is cut anew, a pool of more problems, an answer that was corrected: the job is another, and most of what it
makes is there. Seeds hang on the problem and the sample alone, so a row of the same policy, prompt and sampling, for a
problem of the same text, is the row that would be drawn. Taken is only from whole tables that say what made them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from ttstudy.dag import places, stamps
from ttstudy.dag.specs import files as specs
from ttstudy.dag.specs.generation import AskSpec, SampleSpec, ScoreSpec
from ttstudy.dag.specs.records import File, Spec, deciding
from ttstudy.data import tables
from ttstudy.errors import StudyError
from ttstudy.run import integrity

Kind = TypeVar("Kind", bound=Spec)
Job = tuple[tuple[str, int], dict[str, Any]]
KEY = ["problem_id", "sample"]
_BLOCK = re.compile(rf"{places.DIGITS}-{places.DIGITS}\.parquet")


def responses(spec: SampleSpec | AskSpec, problems: pd.DataFrame) -> pd.DataFrame:
    """Rows of the spec's block, for `problems`, that other jobs have drawn; an empty frame where there are none."""
    folder = _folder(spec)
    known: list[pd.DataFrame] = []
    wanted = pd.MultiIndex.from_product([problems["problem_id"], range(spec.block[0], spec.block[1] + 1)], names=KEY)
    for path, other, told in _kin(spec, folder.parent, f"{spec.pool}-*/*.parquet", {"benchmark": spec.benchmark}):
        if isinstance(spec, SampleSpec) and not _same(spec.policy, other, told):
            continue
        same = _alike(problems, other.benchmark, spec.benchmark)
        frame = _whole("responses", path)
        if frame is None or not same:
            continue
        index = pd.MultiIndex.from_frame(frame[KEY])
        taken = index.isin(wanted) & frame["problem_id"].isin(same).to_numpy()
        if taken.any():
            known.append(frame[taken])
            wanted = wanted.difference(index[taken], sort=False)
        if wanted.empty:
            break
    return pd.concat(known, ignore_index=True) if known else tables.empty("responses")


def by_place(
    known: pd.DataFrame, problems: pd.DataFrame, samples: Sequence[int], columns: Sequence[str]
) -> dict[int, tuple[Any, ...]]:
    """Known rows, as tuples of these columns, by their place among all: problems in order, samples within."""
    if known.empty:
        return {}
    first = {name: number * len(samples) for number, name in enumerate(problems["problem_id"])}
    rows = known.assign(steps=known["steps"].map(list))[list(columns)]
    places = known["problem_id"].map(first) + known["sample"] - samples[0]
    return dict(zip(places.astype(int), rows.itertuples(index=False, name=None), strict=True))


def without(known: pd.DataFrame, jobs: list[Job]) -> list[Job]:
    """The jobs, each with its (problem_id, sample) first, that are to be done yet."""
    there = set(zip(known["problem_id"], known["sample"], strict=True))
    return [job for job in jobs if job[0] not in there]


def ordered(frames: Sequence[pd.DataFrame], problems: pd.Series) -> pd.DataFrame:
    """Rows of all frames, problems in this order, samples within."""
    there = [frame for frame in frames if len(frame)] or frames[-1:]
    frame = pd.concat(there, ignore_index=True)
    place = frame["problem_id"].map({name: number for number, name in enumerate(problems)})
    order = pd.DataFrame({"problem": place, "sample": frame["sample"]}).sort_values(["problem", "sample"]).index
    return frame.loc[order].reset_index(drop=True)


def but_for(known: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that are not known yet."""
    return rows[~pd.MultiIndex.from_frame(rows[KEY]).isin(pd.MultiIndex.from_frame(known[KEY]))]


def like(rows: pd.DataFrame, frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """What the frames say of these rows, in their order."""
    there = [frame for frame in frames if len(frame)]
    if len(there) < 2:
        frame = there[0] if there else frames[-1]
    else:
        frame = pd.concat(there, ignore_index=True)
    return rows[KEY].merge(frame, on=KEY)


def words(known: pd.DataFrame) -> str:
    """What a log tells of rows that were there."""
    return f"; {len(known):,} were there from other jobs" if len(known) else ""


def scores(spec: ScoreSpec, drawn: pd.DataFrame, problems: pd.Series) -> pd.DataFrame:
    """Rows of scores of `drawn` responses that other jobs have made; an empty frame where there are none.

    `drawn` has problem_id, sample and steps; `problems` the texts by problem_id.
    """
    if spec.benchmark is None:  # labelled solutions lie in one table
        return tables.empty("scores")
    folder = _folder(spec)
    pool, prm = folder.parents[1].name.rpartition("-")[0], folder.name.rpartition("-")[0]
    pattern = f"{pool}-*/scores/{prm}-*/*.parquet"
    asked = drawn.assign(problem=drawn["problem_id"].map(problems), steps=drawn["steps"].map(tuple))
    texts, known = problems.rename("problem").reset_index(), [tables.empty("scores")]
    for path, other, told in _kin(spec, folder.parents[2], pattern, {"pool": spec.pool}):
        if asked.empty or other.benchmark is None or not _same(spec.judge.checkpoint, other, told):
            continue
        same = _alike(texts, other.benchmark, spec.benchmark)
        theirs = _of("responses", other.responses, [*KEY, "steps"])
        if theirs is None or not _same(other.responses, other, told) or not same:
            continue
        theirs = theirs[theirs["problem_id"].isin(same)].assign(steps=theirs["steps"].map(tuple))
        both = asked.merge(theirs, on=[*KEY, "steps"])[KEY]
        if both.empty or (frame := _whole("scores", path)) is None:
            continue
        known.append(frame.merge(both, on=KEY))
        asked = asked[~pd.MultiIndex.from_frame(asked[KEY]).isin(pd.MultiIndex.from_frame(known[-1][KEY]))]
    return pd.concat(known[1:] or known, ignore_index=True)


def _folder(spec: Spec) -> Path:
    """Folder of the table that the job, or the job that it is a shard of, makes."""
    product = Path(spec.product)
    return product.parent.parent if getattr(spec, "shard", None) else product.parent


def _kin(spec: Kind, folder: Path, pattern: str, apart: dict[str, object]) -> Iterator[tuple[Path, Kind, str]]:
    """Tables of other jobs that decide alike but for `apart`, with their specs and what they were made from."""
    results = folder.parents[1]
    wanted, own = deciding(spec, own=False), Path(spec.product)
    for path in sorted(folder.glob(pattern), key=lambda path: (path.parent != own.parent, path)):
        if path == own or not _BLOCK.fullmatch(path.name) or (stamp := stamps.of(path)) is None:
            continue
        with suppress(StudyError):
            if (found := specs.of_digest(results, stamp.spec)) is not None and found["step"] == spec.step:
                other = specs.checked(found, path, type(spec))
                if deciding(other.model_copy(update=apart), own=False) == wanted:
                    yield path, other, stamp.inputs


def _same(file: File, other: Spec, told: str) -> bool:
    """Whether the other job read in its place what the file holds now; true where nobody knows what it read."""
    names = [(each.digest, each.output) for each in other.inputs]
    if (file.digest, file.output) not in names:
        return False
    place = names.index((file.digest, file.output))
    now = stamps.inputs(other, lambda path: stamps.of(Path(path)))
    size = len(now) // len(names)
    return not told or told[place * size :][: size // 2] == now[place * size :][: size // 2]


def _alike(problems: pd.DataFrame, other: File, own: File) -> set[str]:
    """Ids of the problems that have the same text in another table of problems."""
    if other.digest == own.digest:
        return set(problems["problem_id"])
    theirs = _of("benchmark", other, ["problem_id", "problem"])
    if theirs is None:
        return set()
    return set(problems[["problem_id", "problem"]].merge(theirs)["problem_id"])


def _of(name: str, file: File, columns: list[str]) -> pd.DataFrame | None:
    """A table that another spec names, where it is still what that spec asked for."""
    stamp = stamps.of(Path(file.path))
    if stamp is None or stamp[:2] != (file.digest, file.output):
        return None
    with suppress(StudyError):
        return tables.read(name, file.path, columns)
    return None


def _whole(name: str, path: Path) -> pd.DataFrame | None:
    """A table that is there, undamaged and as its stamp says."""
    if integrity.fault(path) is not None:
        return None
    with suppress(StudyError):
        return tables.read(name, path)
    return None

"""Shards at work: the part of the rows that a shard's job has, and the step that joins what the shards made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ttstudy.dag import shards, stamps
from ttstudy.dag.specs.generation import Drawing, ScoreSpec
from ttstudy.dag.specs.records import Spec
from ttstudy.data import tables
from ttstudy.errors import StudyError
from ttstudy.run import provenance

TABLES = {
    "sample": {"output": "responses"},
    "score": {"output": "scores"},
    "search": {"cost": "search_cost", "nodes": "nodes", "answers": "search_responses"},
}
"""By step: its outputs in the order in which they are written, the one that names the job last, and their kinds."""


def share(spec: Drawing | ScoreSpec, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows, problems or responses, that are a job's: all of them, or a shard's."""
    part = shards.rows(spec.shard, len(frame))
    return frame.iloc[part.start : part.stop].reset_index(drop=True)


def idle(spec: Drawing | ScoreSpec, rows: pd.DataFrame) -> bool:
    """Whether a shard has no row, since there are fewer than was thought: its empty tables are written."""
    if not spec.shard or len(rows):
        return False
    for name, kind in TABLES[spec.step].items():
        tables.write(kind, tables.empty(kind), spec.outputs[name])
    return True


def join(spec: Spec, parts: Sequence[Spec]) -> None:
    """Write the tables of a job that its shards did, with the stamps that it would have given them; remove theirs.

    StudyError where a shard is missing, of another job, or was made from something else than the others.
    """
    stamps.begin_as(spec, _made_from(spec, parts))
    for name, kind in TABLES[spec.step].items():
        frames = [tables.read(kind, part.outputs[name]) for part in parts]
        frame = pd.concat([each for each in frames if len(each)] or frames[:1], ignore_index=True)
        tables.write(kind, frame.sum().to_frame().T if kind == "search_cost" else frame, spec.outputs[name])
    _record(spec, parts)
    shards.discard(parts)


def _made_from(spec: Spec, parts: Sequence[Spec]) -> str:
    """What all shards say that they were made from."""
    numbers = [shards.of(part) for part in parts]
    if numbers != [(number, len(parts)) for number in range(len(parts))]:
        raise StudyError(f"{spec.product}: these are not all its shards, in order: {numbers}")
    told = set()
    for part in parts:
        if part.model_copy(update={"shard": None}).digest != spec.digest:
            raise StudyError(f"{part.product}: is no shard of {spec.product}; start the study again")
        for name, path in part.outputs.items():
            stamp = stamps.of(Path(path))
            if stamp is None or stamp[:2] != (part.digest, name):
                raise StudyError(f"{path}: is not there, or was made by other settings; start the study again")
            told.add(stamp.inputs)
    if len(told) > 1:
        raise StudyError(f"{spec.product}: its shards were made from different inputs; delete their folder, run again")
    return str(told.pop())


def _record(spec: Spec, parts: Sequence[Spec]) -> None:
    """Leave the record of the whole job: what its shards took together, each on its machine."""
    found = [record for part in parts if (record := provenance.read(provenance.beside(Path(part.product))))]
    if not found:
        return
    whole: dict[str, Any] = dict(found[0]) | {"shards": len(parts)}
    sums = [name for name in whole if name == "tokens" or name.endswith("seconds")]
    whole |= {name: round(sum(each.get(name, 0) for each in found), 2) for name in sums}
    if len(found) < len(parts):  # what some took is not what the whole did
        whole = {name: value for name, value in whole.items() if name not in sums}
    whole["peak_bytes"] = max(each.get("peak_bytes", 0) for each in found)
    whole["hardware"] = "; ".join(dict.fromkeys(str(each.get("hardware")) for each in found))
    provenance.write(Path(spec.product), whole)

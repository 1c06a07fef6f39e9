"""Benchmarks: problems with answers, from the miniature task or from a file, as one checked table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from ttstudy.study import StudyError

COLUMNS = ("problem_id", "problem", "answer", "level", "subject")
REQUIRED = COLUMNS[:3]
LONGEST_LINE = 10_000_000


def load(spec: Mapping[str, Any]) -> pd.DataFrame:
    """The `benchmark` table of a spec by its `source`; StudyError names file, row and what to do."""
    if spec["source"] == "miniature":
        from ttstudy.miniature.task import problems

        rows = problems(spec["seed"], spec["split"], spec["problems"], spec["task"])
        return pd.DataFrame([row._asdict() for row in rows]).assign(subject=None)
    columns = spec.get("columns") or {}
    if spec["source"] == "hub":
        from ttstudy import hub

        with TemporaryDirectory() as folder:
            file = hub.fetch_dataset_file(spec["id"], spec["revision"], spec["file"], spec["split"], Path(folder))
            frame = read_file(file, columns)
    else:
        frame = read_file(Path(spec["path"]), columns)
    return frame.head(spec["problems"]) if spec.get("problems") else frame


def read_file(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Problems of a JSONL or Parquet file, normalised to text columns and checked."""
    if path.suffix == ".parquet":
        try:
            frame = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise StudyError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from None
    else:
        frame = pd.DataFrame(_lines(path))
    frame = frame.rename(columns={theirs: ours for ours, theirs in columns.items()})
    for column in REQUIRED:
        if column not in frame:
            have = ", ".join(map(str, frame.columns[:12])) or "no rows"
            raise StudyError(f"{path}: no column {column!r} (it has: {have}); map it with `columns: {{{column}: ...}}`")
    frame = frame.reindex(columns=list(COLUMNS))
    for column in COLUMNS:
        frame[column] = [_text(value) for value in frame[column]]
    for column in REQUIRED:
        empty = [index for index, value in enumerate(frame[column]) if value is None or not value.strip()]
        if empty:
            raise StudyError(f"{path}: row {empty[0] + 1} has no {column}; every problem needs one")
    odd = [index for index, value in enumerate(frame["problem_id"]) if any(ord(c) < 32 for c in value)]
    if odd:
        raise StudyError(f"{path}: row {odd[0] + 1} has a control character in problem_id; use plain text ids")
    double = frame["problem_id"][frame["problem_id"].duplicated()]
    if len(double):
        raise StudyError(f"{path}: problem_id {double.iloc[0]!r} is there twice (row {double.index[0] + 1})")
    if frame.empty:
        raise StudyError(f"{path}: holds no problems")
    return frame


def _lines(path: Path) -> list[dict[str, Any]]:
    rows = []
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as stream:
            for number, line in enumerate(stream, 1):
                if len(line) > LONGEST_LINE:
                    raise StudyError(f"{path}: line {number} is longer than {LONGEST_LINE:,} characters")
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise StudyError(f"{path}: line {number} is not a JSON object")
                rows.append(row)
    except UnicodeDecodeError:
        raise StudyError(f"{path}: is not UTF-8 text; convert it") from None
    except json.JSONDecodeError as error:
        raise StudyError(f"{path}: line {number} is not valid JSON ({error.msg})") from None
    except RecursionError:
        raise StudyError(f"{path}: line {number} is nested too deeply") from None
    return rows


def _text(value: Any) -> str | None:
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)

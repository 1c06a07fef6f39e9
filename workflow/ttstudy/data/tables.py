"""The contract of every table: its columns, checked when it is written and when it is read.

A table is a Parquet file. It is written under a temporary name and renamed, so a reader never sees half of one,
and the same rows give the same bytes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ttstudy.dag import stamps
from ttstudy.data.contracts import RULES
from ttstudy.errors import StudyError
from ttstudy.vocabulary import CAUSES, FLAWS, LEVELS, METHODS, SCORES, VOTES

if TYPE_CHECKING:
    import pyarrow as pa

    from ttstudy.dag.specs.records import File

_CELL = "benchmark:str policy:str prm:str method:method budget:int score:score vote:vote"
_RESPONSES = (
    "problem_id:str sample:count response:str steps:texts prompt_tokens:count? response_tokens:count? "
    "logprob:float? finish:finish"
)
COLUMNS = {
    "benchmark": "problem_id:str problem:str answer:str level:str? subject:str?",
    "recorded": "problem_id:str problem:str answer:str level:str? subject:str? sample:count greedy:bool response:str "
    "steps:texts prompt_tokens:count? response_tokens:count? logprob:float? finish:finish",
    "responses": _RESPONSES,
    "search_responses": _RESPONSES + " tree:count step_scores:numbers",
    "grades": "problem_id:str sample:count answer:str? canonical:str? correct:bool status:status",
    "scores": "problem_id:str sample:count step_scores:numbers prm_tokens:count?",
    "nodes": "problem_id:str tree:count node:count parent:int depth:count text:str tokens:count score:float? "
    "kept:bool finish:node_finish",
    "search_cost": "problems:count prompt_tokens:count response_tokens:count discarded_tokens:count prm_tokens:count "
    "prm_tokens_reencoded:count",
    "difficulty": "benchmark:str policy:str problem_id:str samples:count correct:count pass_at_1:share level:level",
    "outcomes": _CELL + " problem_id:str level:level value:share",
    "accuracy": _CELL + " level:level_or_all problems:count accuracy:share low:share high:share",
    "ledger": "benchmark:str policy:str prm:str method:method budget:int problems:count prompt_tokens:amount? "
    "response_tokens:amount? discarded_tokens:amount? prm_tokens:amount? prm_tokens_reencoded:amount? "
    "policy_parameters:count? prm_parameters:count? flops_policy:amount? flops_prompt:amount? flops_prm:amount? "
    "flops_total:amount? flops_paper:amount? flops_attention:amount?",
    "strategy": "benchmark:str policy:str prm:str budget:int level:level_or_all selection:str method:str score:str "
    "vote:str problems:count accuracy:share low:share high:share",
    "training": "model:str kind:str parameters:count? tokens:amount? flops:amount? loss:float? auc:float?",
    "claims": "claim:int title:str source:str verdict:verdict published:str? ours:str? low:float? high:float? "
    "text:str needs:str?",
    "optimism": "benchmark:str policy:str prm:str budget:int",
    "predicted": "benchmark:str policy:str prm:str problem_id:str agreement:share trust:share predicted:share "
    "level:level true_level:level misbinned:share",
    "adaptive": "benchmark:str policy:str prm:str method:method score:score vote:vote scheme:str budget:int "
    "problems:count spent:amount accuracy:share fixed:share difference:float low:float high:float",
    "efficiency": "benchmark:str policy:str prm:str problems:count value:amount kind:str peak:amount reached:amount? "
    "low:amount high:amount at_least:share never_reached:share",
    "explorer": "benchmark:str policy:str prm:str method:method budget:int problem_id:str problem:str gold:str "
    "sample:count response:str steps:texts step_scores:numbers answer:str? correct:bool finish:finish",
    "trees": "benchmark:str policy:str prm:str method:method budget:int problem_id:str tree:count node:count "
    "parent:int depth:count text:str tokens:count score:float? kept:bool finish:node_finish",
    "plan": "benchmark:str policy:str prm:str method:str budget:int jobs:count jobs_done:count responses:count "
    "policy_tokens:amount prm_tokens:amount gpus:count gpu_hours:amount flops:amount disk_gb:amount tokens_from:str "
    "speed_from:str",
    "graders": "benchmark:str policy:str source:source prm:str budget:int grader:str other:str responses:count "
    "differ:count only_grader:count only_other:count timed_out:count other_timed_out:count",
    "grader_accuracy": _CELL + " problems:count accuracy:share other:share changed:count difference:float",
    "grader_answers": "benchmark:str policy:str problem_id:str gold:str answer:str? other_answer:str? correct:bool "
    "other_correct:bool responses:count",
    "labels": "problem_id:str sample:count first_error:int lengths:numbers",
    "labelled": "problem_id:str sample:count policy:str problem:str steps:texts first_error:int",
    "diagnostics": "benchmark:str policy:str prm:str flaw:flaw value:float low:float high:float count:count",
    "prm_skill": "benchmark:str policy:str prm:str solutions:count wrong_solutions:count steps:count auc:share? "
    "f1:share? low:share? high:share? threshold:share f1_at_half:share? error_found:share? right_passed:share? "
    "calibration_error:share",
    "calibration": "benchmark:str policy:str prm:str bin:count steps:count score:share right:share low:share "
    "high:share",
    "failures": "benchmark:str policy:str prm:str method:method budget:int trees:count failures:count cause:cause "
    "share:share low:share high:share",
    "cases": "benchmark:str policy:str prm:str flaw:flaw problem_id:str problem:str sample:count steps:texts "
    "step_scores:numbers first_error:int",
    "counts": "benchmark:str policy:str prm:str method:method budget:int responses:count finished:count? "
    "cut:count? no_answer:count timed_out:count",
}
"""Columns of each table as `name:kind`; `?` after the kind allows a missing value. Other columns may follow.

Of recorded responses, tokens, parameters or the way that a response ended may not be known; what follows from them
is then missing too, never zero. A `count?` column is of integers until a value is missing, then of floats.
"""

_CHOICES = {
    "method": METHODS,
    "score": SCORES,
    "vote": VOTES,
    "level": LEVELS,
    "level_or_all": ("all", *LEVELS),
    "finish": ("eos", "stop", "length", "context", "depth", "unknown"),
    "node_finish": ("open", "eos", "stop", "length", "context", "depth"),
    "source": ("cot", "samples", "beam_search", "dvts"),
    "status": ("graded", "no_answer", "timed_out"),
    "flaw": FLAWS,
    "cause": CAUSES,
    "verdict": ("holds", "not significant", "fails", "not run"),
}
_KEYS = {
    "benchmark": ["problem_id"],
    "recorded": ["problem_id", "greedy", "sample"],
    "responses": ["problem_id", "sample"],
    "search_responses": ["problem_id", "sample"],
    "grades": ["problem_id", "sample"],
    "scores": ["problem_id", "sample"],
    "nodes": ["problem_id", "tree", "node"],
    "difficulty": ["benchmark", "policy", "problem_id"],
    "predicted": ["benchmark", "policy", "prm", "problem_id"],
    "adaptive": ["benchmark", "policy", "prm", "method", "score", "vote", "scheme", "budget"],
    "outcomes": ["benchmark", "policy", "prm", "method", "budget", "score", "vote", "problem_id"],
    "accuracy": ["benchmark", "policy", "prm", "method", "budget", "score", "vote", "level"],
    "ledger": ["benchmark", "policy", "prm", "method", "budget"],
    "training": ["model"],
    "graders": ["benchmark", "policy", "source", "prm", "budget"],
    "grader_accuracy": ["benchmark", "policy", "prm", "method", "budget", "score", "vote"],
    "labels": ["problem_id", "sample"],
    "labelled": ["problem_id", "sample"],
    "diagnostics": ["benchmark", "policy", "prm", "flaw"],
    "prm_skill": ["benchmark", "policy", "prm"],
    "calibration": ["benchmark", "policy", "prm", "bin"],
    "failures": ["benchmark", "policy", "prm", "method", "budget", "cause"],
}

WHOLE = {"write_page_checksum": True}
"""Bytes that changed on the disk are noticed when they are read."""


class TableError(StudyError):
    """A table breaks its contract; the message names the table, the column and the first bad row."""


class DamagedError(TableError):
    """A table that is not a whole Parquet file; `path` is to be made again."""

    def __init__(self, path: Path, reason: str) -> None:
        """The file, and what a reader says of it."""
        super().__init__(f"{path}: not a readable Parquet table ({reason}); run again, and it is made anew")
        self.path = path


@cache
def schema(name: str, gaps: frozenset[str] = frozenset()):  # noqa: ANN201 - the type would import pandera here
    """Pandera schema of a table by name; `gaps` are its counts in which a value is missing."""
    import pandera.pandas as pa

    def column(key: str, kind: str) -> pa.Column:
        nullable = kind.endswith("?")
        kind = kind.removesuffix("?")
        if key in gaps:
            kind = "amount"
        if kind in _CHOICES:
            return pa.Column(str, pa.Check.isin(_CHOICES[kind]), nullable=nullable)
        checks = {
            "str": (str, []),
            "int": (int, []),
            "count": (int, [pa.Check.ge(0)]),
            "amount": (float, [pa.Check.in_range(0, sys.float_info.max)]),
            "float": (float, []),
            "share": (float, [pa.Check.in_range(0, 1)]),
            "bool": (bool, []),
            "texts": (object, []),
            "numbers": (object, []),
        }
        dtype, rules = checks[kind]
        return pa.Column(dtype, rules, nullable=nullable)

    columns = dict(item.split(":") for item in COLUMNS[name].split())
    return pa.DataFrameSchema(
        {key: column(key, kind) for key, kind in columns.items()},
        unique=_KEYS.get(name),
        coerce=True,
        strict=False,
    )


def check(name: str, frame: pd.DataFrame, where: str = "") -> pd.DataFrame:
    """The frame with its columns in contract order and dtype; TableError for the first breach."""
    from pandera.errors import SchemaError, SchemaErrors

    gaps = [
        item.split(":")[0]
        for item in COLUMNS[name].split()
        if item.endswith(":count?") and item.split(":")[0] in frame and frame[item.split(":")[0]].isna().any()
    ]
    contract = schema(name, frozenset(gaps))
    missing = [column for column in contract.columns if column not in frame.columns]
    place = f"{where}: " if where else ""
    if missing:
        raise TableError(f"{place}table {name} has no column {missing[0]!r}")
    try:
        frame = contract.validate(frame)
    except (SchemaError, SchemaErrors) as error:
        cases = getattr(error, "failure_cases", None)
        case = ""
        if isinstance(cases, pd.DataFrame) and len(cases):
            row = cases.iloc[0]
            case = f" (row {row['index']}: {str(row['failure_case'])[:60]!r})"
        column = getattr(getattr(error, "schema", None), "name", None)
        reason = str(getattr(error, "reason_code", None) or "contract").split(".")[-1].lower().replace("_", " ")
        detail = str(getattr(getattr(error, "check", None), "error", None) or reason)
        raise TableError(f"{place}table {name}, column {column}: {detail}{case}") from None
    for text, holds in RULES.get(name, ()):
        bad = np.flatnonzero(~np.asarray(holds(frame), dtype=bool))
        if len(bad):
            row = frame.iloc[bad[0]]
            which = ", ".join(f"{key} {row[key]}" for key in _KEYS.get(name, contract.columns) if key in row)
            raise TableError(f"{place}table {name}, row {frame.index[bad[0]]} ({which[:300]}): {text}")
    ordered = list(contract.columns)
    return frame[ordered + [column for column in frame.columns if column not in ordered]]


def empty(name: str) -> pd.DataFrame:
    """A table of this kind without a row."""
    return pd.DataFrame(columns=[item.split(":")[0] for item in COLUMNS[name].split()])


def write(name: str, frame: pd.DataFrame, path: Path | str, notes: Mapping[str, str] | None = None) -> None:
    """Write a checked table with the running step's stamp, and notes, in it; it appears whole or not at all."""
    import pyarrow as pa

    path = Path(path)
    frame = check(name, frame, str(path)).reset_index(drop=True)
    keep(stamps.on_table(pa.Table.from_pandas(frame, preserve_index=False), path, notes), path)


def keep(table: pa.Table, path: Path) -> None:
    """Write an Arrow table as every table is written; the file appears whole or not at all."""
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(table, temporary, compression="zstd", **WHOLE)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A Parquet file (only `columns`), its checksums verified; OSError or ValueError where it is damaged."""
    return pd.read_parquet(
        path, engine="pyarrow", columns=list(columns) if columns else None, page_checksum_verification=True
    )


def read(name: str, path: Path | str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read and check a table (only `columns`, then unchecked); TableError when it is absent or damaged."""
    path = Path(path)
    try:
        frame = load(path, columns)
    except FileNotFoundError:
        raise TableError(f"{path}: the table {name} is not there; run the step that makes it") from None
    except (OSError, ValueError, KeyError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        if "FieldRef" in first or isinstance(error, KeyError):
            raise TableError(f"{path}: table {name} lacks a column that is asked for ({first})") from None
        raise DamagedError(path, first) from None
    return frame if columns else check(name, frame, str(path))


def of(name: str, file: File, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A table that a spec names (only `columns`, then unchecked)."""
    return read(name, file.path, columns)


def joined(name: str, files: Iterable[File], columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Tables of one kind that a spec names (only `columns`) below each other, in the order of the files."""
    return pd.concat([of(name, file, columns) for file in files], ignore_index=True)

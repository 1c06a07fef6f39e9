"""Recorded responses: a file of them, checked whole and brought into one form.

A file is JSONL or Parquet with one response per row: `problem_id`, `problem`, `answer`, `sample` (0, 1, 2 ...) and
`response`. Optional are `steps` (by default the response between blank lines), `scores.PRM` (one number in [0, 1] per
step, for each PRM; JSONL may have one object `scores` instead), `greedy` (true for the one greedy response of a
problem), `tokens`, `prompt_tokens`, `logprob`, `finish` (eos, stop, length or context), `level`, `subject` and, for
confidence votes, a number for each of `ttstudy.kinds.confidences.STORED` (`self_certainty` and the like).

The responses of a problem are used in the order of `sample`: the first few are the pilot (difficulty, and nothing
else), those after it the pool, so the two are disjoint. A file with a broken row is refused as a whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ttstudy.answers.gold import gold
from ttstudy.data.prompts import split_steps
from ttstudy.data.rows import KeyTwiceError, json_value, odd_id, same_id
from ttstudy.errors import StudyError
from ttstudy.kinds.confidences import STORED

REQUIRED = ("problem_id", "problem", "answer", "sample", "response")
OPTIONAL = ("steps", "greedy", "tokens", "prompt_tokens", "logprob", "finish", "level", "subject")
FINISHES = ("eos", "stop", "length", "context")
SCORES = "scores."
LONGEST_LINE = 50_000_000
LONGEST_TEXT = 2_000_000
"""Characters of a line of JSONL, and of one text in it."""
SHOWN = 10
"""Broken rows that a message names."""


class BrokenRow(Exception):
    """A row cannot be used; the text says why."""


def load(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """The `recorded` table of a file, and the columns that it does not use.

    Rows are in the order of the problems' first appearance, greedy before the others, then by sample. StudyError with
    every broken row (up to `SHOWN`) and why.
    """
    rows, broken, unused = [], [], set()
    problems: dict[str, tuple[str, str, str]] = {}
    seen: set[tuple[str, bool, int]] = set()
    prms: list[str] = []
    number = 0
    for number, content in read_rows(path):
        try:
            if isinstance(content, BrokenRow):
                raise content
            row, scores = _row(content)
            unused |= content.keys() - {*REQUIRED, *OPTIONAL, *STORED, "scores"} - {SCORES + name for name in scores}
            prms += [name for name in scores if name not in prms]
            _known_problem(row, problems)
            key = (row["problem_id"], row["greedy"], row["sample"])
            if key in seen:
                what = "a second greedy response" if row["greedy"] else f"sample {row['sample']} again"
                raise BrokenRow(f"{what} of problem {row['problem_id']!r}")
            seen.add(key)
            rows.append(row | {SCORES + name: values for name, values in scores.items()} | {"row": number})
        except BrokenRow as error:
            broken.append((number, str(error)))
    for row in rows:
        absent = [prm for prm in prms if SCORES + prm not in row]
        if absent and not row["greedy"]:
            broken.append((row["row"], f"no {SCORES}{absent[0]}, which other rows have"))
    if broken:
        raise StudyError(_message(path, sorted(broken), number))
    if not rows:
        raise StudyError(f"{path}: holds no responses")
    place = {problem_id: index for index, (problem_id, _, _) in enumerate(problems.values())}
    rows.sort(key=lambda row: (place[row["problem_id"]], not row["greedy"], row["sample"]))
    return pd.DataFrame(rows).drop(columns="row"), sorted(unused)


def _message(path: Path, broken: list[tuple[int, str]], total: int) -> str:
    count = f"{len(broken)} of {total:,} rows cannot be used" if len(broken) > 1 else "a row cannot be used"
    listed = "; ".join(f"row {number}: {why}" for number, why in broken[:SHOWN])
    more = f"; and {len(broken) - SHOWN:,} more" if len(broken) > SHOWN else ""
    return f"{path}: {count}, so nothing was read; mend or remove {listed}{more}"


# -- one row -------------------------------------------------------------------------------------------------


def _row(content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """A row in our form, and its scores by PRM; BrokenRow says what is wrong with it."""
    for name in REQUIRED:
        if _missing(content.get(name)):
            raise BrokenRow(f"no {name}")
    problem_id, problem, answer = (_text(content, name) for name in REQUIRED[:3])
    for name, value in zip(REQUIRED, (problem_id, problem, answer), strict=False):
        if not value.strip():
            raise BrokenRow(f"{name} is empty")
    try:
        answer = gold(answer)
    except ValueError as error:
        raise BrokenRow(f"answer {error}") from None
    if reason := odd_id(problem_id):
        raise BrokenRow(f"problem_id {reason}")
    greedy = content.get("greedy")
    if not _missing(greedy) and not isinstance(greedy, bool | np.bool_):
        raise BrokenRow(f"greedy is {_shown(greedy)}, not true or false")
    greedy = False if _missing(greedy) else bool(greedy)
    response = _text(content, "response")
    steps = content.get("steps")
    if _missing(steps):
        steps = split_steps(response)
    elif not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
        raise BrokenRow("steps is not a list of texts")
    elif not steps and response.strip():
        raise BrokenRow("steps is empty, but the response is not")
    finish = "unknown" if _missing(content.get("finish")) else str(content["finish"])
    if finish not in (*FINISHES, "unknown"):
        raise BrokenRow(f"finish is {_shown(finish)}, not one of {', '.join(FINISHES)}")
    numbers = {name: content.get(name) for name in ("logprob", *STORED)}
    numbers = {name: None if _missing(value) else value for name, value in numbers.items()}
    for name, value in numbers.items():
        if value is not None and not (_number(value) and abs(value) < 1e300):
            raise BrokenRow(f"{name} is {_shown(value)}, not a number")
    sure = {name: float(value) for name in STORED if (value := numbers[name]) is not None}
    row = {
        "problem_id": problem_id,
        "problem": problem,
        "answer": answer,
        "level": None if _missing(content.get("level")) else _text(content, "level"),
        "subject": None if _missing(content.get("subject")) else _text(content, "subject"),
        # One greedy response per problem, whatever its number.
        "sample": 0 if greedy else _count(content, "sample"),
        "greedy": greedy,
        "response": response,
        "steps": [_clean(step) for step in steps],
        "prompt_tokens": None if _missing(content.get("prompt_tokens")) else _count(content, "prompt_tokens"),
        "response_tokens": None if _missing(content.get("tokens")) else _count(content, "tokens"),
        "logprob": None if numbers["logprob"] is None else float(numbers["logprob"]),
        "finish": finish,
    } | sure
    return row, {name: _scores(name, values, len(steps)) for name, values in _scored(content)}


def _scored(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(PRM, values) of a row, from `scores.PRM` columns and from an object `scores`."""
    nested = content.get("scores")
    if not _missing(nested) and not isinstance(nested, Mapping):
        raise BrokenRow("scores is not an object of PRMs and their step scores")
    given = {name.removeprefix(SCORES): value for name, value in content.items() if name.startswith(SCORES)}
    within: Mapping[str, Any] = nested if isinstance(nested, Mapping) and not _missing(nested) else {}
    for name in (*within, *given):
        if not name.strip() or name in within and name in given:
            raise BrokenRow(f"{SCORES}{name} is there twice" if name.strip() else f"{SCORES} names no PRM")
    for name, value in {**within, **given}.items():
        if not _missing(value):
            yield name, value


def _scores(prm: str, values: Any, steps: int) -> list[float]:
    if not isinstance(values, list) or not all(map(_number, values)):
        raise BrokenRow(f"{SCORES}{prm} is not a list of numbers")
    if len(values) != steps:
        raise BrokenRow(f"{SCORES}{prm} has {len(values)} numbers for {steps} steps")
    # A NaN fails this too.
    odd = [value for value in values if not 0 <= value <= 1]
    if odd:
        raise BrokenRow(f"{SCORES}{prm} has {_shown(odd[0])}, which is not between 0 and 1")
    return [float(value) for value in values]


def _known_problem(row: Mapping[str, Any], problems: dict[str, tuple[str, str, str]]) -> None:
    known = problems.setdefault(same_id(row["problem_id"]), (row["problem_id"], row["problem"], row["answer"]))
    if known[0] != row["problem_id"]:
        raise BrokenRow(f"problem_id {row['problem_id']!r} looks like an earlier one, but for how accents are composed")
    for name, value in zip(("problem", "answer"), known[1:], strict=True):
        if row[name] != value:
            raise BrokenRow(f"another {name} than earlier rows of problem {row['problem_id']!r}")


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content[name]
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise BrokenRow(f"{name} is not a text")
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        raise BrokenRow(f"{name} is {_shown(value)}, not a finite number")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value)
    if len(text) > LONGEST_TEXT:
        raise BrokenRow(f"{name} is longer than {LONGEST_TEXT:,} characters")
    return _clean(text)


def _clean(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates, which JSON allows, become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _count(content: Mapping[str, Any], name: str) -> int:
    value = content[name]
    if not _number(value) or not 0 <= value < 2**53 or value != int(value):
        raise BrokenRow(f"{name} is {_shown(value)}, not a whole number from 0")
    return int(value)


def _shown(value: Any) -> str:
    return repr(value)[:40]


# -- files ---------------------------------------------------------------------------------------------------


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | BrokenRow]]:
    """Rows with their numbers from 1 (lines, in JSONL)."""
    yield from (_parquet(path) if path.suffix == ".parquet" else _jsonl(path))


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=2048):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (OSError, pa.ArrowException) as error:
        raise StudyError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0][:200]})") from None


def _jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any] | BrokenRow]]:
    try:
        with path.open("rb") as stream:
            number = 0
            while line := stream.readline(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE:
                    raise StudyError(f"{path}: line {number} is longer than {LONGEST_LINE:,} bytes")
                if line.strip():
                    yield number, _json(line.removeprefix(b"\xef\xbb\xbf"))
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror})") from None


def _json(line: bytes) -> dict[str, Any] | BrokenRow:
    try:
        row = json_value(line)
    except KeyTwiceError as error:
        return BrokenRow(str(error))
    except UnicodeDecodeError:
        return BrokenRow("not UTF-8 text")
    except json.JSONDecodeError as error:
        return BrokenRow(f"not valid JSON ({error.msg})")
    except (RecursionError, ValueError):
        return BrokenRow("JSON nested too deeply, or with a number too long")
    return row if isinstance(row, dict) else BrokenRow("not a JSON object")


# -- tables of the study ------------------------------------------------------------------------------------


def responses(
    recorded: pd.DataFrame, problem_ids: Iterable[str], pool: str, block: tuple[int, int], pilot: int, largest: int
) -> pd.DataFrame:
    """The `responses` table of a pool's block, for the given problems, with the file's own number in `recorded`.

    `pilot` responses come first, the pool after them; `largest` is the largest budget, which every problem must have
    responses for. A block is cut short where the file ends. StudyError when there are too few.
    """
    drawn = recorded[recorded["greedy"] == (pool == "cot")]
    drawn = drawn.assign(recorded=drawn["sample"], sample=drawn.groupby("problem_id", sort=False).cumcount())
    ids = list(problem_ids)
    counts = drawn["problem_id"].value_counts().reindex(ids).fillna(0).astype(int)
    needed = 1 if pool == "cot" else pilot + largest
    if (counts < needed).any():
        poor = counts.idxmin()
        if pool == "cot":
            raise StudyError(f"problem {poor!r} has no greedy response; set the policy's `greedy` to false")
        raise StudyError(
            f"problem {poor!r} has {counts[poor]} recorded responses, but {needed} are needed: {pilot} for the pilot "
            f"(pilot_samples) and {largest} for the largest budget; ask for less"
        )
    if pool == "samples":
        drawn = drawn.assign(sample=drawn["sample"] - pilot)
    place = {problem_id: index for index, problem_id in enumerate(ids)}
    kept = drawn[drawn["sample"].between(*block) & drawn["problem_id"].isin(place)]
    kept = kept.sort_values("problem_id", key=lambda column: column.map(place), kind="stable")
    columns = ["problem_id", "sample", "response", "steps", "prompt_tokens", "response_tokens", "logprob", "finish"]
    sure = [name for name in STORED if name in kept]
    return kept[[*columns, "recorded", *sure]].reset_index(drop=True)


def scores(recorded: pd.DataFrame, responses: pd.DataFrame, column: str) -> pd.DataFrame:
    """The `scores` table of a block of responses; StudyError when the file has no such PRM."""
    name = SCORES + column
    if name not in recorded:
        have = [str(other).removeprefix(SCORES) for other in recorded if str(other).startswith(SCORES)]
        raise StudyError(f"the recorded responses have no column {name!r} (PRMs there: {', '.join(have) or 'none'})")
    drawn = recorded.loc[~recorded["greedy"], ["problem_id", "sample", name]]
    drawn = drawn.rename(columns={"sample": "recorded", name: "step_scores"})
    found = responses[["problem_id", "sample", "recorded"]].merge(drawn, on=["problem_id", "recorded"], how="left")
    return found[["problem_id", "sample", "step_scores"]].assign(prm_tokens=np.nan)

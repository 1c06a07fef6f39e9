"""Recorded responses of a rehearsal: those of the study's own file to its first problems, or made-up ones."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ttstudy.data import recorded
from ttstudy.data.recorded import BrokenRow
from ttstudy.errors import StudyError
from ttstudy.kinds.confidences import STORED
from ttstudy.run.rehearsal.problems import Row, made
from ttstudy.study import RecordedBenchmark, RecordedPolicy, RecordedPRM, Study


def paths(study: Study) -> list[str]:
    """Every file of recorded responses that a study names, each once, as it names it."""
    named = [*study.policies.values(), *study.benchmarks.values()]
    return list(dict.fromkeys(each.path for each in named if isinstance(each, RecordedPolicy | RecordedBenchmark)))


def at_hand(path: str, root: Path) -> Path | None:
    """The file that a path, or the variable that it names, points at; None where it is not here."""
    text = os.environ.get(path[1:], "") if path.startswith("$") else path
    return root / text if text and (root / text).is_file() else None


def first(file: Path, count: int) -> list[Row]:
    """The rows of the first so many problems of a file, as they are."""
    kept: dict[str, None] = {}
    rows: list[Row] = []
    for _, row in recorded.read_rows(file):
        if isinstance(row, BrokenRow):
            continue
        problem = str(row.get("problem_id"))
        if len(kept) < count:
            kept[problem] = None
        if problem in kept:
            rows.append(row)
    return rows


def checked(study: Study, path: str, file: Path) -> None:
    """StudyError where a file does not hold what the study takes from it: rows, numbers of samples, PRMs' columns."""
    frame, _ = recorded.load(file)
    ids = list(dict.fromkeys(frame["problem_id"]))
    for name, policy in study.policies.items():
        if not isinstance(policy, RecordedPolicy) or policy.path != path:
            continue
        pilot, largest = study.pilot_samples, study.budgets_for(name).pool
        try:
            if policy.greedy:
                recorded.responses(frame, ids, "cot", (0, 0), pilot, largest)
            if largest:
                drawn = recorded.responses(frame, ids, "samples", (0, largest - 1), pilot, largest)
                for prm in study.prms_of(name):
                    settings = study.prms[prm]
                    if isinstance(settings, RecordedPRM):
                        recorded.scores(frame, drawn, settings.column or prm)
        except StudyError as error:
            raise StudyError(f"policies.{name}: {error}") from None


def made_up(study: Study, count: int, responses: int, problems: Iterable[Mapping[str, Any]] = ()) -> list[Row]:
    """Rows as a file has them that serves every recorded policy and PRM of a study, in all optional columns.

    `problems`: those of the study's other benchmarks, which may be answered too.
    """
    draw = random.Random(0)
    columns = [prm.column or name for name, prm in study.prms.items() if isinstance(prm, RecordedPRM)]
    asked: Sequence[Mapping[str, Any]] = [*made("recorded", count), *problems]
    answers = [str(row["answer"]) for row in asked]
    rows = []
    for problem in asked:
        for sample in range(-1, responses):
            steps = [f"So we have {draw.randint(1, 9)}.", f"It is \\boxed{{{draw.choice(answers)}}}."]
            rows.append(
                {key: str(problem[key]) for key in ("problem_id", "problem", "answer")}
                | {"sample": max(sample, 0), "greedy": sample < 0, "response": "\n\n".join(steps), "steps": steps}
                | {"tokens": 20, "prompt_tokens": 30, "logprob": -10 * draw.random(), "finish": "eos"}
                | {f"scores.{column}": [draw.random() for _ in steps] for column in columns}
                | {name: draw.random() for name in STORED}
            )
    return rows

"""Recorded responses of a rehearsal: those of the study's own file to its first problems, or made-up ones."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttstudy.dag.inputs import imported_spec
from ttstudy.dag.layout import Layout
from ttstudy.dag.specs.inputs import RecordedSpec
from ttstudy.data import recorded
from ttstudy.data.importers import plain_rows
from ttstudy.errors import StudyError
from ttstudy.kinds.confidences import STORED
from ttstudy.run.rehearsal.problems import Row, made
from ttstudy.study import RecordedBenchmark, RecordedPolicy, RecordedPRM, Study

if TYPE_CHECKING:
    import pandas as pd


def sections(study: Study) -> list[tuple[str, str]]:
    """(group, name) of every section that names files of recorded responses."""
    policies = [("policies", name) for name, item in study.policies.items() if isinstance(item, RecordedPolicy)]
    others = ((name, item) for name, item in study.benchmarks.items() if isinstance(item, RecordedBenchmark))
    return policies + [("benchmarks", name) for name, item in others if item.policy is None]


def variables(study: Study) -> list[str]:
    """Variables of the environment that hold paths of recorded responses."""
    paths = [getattr(study, group)[name].path for group, name in sections(study)]
    each = [path for item in paths for path in ([item] if isinstance(item, str) else item)]
    return list(dict.fromkeys(path[1:] for path in each if path.startswith("$")))


def at_hand(layout: Layout, group: str, name: str) -> RecordedSpec | None:
    """The spec of the table of a section's files; None where they are not here."""
    try:
        return imported_spec(layout, name, group)
    except StudyError:
        return None


def read(spec: RecordedSpec) -> pd.DataFrame:
    """The table of the files of a spec."""
    return recorded.load([*map(Path, spec.sources)], recorded.given_by(spec))[0]


def first(frame: pd.DataFrame, count: int) -> list[Row]:
    """The responses to the first so many problems of a table, as rows in the plain form."""
    ids = list(dict.fromkeys(frame["problem_id"]))[:count]
    return plain_rows(frame[frame["problem_id"].isin(ids)])


def made_up(study: Study, count: int, responses: int, problems: Iterable[Mapping[str, Any]] = ()) -> list[Row]:
    """Rows as a file has them that serves every recorded policy and PRM of a study, in all optional columns.

    `problems`: those of the study's other benchmarks, which may be answered too.
    """
    draw = random.Random(0)
    used = [(name, prm) for name, prm in study.prms.items() if isinstance(prm, RecordedPRM)]
    columns = {prm.column or name: prm.score_kind for name, prm in used}
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
                | {f"scores.{column}": _scores(kind, len(steps), draw) for column, kind in columns.items()}
                | {name: draw.random() for name in STORED}
            )
    return rows


def _scores(kind: str, steps: int, draw: random.Random) -> list[float]:
    """Made-up scores of a response, of the kind that a study tells."""
    return [draw.random() for _ in range(1 if kind == "outcome" else steps)]

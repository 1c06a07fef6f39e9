"""Step scores that stand beside step labels in a file: the PRM's skill and flaws from that file alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ttstudy.analysis.diagnostics.flaws import by_policy, flaw_table, skill_table
from ttstudy.analysis.diagnostics.labelled import rows_of, table
from ttstudy.analysis.diagnostics.labels import lengths
from ttstudy.analysis.diagnostics.study import EVERYONE
from ttstudy.data.picking import pick
from ttstudy.data.reading import BrokenRow
from ttstudy.data.recorded import probabilities
from ttstudy.data.recorded_rows import scored, scores_of
from ttstudy.errors import StudyError

_NAMES = ["prm", "policy"]


def diagnosed(
    files: Sequence[Path], form: str | None = None, columns: Iterable[str] = (), kind: str = "probability"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of skill and of flaws, by PRM and policy (`all`: together), of labelled solutions with their scores.

    Scores are in columns `scores.PRM` or an object `scores`, or in `columns`, names or paths that name their PRMs; one
    for each step, of a `kind` as recorded ones have. StudyError where a row has none.
    """
    solutions, found = [], []
    for where, row, solution in rows_of(files, form):
        given = {name: pick(row, name) for name in columns} or dict(_scored(row, where))
        count, kinds = len(solution[1]), dict.fromkeys(given, kind)
        try:
            scores = {prm: scores_of(prm, values, count, kinds) for prm, values in given.items()}
        except BrokenRow as error:
            raise StudyError(f"{where}: {error}") from None
        found.append({prm: probabilities(values, kind) for prm, values in scores.items()})
        solutions.append(solution)
    prms = Counter(prm for scores in found for prm in scores)
    if not prms:
        raise StudyError(f"{files[0]}: no row has scores; they stand under `scores.PRM`, or name their column")
    if short := [prm for prm, count in prms.items() if count < len(found)]:
        raise StudyError(f"{files[0]}: {len(found) - prms[short[0]]:,} solutions have no scores of {short[0]!r}")
    frame = table(solutions)
    frame = frame.assign(lengths=frame["steps"].map(lengths)).drop(columns=["problem", "steps"])
    skill, flaws = [], []
    for prm in prms:
        judged = frame.assign(step_scores=[scores[prm] for scores in found])
        skill += [part.assign(prm=prm) for part in by_policy(judged, skill_table, EVERYONE)]
        flaws += [part.assign(prm=prm) for part in by_policy(judged, flaw_table, EVERYONE)]
    return _named(skill), _named(flaws)


def _scored(row: Mapping[str, Any], where: str) -> list[tuple[str, Any]]:
    try:
        return list(scored(row))
    except BrokenRow as error:
        raise StudyError(f"{where}: {error}") from None


def _named(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Parts below each other, names first."""
    frame = pd.concat(parts, ignore_index=True)
    return frame[[*_NAMES, *(name for name in frame if name not in _NAMES)]]

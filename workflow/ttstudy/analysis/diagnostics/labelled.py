"""Labelled solutions from files, in the forms of `ttstudy.kinds.labelled`, as one table.

One row per solution: `first_error` the index of the first wrong step (-1: none), `policy` the model that wrote it,
`problem_id` the same for equal problem texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from ttstudy.data.benchmarks import read_rows
from ttstudy.data.picking import columns, told
from ttstudy.data.recorded_rows import clean
from ttstudy.errors import StudyError
from ttstudy.kinds.labelled import LABELLINGS, Solution


def read_labelled(
    files: Path | Sequence[Path], form: str | None = None, solutions: int | None = None
) -> pd.DataFrame:
    """Table `labelled` of files in one of `LABELLINGS` (None: known by content), at most so many solutions.

    StudyError names file and row.
    """
    found = [solution for _, _, solution in islice(rows_of(files, form), solutions)]
    return table(found)


def rows_of(
    files: Path | Sequence[Path], form: str | None = None
) -> Iterator[tuple[str, Mapping[str, Any], Solution]]:
    """Each solution with the row that it is from, and where that stands; StudyError names file and row."""
    rows = read_rows(files)
    first_file = files if isinstance(files, Path) else files[0]
    form, empty = form or (_known(rows[0][1], first_file) if rows else "plain"), True
    for place, row in rows:
        where = f"{place.file}: {place}"
        try:
            of_row = list(LABELLINGS[form].solutions(row))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            what = f"has no {error}" if isinstance(error, KeyError) else str(error)
            what = what if type(error) in (KeyError, ValueError) else "is nested in another way"
            raise StudyError(f"{where} is not in the format {form}: it {what}") from None
        for solution in of_row:
            _, steps, first, _ = solution
            if not -1 <= first < len(steps):
                raise StudyError(f"{where} has its first error at {first}, but {len(steps)} steps")
            empty = False
            yield where, row, solution
    if empty:
        raise StudyError(f"{first_file}: holds no labelled solutions")


def table(solutions: Sequence[Solution]) -> pd.DataFrame:
    """The table `labelled` of solutions."""
    plain = [(clean(problem), [*map(clean, steps)], first, clean(by)) for problem, steps, first, by in solutions]
    frame = pd.DataFrame(plain, columns=["problem", "steps", "first_error", "policy"])
    frame["problem_id"] = [sha256(text.encode("utf-8", "replace")).hexdigest()[:16] for text, *_ in solutions]
    frame["sample"] = frame.groupby("problem_id").cumcount()
    return frame[["problem_id", "sample", "policy", "problem", "steps", "first_error"]]


def _known(row: Mapping[str, Any], file: Path) -> str:
    """The form of a file by its first row."""
    for name, form in LABELLINGS.items():
        if form.recognises(row):
            return name
    raise StudyError(
        f"{file}: labelled solutions in no form that is known ({', '.join(LABELLINGS)}); "
        f"it has: {told(columns([row]))}"
    )

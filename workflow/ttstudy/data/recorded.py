"""Recorded responses: files of them, checked whole and brought into one form.

What a file may be, `ttstudy.data.reading` and `ttstudy.kinds.sources` tell. The plain form has one response per row:
`problem`, `answer` and `response`. Optional are `problem_id` (by default from the problem's text), `sample` (0, 1, 2
...; by default in the order of the rows), `steps` (by default the response between blank lines), `scores.PRM` (one
number in [0, 1] per step, for each PRM; JSON may have one object `scores` instead; a PRM's `score_kind` takes other
numbers), `greedy` (true for the one greedy response of a problem), `tokens`, `prompt_tokens`, `logprob`, `finish`
(eos, stop, length or context), `level`, `subject` and, for confidence votes, a number for each of
`ttstudy.kinds.confidences.STORED` (`self_certainty` and the like).

The responses of a problem are used in the order of `sample`: the first few are the pilot (difficulty, and nothing
else), those after it the pool, so the two are disjoint. A file with a broken row is refused as a whole, unless the
study says how many may be left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ttstudy.data.copies import Copies
from ttstudy.data.intake import PLAIN, Account, Given, named, of_task, plain
from ttstudy.data.reading import BrokenRow
from ttstudy.data.recorded_rows import checked, number, text_of
from ttstudy.data.rows import same_id
from ttstudy.errors import StudyError
from ttstudy.kinds.confidences import STORED
from ttstudy.kinds.sources import SCORES, SOURCES, Place

if TYPE_CHECKING:
    from ttstudy.dag.specs.inputs import RecordedSpec

SHOWN = 10
"""Broken rows that a message names."""
_ANYTHING = Given()
_LIKE_BEAMS = 0.5
"""Of the pairs of different responses to a problem, the share that begin with one step in a search, not in samples."""


def given_by(spec: RecordedSpec) -> Given:
    """What a spec says of its files."""
    return Given(spec.source_format, spec.columns, spec.skip_broken, spec.score_kinds)


def load(files: Path | Sequence[Path], given: Given = _ANYTHING) -> tuple[pd.DataFrame, Account]:
    """The `recorded` table of files, and what became of their rows.

    Rows are in the order of the problems' first appearance, greedy before the others, then by sample. StudyError with
    every broken row (up to `SHOWN`) and why.
    """
    files = [files] if isinstance(files, Path) else list(files)
    account = Account()
    reading = _Reading(given, account, len(files) > 1)
    for place, content in plain(files, given, account):
        reading.take(place, content)
    reading.copies.refuse()
    rows, broken = reading.ended()
    if len(broken) > given.skip_broken or broken and not rows:
        raise StudyError(_message(files[0], broken, account.rows, given))
    if not rows:
        raise StudyError(f"{files[0]}: holds no responses")
    account.left_out = broken
    place = {problem_id: index for index, (problem_id, _, _) in enumerate(reading.problems.values())}
    rows.sort(key=lambda row: (place[row["problem_id"]], not row["greedy"], row["sample"]))
    frame = pd.DataFrame(rows)
    if account.form in SOURCES and SOURCES[account.form].may_be_searched:
        _refuse_beams(files, frame)
    return frame, account


class _Reading:
    """The rows of files one after the other, and what is wrong with some."""

    def __init__(self, given: Given, account: Account, several: bool) -> None:
        self.given, self.account, self.several = given, account, several
        self.problems: dict[str, tuple[str, str, str]] = {}
        self.rows: list[tuple[str, dict[str, Any]]] = []
        self.broken: list[tuple[int, str, str]] = []
        self.seen: set[tuple[str, bool, int]] = set()
        self.next: dict[str, int] = {}
        self.prms: dict[str, None] = {}
        self.lacking: dict[str, list[int]] = {"problem_id": [], "sample": []}
        self.order = 0
        self.copies = Copies(several)
        self.first: dict[str, tuple[str, Path]] = {}
        self.shared: set[str] = set()

    def _where(self, place: Place) -> str:
        return f"{place.file.name} row {place.number}" if self.several else f"row {place.number}"

    def take(self, place: Place, content: dict[str, Any] | BrokenRow) -> None:
        """Check a row and keep it; one that cannot be used is noted."""
        self.order += 1
        where = self._where(place)
        try:
            if isinstance(content, BrokenRow):
                raise content
            lacking = self._filled(content, place)
            row, scores = checked(content, self.given.score_kinds, self.account.finishes)
            _known_problem(row, self.problems)
            key = (row["problem_id"], row["greedy"], row["sample"])
            if key in self.seen:
                what = "a second greedy response" if row["greedy"] else f"sample {row['sample']} again"
                raise BrokenRow(f"{what} of problem {row['problem_id']!r}")
        except BrokenRow as error:
            self.broken.append((self.order, where, str(error)))
            return
        self.seen.add(key)
        self.next[row["problem_id"]] = self.next.get(row["problem_id"], 0) + (not row["greedy"])
        self.prms |= dict.fromkeys(scores)
        if "sample" in lacking:
            self.copies.add(place.file, row["problem_id"], row["response"])
        for name in lacking:
            self.lacking[name].append(len(self.rows))
        self.rows.append((where, row | {SCORES + name: values for name, values in scores.items()} | {"": self.order}))

    def _filled(self, content: dict[str, Any], place: Place) -> list[str]:
        """Give a row the id and the number that it lacks; which it lacked."""
        lacking = []
        known = content.get("problem_id")
        if known != known:  # NaN, as tables keep what is missing
            del content["problem_id"]
        elif number(known):
            content["problem_id"] = text_of(content, "problem_id")
        if content.get("problem_id") is None and isinstance(content.get("problem"), str):
            content["problem_id"] = named(content["problem"])
            lacking.append("problem_id")
        self._apart(content, place)
        if content.get("sample") is None and content.get("greedy") is not True:
            content["sample"] = self.next.get(str(content.get("problem_id")), 0)
            lacking.append("sample")
        return lacking

    def _apart(self, content: dict[str, Any], place: Place) -> None:
        """Tell a problem by its text too where another file of a program has another one of its number: of a task."""
        known, problem = content.get("problem_id"), content.get("problem")
        if not self.several or self.account.form == PLAIN:
            return
        if not isinstance(known, str) or not isinstance(problem, str):
            return
        first, file = self.first.setdefault(known, (problem, place.file))
        if problem != first and file != place.file:
            self.shared.add(known)
            content["problem_id"] = of_task(known, problem)

    def ended(self) -> tuple[list[dict[str, Any]], list[str]]:
        """The responses that can be used, and a sentence on each row with others, in the order of the files."""
        out: dict[int, str] = {}
        for name, places in self.lacking.items():
            drawn = [index for index, (_, row) in enumerate(self.rows) if name != "sample" or not row["greedy"]]
            if len(places) < len(drawn):
                out |= {index: f"no {name}, which other rows have" for index in places}
        kinds = self.given.score_kinds
        for index, (_, row) in enumerate(self.rows):
            absent = [prm for prm in self.prms if SCORES + prm not in row and (kinds is None or prm in kinds)]
            if absent and not row["greedy"]:
                out.setdefault(index, f"no {SCORES}{absent[0]}, which other rows have")
        late = ((self.rows[index], why) for index, why in out.items())
        broken = self.broken + [(row[""], where, why) for (where, row), why in late]
        wrong: dict[str, dict[str, None]] = {}
        for _, where, why in sorted(broken):
            wrong.setdefault(where, {})[why] = None
        kept = [{k: v for k, v in row.items() if k} for i, (_, row) in enumerate(self.rows) if i not in out]
        self._rename(kept)
        return kept, [f"{where}: {', '.join(why)}" for where, why in wrong.items()]

    def _rename(self, rows: list[dict[str, Any]]) -> None:
        """Give problems whose numbers several tasks have the ids that `_apart` gave to the later ones."""
        for row in rows:
            if row["problem_id"] in self.shared:
                row["problem_id"] = of_task(row["problem_id"], row["problem"])
        for key, (known, problem, answer) in self.problems.items():
            if known in self.shared:
                self.problems[key] = of_task(known, problem), problem, answer
        if self.shared:
            what = f"{len(self.shared):,} numbers of problems mean different ones in different files"
            self.account.hints.append(f"{what}, as of several tasks; they are told apart by their texts")
        self.account.hints += self.copies.told()


def _known_problem(row: Mapping[str, Any], problems: dict[str, tuple[str, str, str]]) -> None:
    known = problems.setdefault(same_id(row["problem_id"]), (row["problem_id"], row["problem"], row["answer"]))
    if known[0] != row["problem_id"]:
        raise BrokenRow(f"problem_id {row['problem_id']!r} looks like an earlier one, but for how accents are composed")
    for name, value in zip(("problem", "answer"), known[1:], strict=True):
        if row[name] != value:
            raise BrokenRow(f"another {name} than earlier rows of problem {row['problem_id']!r}")


def _message(file: Path, broken: list[str], total: int, given: Given) -> str:
    count = f"{len(broken)} of {total:,} rows cannot be used" if len(broken) > 1 else "a row cannot be used"
    more = f"; and {len(broken) - SHOWN:,} more" if len(broken) > SHOWN else ""
    skip = f" (more than skip_broken: {given.skip_broken})" if given.skip_broken else ""
    return f"{file}: {count}, so nothing was read{skip}; mend or remove {'; '.join(broken[:SHOWN])}{more}"


def _refuse_beams(files: Sequence[Path], frame: pd.DataFrame) -> None:
    """StudyError where responses are beams of one search: they depend on each other, and no vote may draw from them."""
    words = [word for file in files for word in ("beam_search", "dvts") if word in file.name.lower()]
    drawn = frame[~frame["greedy"]].groupby("problem_id", sort=False)["steps"]
    texts = [{tuple(steps) for steps in group.head(64)} for _, group in drawn]
    # What begins responses to several problems is a phrase, or a mark of a template, and no step of a search.
    problems_of = Counter(step for group in texts for step in {step for steps in group for step in steps[:3]})
    bare = [[[step for step in steps if problems_of[step] < 2] for steps in group] for group in texts]
    pairs = [list(combinations([steps for steps in group if len(steps) > 1], 2)) for group in bare]
    shares = [float(np.mean([one[0] == other[0] for one, other in of_problem])) for of_problem in pairs if of_problem]
    alike = float(np.mean(shares)) if shares else 0.0
    if words or alike > _LIKE_BEAMS:
        why = f"its name says {words[0]}" if words else f"{alike:.0%} of the pairs of its responses begin with one step"
        raise StudyError(
            f"{files[0]}: these are beams of a search, not independent samples ({why}), so no vote over N of them "
            "means anything; give best-of-N output, or `columns` if they were drawn independently"
        )


# -- tables of the study ------------------------------------------------------------------------------------


def take(recorded: pd.DataFrame, pool: str) -> pd.DataFrame:
    """The responses that a pool is taken from, numbered anew, with the file's own number in `recorded`.

    Greedy ones are those that the file marks; where it marks none and has one response of each problem, those.
    """
    drawn = recorded[recorded["greedy"] == (pool == "cot")]
    if pool == "cot" and not len(drawn) and recorded["problem_id"].is_unique:
        drawn = recorded
    return drawn.assign(recorded=drawn["sample"], sample=drawn.groupby("problem_id", sort=False).cumcount())


def enough(
    recorded: pd.DataFrame, problem_ids: Sequence[str], pool: str, pilot: int, largest: int, uneven: bool = False
) -> None:
    """StudyError where a problem has too few responses; `uneven`: one beside the pilot is enough.

    `pilot` responses come first, the pool after them; `largest` is the largest budget.
    """
    counts = take(recorded, pool)["problem_id"].value_counts().reindex(list(problem_ids)).fillna(0).astype(int)
    needed = 1 if pool == "cot" else pilot + (min(1, largest) if uneven else largest)
    if not (counts < needed).any():
        return
    poor = counts.idxmin()
    if pool == "cot":
        raise StudyError(f"problem {poor!r} has no greedy response; set the policy's `greedy` to false")
    if not counts.any():
        raise StudyError(
            "all its responses are greedy, so there is nothing to vote over; set `greedy: true` on the policy, "
            "`budgets: {}` and `pilot_samples: 0`"
        )
    less = " or `pilot_samples: 0`, or take what is there with the policy's `uneven: true`" if pilot else ""
    raise StudyError(
        f"problem {poor!r} has {counts[poor]} recorded responses, but {needed} are needed: {pilot} for the pilot "
        f"(pilot_samples) and {needed - pilot} for the largest budget; ask for less{less}"
    )


def responses(
    recorded: pd.DataFrame,
    problem_ids: Iterable[str],
    pool: str,
    block: tuple[int, int],
    pilot: int,
    largest: int,
    uneven: bool = False,
) -> pd.DataFrame:
    """The `responses` table of a pool's block, for the given problems, with the file's own number in `recorded`.

    For `pilot`, `largest` and `uneven` see `enough`. A block is cut short where the file ends.
    """
    ids = list(problem_ids)
    enough(recorded, ids, pool, pilot, largest, uneven)
    drawn = take(recorded, pool)
    if pool == "samples":
        drawn = drawn.assign(sample=drawn["sample"] - pilot)
    place = {problem_id: index for index, problem_id in enumerate(ids)}
    kept = drawn[drawn["sample"].between(*block) & drawn["problem_id"].isin(place)]
    kept = kept.sort_values("problem_id", key=lambda column: column.map(place), kind="stable")
    columns = ["problem_id", "sample", "response", "steps", "prompt_tokens", "response_tokens", "logprob", "finish"]
    sure = [name for name in STORED if name in kept]
    return kept[[*columns, "recorded", *sure]].reset_index(drop=True)


def prms(recorded: Iterable[object]) -> list[str]:
    """PRMs whose scores a table with these columns has."""
    return [str(name).removeprefix(SCORES) for name in recorded if str(name).startswith(SCORES)]


def scores(
    recorded: pd.DataFrame, responses: pd.DataFrame, column: str, kind: str = "probability"
) -> pd.DataFrame:
    """The `scores` table of a block of responses; StudyError when the file has no such PRM.

    `kind` says what the column's numbers are (`ttstudy.study.prms.ScoreKind`). Logits go through the logistic function.
    An outcome stands at every step of its response: as it is where all of the column lie in [0, 1], else through the
    logistic function, divided by a power of two before it so that none is beyond 16: their order stays.
    """
    name = SCORES + column
    if name not in recorded:
        have = ", ".join(prms(recorded)) or "none"
        raise StudyError(f"the recorded responses have no column {name!r} (PRMs there: {have})")
    drawn = recorded.loc[~recorded["greedy"], ["problem_id", "sample", "steps", name]]
    drawn = drawn.assign(**{name: _probabilities(drawn, name, kind)}).drop(columns="steps")
    drawn = drawn.rename(columns={"sample": "recorded", name: "step_scores"})
    found = responses[["problem_id", "sample", "recorded"]].merge(drawn, on=["problem_id", "recorded"], how="left")
    return found[["problem_id", "sample", "step_scores"]].assign(prm_tokens=np.nan)


def _probabilities(drawn: pd.DataFrame, name: str, kind: str) -> list[list[float]]:
    """Scores of steps in [0, 1], whatever the column's numbers are."""
    given = [list(values) for values in drawn[name]]
    if kind == "probability":
        return given
    if kind == "outcome":
        largest = max((abs(value) for values in given for value in values), default=0.0)
        bounded = all(0 <= value <= 1 for values in given for value in values)
        scale = 2.0 ** max(0, int(np.ceil(np.log2(max(largest, 1) / 16))))
        given = [
            [value if bounded else _logistic(value / scale) for value in values] * len(steps)
            for values, steps in zip(given, drawn["steps"], strict=True)
        ]
        return given
    return [probabilities(values, kind) for values in given]


def probabilities(values: Sequence[float], kind: str) -> list[float]:
    """Scores of a response's steps in [0, 1]: logits through the logistic function."""
    return [_logistic(value) for value in values] if kind == "logit" else list(values)


def _logistic(value: float) -> float:
    return float(1 / (1 + np.exp(-value))) if value >= 0 else float(np.exp(value) / (1 + np.exp(value)))

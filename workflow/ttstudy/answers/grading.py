"""Equivalence, vote classes, and the graders of single responses and of whole tables."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from ttstudy.answers.cleaning import clean
from ttstudy.answers.extraction import CUT, find
from ttstudy.answers.gold import as_asked, with_option, without_percent
from ttstudy.answers.gold import gold as gold_answer
from ttstudy.answers.sentences import Found
from ttstudy.answers.verdicts import Keys, classes, meet, plain_keys, show_number, simple
from ttstudy.answers.workers import SECONDS, Lost, Pool, shared

if TYPE_CHECKING:
    import pandas as pd

BATCH = 32
"""Texts of one task: most take a millisecond. Where one takes too long, each of them is tried by itself."""
Pair = tuple[Any, str]
"""A problem's id and an answer."""
Graded = tuple[dict[Pair, bool | None], dict[Pair, str]]
"""Verdict (None: timed out) and vote class of each pair."""


class TimedOut(Exception):
    """A check was stopped by its limits: no verdict."""


@dataclass(frozen=True)
class Read:
    """What an answer was read as: its keys, None where the limits stopped that, and its canonical form."""

    keys: Keys | None
    shown: str


@dataclass(frozen=True)
class Grade:
    """Whether a response is right (None where the check was stopped), the answer it gives, and why that one.

    `found` is of `extraction.KINDS`; answer and `found` are None where the response states no answer.
    """

    correct: bool | None
    answer: str | None = None
    found: str | None = None


@lru_cache(maxsize=50_000)
def _plain(answer: str) -> Read | None:
    """A plain number, the only thing that this process reads; None for all other text."""
    keys, number = plain_keys(answer), simple(clean(answer))
    return None if keys is None or number is None else Read(keys, show_number(number))


_known: dict[str, Read] = {}


def _one_by_one(answers: Sequence[str]) -> list[Read]:
    """Answers read by the workers of this process, by one check for all that are new; raises `TimedOut`."""
    found = {answer: read for answer in answers if (read := _plain(answer) or _known.get(answer))}
    todo = [answer for answer in dict.fromkeys(answers) if answer not in found]
    if todo:
        try:
            results = shared().call({"op": "keys", "answers": todo})
        except Lost:
            texts = " and ".join(repr(answer[:60]) for answer in todo)
            raise TimedOut(f"the check of {texts} was stopped by its limits") from None
        new = {answer: _of(result) for answer, result in zip(todo, results, strict=True)}
        if len(_known) > 10_000:
            _known.clear()
        _known.update(new)
        found |= new
    return [found[answer] for answer in answers]


def _of(result: Sequence[Any]) -> Read:
    key, loose, shown = result
    return Read(Keys(key, frozenset(loose)), shown)


def equivalent(gold: str, answer: str) -> bool:
    """Say whether an answer is mathematically the same as the gold answer (rules: POLICY.md); symmetric.

    Plain numbers are compared here; all else is read in a worker process with 2 s of processor time, 8 s on the wall
    and 1 GiB. Raises `TimedOut` where these limits stop the check, so that no verdict is made up.
    """
    if clean(gold) == clean(answer):
        return bool(clean(gold))
    one, other = (read.keys for read in _one_by_one([gold, answer]))
    assert one is not None and other is not None  # what was stopped has raised
    return meet(one, other)


def canonical(answer: str) -> str:
    """Canonical form of an answer: one text for all spellings that the rules of form decide to be equal.

    Idempotent: the form of a form is itself. Text whose reading the limits stop is its own form.
    """
    try:
        return _one_by_one([answer])[0].shown
    except TimedOut:
        return clean(answer)


def vote_classes(answers: Sequence[str]) -> list[int]:
    """Class number of each answer, equal for mathematically equal answers, in order of first appearance.

    Each distinct answer is worked on once and there are no pairwise checks but for roots of variables. An
    answer whose check is stopped by the limits is in a class with its own spelling only.
    """
    distinct = list(dict.fromkeys(answers))
    found = _read(distinct, shared())
    number = dict(zip(distinct, classes([_voting(found[answer]) for answer in distinct]), strict=True))
    return [number[answer] for answer in answers]


def _voting(read: Read) -> Keys:
    return read.keys or Keys(f"t:{read.shown}")


def grade(response: str, answer: str, problem: str = "") -> Grade:
    """Grade a response against a gold answer as a benchmark writes it; the problem's text helps where it is known.

    Raises ValueError where the gold answer cannot be read.
    """
    target, found = with_option(gold_answer(answer), problem), find(response)
    if found is None:
        return Grade(False)
    pair = ("", found.answer)
    right = _strict([pair], {"": target}, {"": problem} if problem else {}, shared())[0][pair]
    return Grade(right, found.answer, found.kind)


def _read(answers: Iterable[str], pool: Pool) -> dict[str, Read]:
    """What distinct answers were read as; those without keys were stopped by the limits."""
    found = {answer: _plain(answer) for answer in answers}
    results = _checked({clean(answer) for answer, read in found.items() if read is None}, "keys", pool)

    def hard(text: str) -> Read:
        return Read(None, text) if results[text] is None else _of(results[text])

    return {answer: read or hard(clean(answer)) for answer, read in found.items()}


def _checked(texts: Iterable[str], op: str, pool: Pool) -> dict[str, Any]:
    """Result of the workers on each text, None where it was stopped."""
    todo = sorted(texts)
    found: dict[str, Any] = dict.fromkeys(todo)
    for size in (BATCH, 1):
        parts = [todo[at : at + size] for at in range(0, len(todo), size)]
        todo = []
        for part, results in zip(parts, pool.map({"op": op, "answers": part} for part in parts), strict=True):
            if results is not Lost:
                found |= dict(zip(part, results, strict=True))
            elif len(part) > 1:  # what was alone in its task was stopped for its own sake
                todo += part
    return found


def grade_table(
    responses: pd.DataFrame,
    benchmark: pd.DataFrame,
    grader: str = "strict",
    extraction: str = "conclusion",
    unfinished: bool = False,
    cut: bool = False,
    workers: int | None = None,
    seconds: float = SECONDS,
    memory_mb: int = 1024,
) -> pd.DataFrame:
    """Grade a table of responses against a benchmark.

    `responses` has columns problem_id, sample, response and may have finish; `benchmark` has problem_id, answer and
    may have problem. The result has one row per response, in the same order, with problem_id, sample, answer (as
    extracted, null where there is none), found and place (why it was taken, of `extraction.KINDS`, and the character
    where it starts), canonical (the vote class within the problem: the canonical form in the class that sorts first),
    correct (bool) and status in {graded, no_answer, timed_out}. A response whose finish says that it was cut concludes
    nothing, unless `cut` takes it as it is; `unfinished` credits answers in thinking that never ended.

    Each distinct answer is checked once, hard ones in `workers` processes (default: the cores) with `seconds` of
    processor time, 8 s on the wall, and `memory_mb` of address space each. Where `benchmark` has a column `problem`
    and the problem asks for a percentage, 10 and 10 % are the same answer. Raises ValueError for an unknown grader,
    extraction or problem_id.
    """
    import pandas as pd

    if grader not in GRADERS:
        raise ValueError(f"grader is one of {', '.join(GRADERS)}, not {grader!r}")
    said = benchmark["problem"].map(str) if "problem" in benchmark else []
    texts = dict(zip(benchmark["problem_id"], said, strict=False))
    gold = _golds(benchmark, texts if grader == "strict" else {})
    unknown = sorted(set(responses["problem_id"]) - set(gold))
    if unknown:
        raise ValueError(f"the benchmark has no problem {unknown[0]!r}")
    founds = _founds(responses, grader, extraction, unfinished, cut)
    problems = responses["problem_id"].tolist()
    rows = [(problem, found.answer) if found else None for problem, found in zip(problems, founds, strict=True)]
    with Pool(workers, seconds, memory_mb) as pool:
        verdicts, labels = GRADERS[grader]([pair for pair in dict.fromkeys(rows) if pair], gold, texts, pool)
    status = ["no_answer" if row is None else "timed_out" if verdicts[row] is None else "graded" for row in rows]
    return pd.DataFrame(
        {
            "problem_id": responses["problem_id"].to_numpy(),
            "sample": responses["sample"].to_numpy(),
            "answer": pd.array([row and row[1] for row in rows], dtype="string"),
            "found": pd.array([(found.kind or None) if found else None for found in founds], dtype="string"),
            "place": pd.array([found.start if found and found.kind else None for found in founds], dtype="Int64"),
            "canonical": pd.array([row and labels[row] for row in rows], dtype="string"),
            "correct": [row is not None and verdicts[row] is True for row in rows],
            "status": pd.array(status, dtype="string"),
        }
    )


def _golds(benchmark: pd.DataFrame, texts: dict[Any, str]) -> dict[Any, str]:
    """Gold answer of each problem; a letter has the option that the problem's text states for it."""
    found = {}
    for problem, answer in zip(benchmark["problem_id"], benchmark["answer"], strict=True):
        try:
            found[problem] = with_option(gold_answer(answer), texts.get(problem, ""))
        except ValueError as error:
            raise ValueError(f"problem {problem!r}: answer {error}") from None
    return found


def _founds(
    responses: pd.DataFrame, grader: str, extraction: str, unfinished: bool, as_ended: bool
) -> list[Found | None]:
    """What each response gives as its answer; each distinct response is read once. `as_ended`: cut ones too."""
    from ttstudy.answers import reference

    @cache
    def take(text: Any, cut: bool) -> Found | None:
        if not isinstance(text, str):
            return None
        if grader == "reference":
            found: Found | None = Found(reference.extract(text), "", 0, 0)
        else:
            found = find(text, extraction, unfinished=unfinished, cut=cut)
        # Halves of surrogate pairs Parquet would refuse.
        return found and replace(found, answer=found.answer.encode("utf-8", "replace").decode())

    texts = responses["response"].tolist()
    heeded = "finish" in responses and not as_ended
    return list(map(take, texts, responses["finish"].isin(CUT).tolist() if heeded else [False] * len(texts)))


def _strict(pairs: list[Pair], gold: dict[Any, str], texts: dict[Any, str], pool: Pool) -> Graded:
    """Verdicts and vote classes of distinct pairs by the rules of this package.

    Where the gold answer is a plain number, an answer may say what its problem (of `texts`) asks for by name; the
    classes are those of what is left, and an answer is right with or without it.
    """
    answers: dict[Any, list[str]] = defaultdict(list)
    for problem, answer in pairs:
        answers[problem].append(answer)
    bare = {problem: gold[problem] for problem in answers}
    said = {pair: pair[1] for pair in pairs}
    for problem, text in texts.items():
        if problem in answers and simple(without_percent(gold[problem])) is not None:
            bare[problem] = as_asked(gold[problem], text)
            said |= {(problem, answer): as_asked(answer, text) for answer in answers[problem]}
    wanted = [gold[problem] for problem in answers] + [answer for _, answer in pairs]
    found = _read(dict.fromkeys([*wanted, *bare.values(), *said.values()]), pool)

    def right(target: str, answer: str) -> bool | None:
        if clean(answer) == clean(target):
            return bool(clean(answer))
        one, other = found[target].keys, found[answer].keys
        return None if one is None or other is None else meet(one, other)

    verdicts: dict[Pair, bool | None] = {}
    labels: dict[Pair, str] = {}
    for problem, given in answers.items():
        reads = [found[said[problem, answer]] for answer in given]
        first: dict[int, str] = {}
        numbers = classes(list(map(_voting, reads)))
        for read, number in zip(reads, numbers, strict=True):
            first[number] = min(first.get(number, read.shown), read.shown)
        for answer, number in zip(given, numbers, strict=True):
            ways = {right(gold[problem], answer), right(bare[problem], said[problem, answer])}
            labels[problem, answer] = first[number]
            verdicts[problem, answer] = True if True in ways else None if None in ways else False
    return verdicts, labels


def _reference(pairs: list[Pair], gold: dict[Any, str], _texts: dict[Any, str], pool: Pool) -> Graded:
    """Verdict and vote class (the extracted text itself, as in the official code) by the reference grader."""
    from ttstudy.answers.reference import comparisons, normalise, values_equal

    golds = {problem: normalise(answer) for problem, answer in gold.items()}
    needed = {pair: comparisons(pair[1], golds[pair[0]]) for pair in pairs}
    rows_of = {pair: [] if isinstance(rows, bool) else rows for pair, rows in needed.items()}
    texts = {text for rows in rows_of.values() for row in rows for both in row for text in both}
    values = _checked(texts, "reference", pool)

    def holds(row: Sequence[tuple[str, str]]) -> bool | None:
        sides = [(values[one], values[other]) for one, other in row]
        found = [None if left is None or right is None else values_equal(left, right) for left, right in sides]
        return True if True in found else None if None in found else False

    verdicts: dict[Pair, bool | None] = {}
    for pair, rows in needed.items():
        found = {rows} if isinstance(rows, bool) else {holds(row) for row in rows}
        verdicts[pair] = False if False in found else None if None in found else True
    return verdicts, {pair: pair[1] for pair in pairs}


def _math_verify(pairs: list[Pair], gold: dict[Any, str], _texts: dict[Any, str], pool: Pool) -> Graded:
    """Verdict of Math-Verify on our answers, and vote classes of the strict grader: it has none of its own."""
    texts = {pair: json.dumps([gold[pair[0]], pair[1]]) for pair in pairs}
    found = _checked(set(texts.values()), "verify", pool)
    return {pair: found[text] for pair, text in texts.items()}, _strict(pairs, gold, {}, pool)[1]


GRADERS: dict[str, Callable[[list[Pair], dict[Any, str], dict[Any, str], Pool], Graded]] = {
    "strict": _strict,
    "reference": _reference,
    "math-verify": _math_verify,
}

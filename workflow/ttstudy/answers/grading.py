"""Equivalence, vote classes and the grader of whole tables."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ttstudy.answers.asked import as_asked, without_percent
from ttstudy.answers.cache import Cache
from ttstudy.answers.cleaning import clean
from ttstudy.answers.extraction import Found, find
from ttstudy.answers.gold import gold as gold_answer
from ttstudy.answers.gold import with_option
from ttstudy.answers.verdicts import Keys, classes, meet, plain_keys, show_number, simple
from ttstudy.answers.workers import SECONDS, Lost, Pool, shared

if TYPE_CHECKING:
    import pandas as pd

class TimedOut(Exception):
    """A check was stopped by its limits: no verdict."""


@dataclass(frozen=True)
class Read:
    """What an answer was read as: its keys, None where the limits stopped that, and its canonical form."""

    keys: Keys | None
    shown: str


@lru_cache(maxsize=50_000)
def _plain(answer: str) -> Read | None:
    """A plain number, the only thing that this process reads; None for all other text."""
    keys = plain_keys(answer)
    number = simple(clean(answer))
    return None if keys is None or number is None else Read(keys, show_number(number))


_known: dict[str, Read] = {}


def _one_by_one(answers: Sequence[str]) -> list[Read]:
    """Answers read by the workers of this process, by one check for all that are new."""
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
    if gold == answer or clean(gold) == clean(answer):
        return bool(clean(gold))
    one, other = (read.keys for read in _one_by_one([gold, answer]))
    assert one is not None and other is not None  # what was stopped has raised
    return meet(one, other)


def canonical(answer: str) -> str:
    """Canonical form of an answer: one text for all spellings that the rules of form decide to be equal.

    Idempotent: the form of a form is itself. Text whose reading the limits stop is its own form.
    """
    if found := _plain(answer) or _known.get(answer):
        return found.shown
    try:
        forms: list[str] = shared().call({"op": "forms", "answers": [answer]})
    except Lost:
        return clean(answer)
    return forms[0]


def vote_classes(answers: Sequence[str]) -> list[int]:
    """Class number of each answer, equal for mathematically equal answers, in order of first appearance.

    Each distinct answer is worked on once and there are no pairwise checks but for roots of variables. An
    answer whose check is stopped by the limits is in a class with its own spelling only.
    """
    distinct = list(dict.fromkeys(answers))
    found = _read(distinct, shared())
    keys = [found[answer].keys or Keys(f"t:{found[answer].shown}") for answer in distinct]
    number = dict(zip(distinct, classes(keys), strict=True))
    return [number[answer] for answer in answers]


def _read(answers: Iterable[str], pool: Pool, cache: Cache | None = None) -> dict[str, Read]:
    """What distinct answers were read as; those without keys were stopped by the limits."""
    found: dict[str, Read] = {}
    hard: dict[str, list[str]] = defaultdict(list)
    for answer in answers:
        if read := _plain(answer):
            found[answer] = read
        else:
            hard[clean(answer)].append(answer)
    results = _checked(hard, "keys", pool, cache)
    forms = _forms([text for text, result in results.items() if result is None], pool)
    for text, spellings in hard.items():
        read = Read(None, forms[text]) if results[text] is None else _of(results[text])
        found |= dict.fromkeys(spellings, read)
    return found


def _forms(texts: list[str], pool: Pool) -> dict[str, str]:
    """Canonical forms, without the values that take time; the text itself where that is stopped too."""
    shown = _checked(texts, "forms", pool, None)
    return {text: clean(text) if shown[text] is None else shown[text] for text in texts}


BATCH = 32
"""Texts of one task: most take a millisecond. Where one takes too long, each of them is tried by itself."""


def _checked(texts: Iterable[str], op: str, pool: Pool, cache: Cache | None) -> dict[str, Any]:
    """Result of the workers on each text, None where it was stopped; known ones come from the cache."""
    known = cache.values if cache else {}
    found = {text: known.get(text) for text in texts}
    todo = [text for text in found if text not in known]
    done: dict[str, Any] = {}
    for size in (BATCH, 1):
        parts = [todo[at : at + size] for at in range(0, len(todo), size)]
        for part, results in zip(parts, pool.map({"op": op, "answers": part} for part in parts), strict=True):
            if results is not Lost:
                done |= dict(zip(part, results, strict=True))
        # What was alone in its task was stopped for its own sake.
        todo = [text for part in parts if len(part) > 1 for text in part if text not in done]
    if cache:
        cache.add(done)
    return found | done


def grade_table(
    responses: pd.DataFrame,
    benchmark: pd.DataFrame,
    grader: str = "strict",
    extraction: str = "conclusion",
    unfinished: bool = False,
    cut: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
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

    Each distinct answer is checked once, hard ones in `workers` processes (default: the cores) with `seconds`
    of processor time, 8 s on the wall, and `memory_mb` of address space each. With `cache_dir` hard
    results are kept on disk by grader version; a time-out is never kept. Where `benchmark` has a column
    `problem` and the problem asks for a percentage, 10 and 10 % are the same answer. Raises ValueError for an
    unknown grader, extraction or problem_id.
    """
    import pandas as pd

    if grader not in GRADERS:
        raise ValueError(f"grader is one of {', '.join(GRADERS)}, not {grader!r}")
    gold = _golds(benchmark, options=grader == "strict")
    unknown = sorted(set(responses["problem_id"]) - set(gold))
    if unknown:
        raise ValueError(f"the benchmark has no problem {unknown[0]!r}")
    founds = _founds(responses, grader, extraction, unfinished, cut)
    answers = [found.answer if found else None for found in founds]
    problems = responses["problem_id"].tolist()
    rows: list[tuple[Any, str | None]] = list(zip(problems, answers, strict=True))
    cache = None if cache_dir is None else Cache(cache_dir, grader)
    with Pool(workers, seconds, memory_mb) as pool:
        pairs: list[Pair] = [(problem, answer) for problem, answer in dict.fromkeys(rows) if answer is not None]
        verdicts, labels = GRADERS[grader](pairs, gold, pool, cache)
        if grader == "strict" and "problem" in benchmark:
            texts = dict(zip(benchmark["problem_id"], benchmark["problem"].map(str), strict=True))
            _as_asked(pairs, gold, texts, verdicts, labels, pool, cache)
    found = [None if answer is None else verdicts.get((problem, answer)) for problem, answer in rows]
    shown = [None if answer is None else labels.get((problem, answer)) for problem, answer in rows]
    status = [
        "no_answer" if answer is None else "timed_out" if verdict is None else "graded"
        for answer, verdict in zip(answers, found, strict=True)
    ]
    return pd.DataFrame(
        {
            "problem_id": responses["problem_id"].to_numpy(),
            "sample": responses["sample"].to_numpy(),
            "answer": pd.array(answers, dtype="string"),
            "found": pd.array([(found.kind or None) if found else None for found in founds], dtype="string"),
            "place": pd.array([found.start if found and found.kind else None for found in founds], dtype="Int64"),
            "canonical": pd.array(shown, dtype="string"),
            "correct": [verdict is True for verdict in found],
            "status": pd.array(status, dtype="string"),
        }
    )


CUT = frozenset({"length", "context", "depth"})
"""Why a response ended that was not at its end."""


def _golds(benchmark: pd.DataFrame, *, options: bool) -> dict[Any, str]:
    """Gold answer of each problem; with `options` a letter has the option that the problem states for it."""
    problems = benchmark["problem"] if "problem" in benchmark else [""] * len(benchmark)
    found = {}
    for problem_id, answer, problem in zip(benchmark["problem_id"], benchmark["answer"], problems, strict=True):
        try:
            read = gold_answer(answer)
            found[problem_id] = with_option(read, str(problem)) if options else read
        except ValueError as error:
            raise ValueError(f"problem {problem_id!r}: answer {error}") from None
    return found


def _founds(
    responses: pd.DataFrame, grader: str, extraction: str, unfinished: bool, as_ended: bool
) -> list[Found | None]:
    """What each response gives as its answer; each distinct response is read once. `as_ended`: cut ones too."""
    from ttstudy.answers import reference

    def take(text: Any, cut: bool) -> Found | None:
        if not isinstance(text, str):
            return None
        if grader == "reference":
            return Found(_whole(reference.extract(text)), "", 0, 0)
        found = find(text, extraction, unfinished=unfinished, cut=cut)
        return found and replace(found, answer=_whole(found.answer))

    texts = responses["response"].tolist()
    heeded = "finish" in responses and not as_ended
    cuts = responses["finish"].isin(CUT).tolist() if heeded else [False] * len(texts)
    rows = list(zip(texts, cuts, strict=True))
    taken = {row: take(*row) for row in dict.fromkeys(rows)}
    return [taken[row] for row in rows]


def _whole(text: str) -> str:
    """Text without halves of surrogate pairs, which Parquet would refuse."""
    return text.encode("utf-8", "replace").decode()


Pair = tuple[Any, str]


def _as_asked(
    pairs: list[Pair],
    gold: dict[Any, str],
    problems: dict[Any, str],
    verdicts: dict[Pair, bool | None],
    labels: dict[Pair, str],
    pool: Pool,
    cache: Cache | None,
) -> None:
    """Put right verdicts and classes of answers that say what the problem asks for, where the gold answer is bare."""
    bare = {problem: without_percent(gold[problem]) for problem, _ in pairs}
    numbers = {problem for problem, text in bare.items() if simple(text) is not None}
    spoken = {pair: (pair[0], as_asked(pair[1], problems[pair[0]])) for pair in pairs if pair[0] in numbers}
    changed = {pair[0] for pair, said in spoken.items() if said != pair}
    changed |= {problem for problem in numbers if bare[problem] != clean(gold[problem])}
    spoken = {pair: said for pair, said in spoken.items() if pair[0] in changed}
    if not spoken:
        return
    golds = gold | {problem: as_asked(gold[problem], problems[problem]) for problem in changed}
    again, classes_again = _strict(list(dict.fromkeys(spoken.values())), golds, pool, cache)
    for pair, said in spoken.items():
        labels[pair] = classes_again[said]
        if verdicts[pair] is not True:
            verdicts[pair] = again[said] or (None if verdicts[pair] is None else again[said])


def _strict(
    pairs: list[Pair], gold: dict[Any, str], pool: Pool, cache: Cache | None
) -> tuple[dict[Pair, bool | None], dict[Pair, str]]:
    """Verdict (None: timed out) and vote class of distinct (problem, answer) pairs, by the strict grader."""
    by_problem: dict[Any, list[str]] = defaultdict(list)
    for problem, answer in pairs:
        by_problem[problem].append(answer)
    wanted = dict.fromkeys([gold[problem] for problem in by_problem] + [answer for _, answer in pairs])
    found = _read(wanted, pool, cache)
    verdicts: dict[Pair, bool | None] = {}
    labels: dict[Pair, str] = {}
    for problem, answers in by_problem.items():
        target = found[gold[problem]]
        reads = [found[answer] for answer in answers]
        numbers = classes([read.keys or Keys(f"t:{read.shown}") for read in reads])
        first: dict[int, str] = {}
        for read, number in zip(reads, numbers, strict=True):
            first[number] = min(first.get(number, read.shown), read.shown)
        for answer, read, number in zip(answers, reads, numbers, strict=True):
            labels[problem, answer] = first[number]
            if read.shown and clean(answer) == clean(gold[problem]):
                verdicts[problem, answer] = True
            elif target.keys is None or read.keys is None:
                verdicts[problem, answer] = True if read.shown == target.shown else None
            else:
                verdicts[problem, answer] = meet(target.keys, read.keys)
    return verdicts, labels


def _reference(
    pairs: list[Pair], gold: dict[Any, str], pool: Pool, cache: Cache | None
) -> tuple[dict[Pair, bool | None], dict[Pair, str]]:
    """Verdict and vote class (the extracted text itself, as in the official code) by the reference grader."""
    from ttstudy.answers.reference import comparisons, normalise, values_equal

    golds = {problem: normalise(answer) for problem, answer in gold.items()}
    needed = {pair: comparisons(pair[1], golds[pair[0]]) for pair in pairs}
    open_pairs = {pair: rows for pair, rows in needed.items() if not isinstance(rows, bool)}
    texts = dict.fromkeys(text for rows in open_pairs.values() for row in rows for both in row for text in both)
    values = _checked(texts, "reference", pool, cache)

    def holds(row: Sequence[tuple[str, str]]) -> bool | None:
        pairs = [(values[one], values[other]) for one, other in row]
        found = [None if left is None or right is None else values_equal(left, right) for left, right in pairs]
        return True if True in found else None if None in found else False

    verdicts: dict[Pair, bool | None] = {pair: rows for pair, rows in needed.items() if isinstance(rows, bool)}
    for pair, rows in open_pairs.items():
        found = [holds(row) for row in rows]
        verdicts[pair] = False if False in found else None if None in found else True
    return verdicts, {pair: pair[1] for pair in pairs}


def _math_verify(
    pairs: list[Pair], gold: dict[Any, str], pool: Pool, cache: Cache | None
) -> tuple[dict[Pair, bool | None], dict[Pair, str]]:
    """Verdict of Math-Verify on our answers, and vote classes of the strict grader: it has none of its own."""
    _, labels = _strict(pairs, gold, pool, None)
    texts = {pair: json.dumps([gold[pair[0]], pair[1]]) for pair in pairs}
    found = _checked(dict.fromkeys(texts.values()), "verify", pool, cache)
    return {pair: found[text] for pair, text in texts.items()}, labels


GRADERS = {"strict": _strict, "reference": _reference, "math-verify": _math_verify}

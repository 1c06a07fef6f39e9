"""Equivalence, vote classes and the grader of whole tables."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttstudy.answers.cleaning import clean
from ttstudy.answers.extraction import extract
from ttstudy.answers.keys import Keys, keys_of, meet, same
from ttstudy.answers.reading import simple
from ttstudy.answers.showing import canonical
from ttstudy.answers.values import Undecided
from ttstudy.answers.workers import SECONDS, Lost, Pool, shared

if TYPE_CHECKING:
    import pandas as pd

VERSION = "2"


class TimedOut(Exception):
    """A check was stopped by its limits: no verdict."""


@lru_cache(maxsize=50_000)
def _quick(answer: str) -> Keys | None:
    """Keys by exact arithmetic alone, None where that does not do."""
    try:
        return keys_of(answer)
    except Undecided:
        return None


_known: dict[str, Keys] = {}


def _slow(answers: Sequence[str]) -> list[Keys]:
    """Keys of answers, by one check in a worker: the limits are for all of them together."""
    todo = [answer for answer in dict.fromkeys(answers) if answer not in _known]
    found = {answer: _known[answer] for answer in answers if answer in _known}
    if todo:
        try:
            results = shared().call({"op": "keys", "answers": todo})
        except Lost:
            shown = " and ".join(repr(answer[:60]) for answer in todo)
            raise TimedOut(f"the check of {shown} was stopped by its limits") from None
        found |= {answer: Keys(key, frozenset(loose)) for answer, (key, loose) in zip(todo, results, strict=True)}
        if len(_known) > 10_000:
            _known.clear()
        _known.update(found)
    return [found[answer] for answer in answers]


def equivalent(gold: str, answer: str) -> bool:
    """Say whether an answer is mathematically the same as the gold answer (rules: POLICY.md); symmetric.

    Plain numbers, fractions, words and polynomials are decided here and exactly; the rest in a worker process
    with 2 s of processor time, 8 s on the wall and 1 GiB. Raises `TimedOut` where these limits stop the check,
    so that no verdict is made up.
    """
    if gold == answer or clean(gold) == clean(answer):
        return bool(clean(gold))
    one, other = _quick(gold), _quick(answer)
    if one is None and other is None and canonical(gold) == canonical(answer):
        return True
    if one is None or other is None:
        slow = iter(_slow([text for text, keys in ((gold, one), (answer, other)) if keys is None]))
        one, other = one or next(slow), other or next(slow)
    return meet(one, other)


def classes(keys: Sequence[Keys]) -> list[int]:
    """Class number of each answer, by its keys: 0, 1, ... in order of first appearance.

    Answers with the same exact key are one class. A class whose answers leave something out (a unit, a name)
    joins the one that states it, where just one does: then, and only then, is it clear what was left out. The
    classes depend neither on the order of the answers nor on how many there are of each.
    """
    exact = sorted({key.exact for key in keys})
    parent = {key: key for key in exact}

    def root(key: str) -> str:
        while parent[key] != key:
            key = parent[key]
        return key

    partial = [key for key in exact if key.startswith("v:") and "?" in key]
    for at, key in enumerate(partial):
        for other in (key_ for key_ in exact if key_.startswith("v:") and (key_ not in partial[: at + 1])):
            if same(key, other) and root(key) != root(other):
                parent[max(root(key), root(other))] = min(root(key), root(other))
    stated: dict[str, set[str]] = defaultdict(set)
    for key in set(keys):
        for loose in key.loose:
            if loose in parent and root(loose) != root(key.exact):
                stated[root(loose)].add(root(key.exact))
    spoken = {key.exact: key for key in keys}
    for bare, fuller in sorted(stated.items()):
        full = sorted({root(key) for key in fuller})
        # x = 90 and 90 degrees state different things of one answer; 15 cm and 15 in of two.
        if all(meet(spoken[one], spoken[other]) for at, one in enumerate(full) for other in full[:at]):
            for key in full:
                if root(bare) != root(key):
                    parent[root(bare)] = root(key)
    numbers: dict[str, int] = {}
    return [numbers.setdefault(root(key.exact), len(numbers)) for key in keys]


def vote_classes(answers: Sequence[str]) -> list[int]:
    """Class number of each answer, equal for mathematically equal answers, in order of first appearance.

    Each distinct answer is worked on once and there are no pairwise checks but for roots of variables. An
    answer whose check is stopped by the limits is in a class with its own spelling only.
    """
    distinct = list(dict.fromkeys(answers))
    found = _all_keys(distinct, shared())
    keys = [found[answer] or Keys(f"t:{canonical(answer)}") for answer in distinct]
    number = dict(zip(distinct, classes(keys), strict=True))
    return [number[answer] for answer in answers]


def _all_keys(answers: Iterable[str], pool: Pool, cache: Cache | None = None) -> dict[str, Keys | None]:
    """Keys of distinct answers, None for one that the limits stopped."""
    found: dict[str, Keys | None] = {}
    hard: dict[str, list[str]] = defaultdict(list)
    for answer in answers:
        found[answer] = _quick(answer)
        if found[answer] is None:
            hard[clean(answer)].append(answer)
    results = _checked(hard, lambda text: {"op": "keys", "answers": [text]}, pool, cache)
    for text, spellings in hard.items():
        for answer in spellings:
            found[answer] = results[text] and Keys(results[text][0][0], frozenset(results[text][0][1]))
    return found


def _checked(
    texts: Iterable[str], task: Callable[[str], dict[str, Any]], pool: Pool, cache: Cache | None
) -> dict[str, Any]:
    """Result of the worker's task on each text, None where it was stopped; known ones come from the cache."""
    known = cache.values if cache else {}
    found = {text: known.get(text) for text in texts}
    todo = [text for text in found if text not in known]
    results = dict(zip(todo, pool.map(map(task, todo)), strict=True))
    done = {text: result for text, result in results.items() if result is not Lost}
    if cache:
        cache.add(done)
    return found | done


class Cache:
    """Results on disk, a JSON file per grader and version, written whole; an unreadable one is rebuilt."""

    def __init__(self, folder: str | os.PathLike[str], grader: str) -> None:
        """Read what is on disk, if anything."""
        self.path = Path(folder) / f"{grader}-{VERSION}-{_rules()}.json"
        self.values: dict[str, Any] = {}
        self.refresh()

    def refresh(self) -> None:
        """Take in what other processes have written."""
        try:
            stored = json.loads(self.path.read_text())
            if stored["digest"] == _digest(stored["values"]):
                self.values = stored["values"] | self.values
        except (OSError, ValueError, KeyError, TypeError):
            return

    def add(self, values: dict[str, Any]) -> None:
        """Store more results."""
        if not values:
            return
        self.refresh()
        self.values |= values
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self.path.parent, suffix=".tmp", delete=False) as file:
            json.dump({"digest": _digest(self.values), "values": self.values}, file)
        os.replace(file.name, self.path)


def _digest(values: dict[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=8).hexdigest()


@lru_cache(maxsize=1)
def _rules() -> str:
    """Digest of this package's code: a cache never outlives the rules that filled it."""
    digest = hashlib.blake2b(digest_size=6)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    for name in ("math-verify", "latex2sympy2_extended", "sympy"):
        digest.update(version(name).encode())
    return digest.hexdigest()


def grade_table(
    responses: pd.DataFrame,
    benchmark: pd.DataFrame,
    grader: str = "strict",
    extraction: str = "boxed",
    cache_dir: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    seconds: float = SECONDS,
    memory_mb: int = 1024,
) -> pd.DataFrame:
    """Grade a table of responses against a benchmark.

    `responses` has columns problem_id, sample, response and `benchmark` problem_id, answer. The result has
    one row per response, in the same order, with problem_id, sample, answer (as extracted, null where there
    is none), canonical (the vote class within the problem: the canonical form in the class that sorts first;
    null without an answer), correct (bool) and status in {graded, no_answer, timed_out}.

    Each distinct answer is checked once, hard ones in `workers` processes (default: the cores) with `seconds`
    of processor time, 8 s on the wall, and `memory_mb` of address space each. With `cache_dir` hard
    results are kept on disk by grader version; a time-out is never kept. Where `benchmark` has a column
    `problem` and the problem asks for a percentage, 10 and 10 % are the same answer. Raises ValueError for an
    unknown grader, extraction or problem_id.
    """
    import pandas as pd

    if grader not in GRADERS:
        raise ValueError(f"grader is one of {', '.join(GRADERS)}, not {grader!r}")
    gold = dict(zip(benchmark["problem_id"], benchmark["answer"].map(str), strict=True))
    unknown = sorted(set(responses["problem_id"]) - set(gold))
    if unknown:
        raise ValueError(f"the benchmark has no problem {unknown[0]!r}")
    if grader == "reference":
        from ttstudy.answers import reference

    def take(text: str) -> str | None:
        return reference.extract(text) if grader == "reference" else extract(text, extraction)

    texts = responses["response"].tolist()
    taken = {text: take(text) if isinstance(text, str) else None for text in dict.fromkeys(texts)}
    # Half a surrogate pair is no text: Parquet would refuse it.
    taken = {text: answer and answer.encode("utf-8", "replace").decode() for text, answer in taken.items()}
    answers = [taken[text] for text in texts]
    problems = responses["problem_id"].tolist()
    rows: list[tuple[Any, str | None]] = list(zip(problems, answers, strict=True))
    cache = None if cache_dir is None else Cache(cache_dir, grader)
    with Pool(workers, seconds, memory_mb) as pool:
        pairs: list[Pair] = [(problem, answer) for problem, answer in dict.fromkeys(rows) if answer is not None]
        verdicts, labels = GRADERS[grader](pairs, gold, pool, cache)
        if grader == "strict" and "problem" in benchmark:
            asked = {
                problem
                for problem, text in zip(benchmark["problem_id"], benchmark["problem"], strict=True)
                if ASKS_PERCENT.search(str(text)) and simple(_without_percent(gold[problem])) is not None
            }
            _percentages([pair for pair in pairs if pair[0] in asked], gold, verdicts, labels, pool, cache)
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
            "canonical": pd.array(shown, dtype="string"),
            "correct": [verdict is True for verdict in found],
            "status": pd.array(status, dtype="string"),
        }
    )


Pair = tuple[Any, str]


ASKS_PERCENT = re.compile(
    r"\b(?:what|which|as an?|the|how many)\s+(?:\w+\s+){0,2}?per\s?cent(?:age)?\b", re.I
)


def _without_percent(answer: str) -> str:
    """Answer without the percent sign behind it."""
    return re.sub(r"\s*(?:\\?%|\\text\s*\{\s*per\s?cent\s*\}|per\s?cent)\s*$", "", clean(answer))


def _percentages(
    pairs: list[Pair],
    gold: dict[Any, str],
    verdicts: dict[Pair, bool | None],
    labels: dict[Pair, str],
    pool: Pool,
    cache: Cache | None,
) -> None:
    """Put right verdicts and classes where the problem asks for a percentage: the sign may be left out."""
    if not pairs:
        return
    spoken = {pair: (pair[0], _without_percent(pair[1]) or pair[1]) for pair in pairs}
    bare = {problem: _without_percent(gold[problem]) for problem, _ in pairs}
    again, classes_again = _strict(list(dict.fromkeys(spoken.values())), bare, pool, cache)
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
    found = _all_keys(wanted, pool, cache)
    verdicts: dict[Pair, bool | None] = {}
    labels: dict[Pair, str] = {}
    for problem, answers in by_problem.items():
        target = found[gold[problem]]
        shown = {answer: canonical(answer) for answer in answers}
        keys = [found[answer] or Keys(f"t:{shown[answer]}") for answer in answers]
        numbers = classes(keys)
        first: dict[int, str] = {}
        for answer, number in zip(answers, numbers, strict=True):
            first[number] = min(first.get(number, shown[answer]), shown[answer])
        for answer, number in zip(answers, numbers, strict=True):
            labels[problem, answer] = first[number]
            if shown[answer] and clean(answer) == clean(gold[problem]):
                verdicts[problem, answer] = True
            elif target is None or (key := found[answer]) is None:
                verdicts[problem, answer] = True if shown[answer] == canonical(gold[problem]) else None
            else:
                verdicts[problem, answer] = meet(target, key)
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
    values = _reference_values(texts, pool, cache)

    def holds(row: Sequence[tuple[str, str]]) -> bool | None:
        pairs = [(values[one], values[other]) for one, other in row]
        found = [None if left is None or right is None else values_equal(left, right) for left, right in pairs]
        return True if True in found else None if None in found else False

    verdicts: dict[Pair, bool | None] = {pair: rows for pair, rows in needed.items() if isinstance(rows, bool)}
    for pair, rows in open_pairs.items():
        found = [holds(row) for row in rows]
        verdicts[pair] = False if False in found else None if None in found else True
    return verdicts, {pair: pair[1] for pair in pairs}


def _reference_values(texts: Iterable[str], pool: Pool, cache: Cache | None) -> dict[str, str | None]:
    """Value of each text as the reference grader reads it, None for one that the limits stopped."""
    from ttstudy.answers.reference import value

    found: dict[str, str | None] = {}
    hard: list[str] = []
    for text in texts:
        try:
            found[text] = value(text)
        except Undecided:
            hard.append(text)
    return found | _checked(hard, lambda text: {"op": "reference", "text": text}, pool, cache)


GRADERS = {"strict": _strict, "reference": _reference}

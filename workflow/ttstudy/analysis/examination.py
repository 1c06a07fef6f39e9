"""What is odd about the data of a study, before any number is made of them.

A finding is a row: what was looked for (`study.fields.FINDINGS`), in how many of how many things it was found, and
whether it is `severe` (no number of the pool means what it says), `noted` (a reader should know) or `none`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ttstudy.analysis.misplaced import Hits
from ttstudy.answers import canonical, gold
from ttstudy.answers.extraction import CUT
from ttstudy.answers.thinking import INVISIBLE, said
from ttstudy.study.fields import SEVERE

ENOUGH = 100
"""Responses of which none has an answer before that is severe: fewer than 3 % can have one then (95 % confidence)."""
UNANSWERED, FOREIGN, CREDITED = 0.1, 0.05, 0.01
"""Shares of responses from which a finding is noted: without an answer, in another script, cut and yet right."""
ONE_TEXT = 0.9
"""Share of problems all of whose samples are one text, from which that is noted."""
COPIES, LONG = 0.5, 200
"""Share of copies, among samples of at least so many letters and digits, from which they are noted."""

_KINDS = ("empty", "thinking", "cut", "unmarked")
_SCRIPTS = {
    "Han or Kana": r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff",
    "Hangul": r"\u1100-\u11ff\uac00-\ud7af",
    "Cyrillic": r"\u0400-\u052f",
    "Arabic": r"\u0600-\u06ff\u0750-\u077f",
    "Hebrew": r"\u0590-\u05ff",
    "Devanagari": r"\u0900-\u097f",
    "Bengali": r"\u0980-\u09ff",
    "Thai": r"\u0e00-\u0e7f",
}
"""Scripts of languages. Greek is left out, which formulas are full of."""
_WRITTEN = {name: re.compile(f"[{letters}]") for name, letters in _SCRIPTS.items()}
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_LEAST = 10
"""Letters of a text before it is of a script."""
_DENSE = {"Han or Kana": 3, "Hangul": 2}
"""Letters of the alphabet that one character stands for."""
_PLAIN = re.compile(r"[\W_]+")


def script(text: str) -> str | None:
    """Script that most of a text is written in, formulas' commands left out; None where it has too few letters."""
    words = _COMMAND.sub(" ", text)
    found = {"Latin": len(_LATIN.findall(words))}
    if not words.isascii():
        found |= {name: len(mark.findall(words)) * _DENSE.get(name, 1) for name, mark in _WRITTEN.items()}
    most = max(found, key=lambda name: found[name])
    return most if found[most] >= _LEAST else None


@dataclass
class Pool:
    """Counts of one pool of responses."""

    counts: Counter[int]
    """Samples by problem, in the benchmark's order."""
    texts: dict[int, list[tuple[int, bool]]] = field(default_factory=dict)
    """By problem, of each response that is not empty: a hash of its letters and digits, and whether they are many."""
    unanswered: Counter[str] = field(default_factory=Counter)
    foreign: Counter[str] = field(default_factory=Counter)
    cut_right: int = 0
    right: int = 0


class Examined:
    """Examines the responses of one policy to one benchmark, block by block."""

    def __init__(self, problems: pd.DataFrame, extraction: str, unfinished: bool) -> None:
        """`problems`: table `benchmark`; how answers were taken from responses: as the study has it."""
        self._place = {problem: place for place, problem in enumerate(problems["problem_id"])}
        texts = [str(text) for text in problems["problem"]]
        self._scripts = [script(text) for text in texts]
        self._hits = Hits([canonical(gold(answer)) for answer in problems["answer"]], texts)
        self._pools: dict[str, Pool] = {}
        self._extraction, self._unfinished = extraction, unfinished

    def add(self, pool: str, responses: pd.DataFrame, grades: pd.DataFrame, forms: Sequence[str | None]) -> None:
        """A block of a pool: tables `responses` and `grades`, row by row, and canonical forms of the answers."""
        known = self._pools.setdefault(pool, Pool(Counter(dict.fromkeys(self._place.values(), 0))))
        rows = zip(
            responses["problem_id"].map(self._place),
            responses["response"],
            responses["finish"],
            grades["status"].eq("no_answer"),
            grades["correct"],
            forms,
            strict=True,
        )
        for place, response, finish, silent, correct, form in rows:
            self._one(known, int(place), str(response), finish in CUT, bool(silent), bool(correct), form)

    def _one(
        self, pool: Pool, place: int, response: str, cut: bool, silent: bool, correct: bool, form: str | None
    ) -> None:
        pool.counts[place] += 1
        pool.right += correct
        pool.cut_right += cut and correct
        if silent:
            pool.unanswered[self._why(response, cut)] += 1
        if plain := _plain(response):
            pool.texts.setdefault(place, []).append((hash(plain), len(plain) >= LONG))
        wanted = self._scripts[place]
        if wanted is not None and (written := script(response)) not in (None, wanted):
            pool.foreign[f"{written} to {wanted}"] += 1
        self._hits.add(place, form, correct, response)

    def _why(self, response: str, cut: bool) -> str:
        """Why a response has no answer, of `_KINDS`."""
        if not INVISIBLE.sub(" ", response).strip():
            return "empty"
        spoken, thinking = said(response)
        if not spoken.strip() or thinking and not self._unfinished:
            return "thinking"
        return "cut" if cut else "unmarked"

    def findings(self) -> list[dict[str, Any]]:
        """A row per pool and thing looked for, and one for all pools together; without the names of the cell."""
        rows = [self._misplaced()]
        for name, pool in self._pools.items():
            rows += [row | {"pool": name} for row in self._of_pool(name, pool)]
        return rows

    def _misplaced(self) -> dict[str, Any]:
        found = self._hits.verdict()
        text = (
            f"{_percent(found.others, found.answered)} of the answers are the gold answer of another problem, "
            f"{_percent(found.own, found.answered)} that of their own"
        )
        if found.misplaced:
            text += ". The responses, or the gold answers, belong to other problems"
        if found.misplaced and 2 * found.nearer > found.pairs:
            text += f"; of {found.pairs:,} pairs {found.nearer:,} have the wording of the other problem"
        severity = "severe" if found.misplaced else "none"
        return _row("interleaved", severity, found.others, found.answered, text) | {"pool": "all"}

    def _of_pool(self, name: str, pool: Pool) -> list[dict[str, Any]]:
        drawn = pool.counts.total()
        silent = pool.unanswered.total()
        nothing = silent == drawn >= ENOUGH and name != "pilot"
        severity = "severe" if nothing else _noted(silent, drawn, UNANSWERED)
        rows = [_row("no_answer", severity, silent, drawn, self._silent(pool))]
        rows += [_row(kind, "none", pool.unanswered[kind], drawn, self._help(kind)) for kind in _KINDS]
        text = f"{_percent(pool.cut_right, drawn)} of the responses were cut off and count as right by an earlier mark"
        rows.append(_row("cut_credited", _noted(pool.cut_right, drawn, CREDITED), pool.cut_right, drawn, text))
        foreign = pool.foreign.total()
        told = ", ".join(f"{count:,} {which}" for which, count in pool.foreign.most_common(3))
        text = f"responses are written in another script than their problems: {told}"
        rows.append(_row("other_language", _noted(foreign, drawn, FOREIGN), foreign, drawn, text))
        most = max(pool.counts.values(), default=0)
        fewer = sum(count < most for count in pool.counts.values())
        text = f"problems have {min(pool.counts.values(), default=0):,} to {most:,} responses each"
        rows.append(_row("unequal_samples", "noted" if fewer else "none", fewer, len(pool.counts), text))
        return [*rows, _identical(pool)]

    def _silent(self, pool: Pool) -> str:
        share = _percent(pool.unanswered.total(), pool.counts.total())
        parts = [f"{count:,} {self._help(kind)}" for kind, count in pool.unanswered.most_common()]
        return f"{share} of the responses gave no answer: {'; '.join(parts)}"

    def _help(self, kind: str) -> str:
        """What responses of a kind without an answer do, and the setting that would help."""
        if kind == "unmarked" and self._extraction == "boxed":
            return "box none, see `extraction`"
        return {
            "empty": "are empty, see `prompt`",
            "thinking": "never end their thinking, see `max_tokens` and `unfinished_thinking`",
            "cut": "were cut off, see `max_tokens`",
            "unmarked": "conclude nothing, see `prompt`",
        }[kind]


def _identical(pool: Pool) -> dict[str, Any]:
    """Whether the samples of a problem are one text, or mostly copies, as a cache or a seed used twice makes them."""
    several = [found for found in pool.texts.values() if len(found) > 1]
    same = sum(len(set(found)) == 1 for found in several)
    long = [[text for text, is_long in found if is_long] for found in several]
    copies = sum(len(found) - len(set(found)) for found in long)
    drawn = sum(max(0, len(found) - 1) for found in long)
    if drawn >= ENOUGH and same < ONE_TEXT * len(several):
        text = f"{_percent(copies, drawn)} of the further samples repeat an earlier one of their problem word for word"
        return _row("identical_samples", _noted(copies, drawn, COPIES), copies, drawn, text)
    text = f"all samples are one text in {same:,} of {len(several):,} problems"
    severity = _noted(same, len(several), ONE_TEXT)
    if severity == "noted":
        text += ", so nothing here tells about N > 1: a temperature of 0, or a cache of the source"
    return _row("identical_samples", severity, same, len(several), text)


# -- problems, and what PRMs read ------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """Letters and digits of a text, without case."""
    return _PLAIN.sub("", str(text).casefold())


def of_problems(benchmarks: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Findings about the problems of each benchmark: texts that are there twice, and in another benchmark too."""
    plain = {name: [_plain(text) for text in frame["problem"]] for name, frame in benchmarks.items()}
    rows = []
    for name, texts in plain.items():
        twice = len(texts) - len(set(texts))
        text = f"{twice:,} of {len(texts):,} problems have the text of an earlier one"
        mine = [_row("duplicate_problems", "noted" if twice else "none", twice, len(texts), text)]
        others = {other: len(set(texts) & set(theirs)) for other, theirs in plain.items() if other != name}
        told = ", ".join(f"{count:,} in {other}" for other, count in others.items() if count)
        shared = len(set(texts) & {text for other in others for text in plain[other]})
        text = f"problems of this benchmark are in another one too: {told}"
        mine.append(_row("shared_problems", "noted" if shared else "none", shared, len(texts), text))
        rows += [row | {"benchmark": name, "policy": "all", "pool": "problems"} for row in mine]
    return rows


_PAST = {
    "score": "they are read on past it",
    "cut": "steps past it score 0",
    "windows": "they are read in windows",
    "refuse": "they are refused",
}
"""What becomes of a solution that is longer than a PRM's context, by the study's rule."""


def of_scores(overlong: pd.DataFrame, rules: Mapping[str, str]) -> list[dict[str, Any]]:
    """Findings about solutions that are longer than their PRM's context; `rules`: `overflow` by PRM."""
    told = overlong[overlong["overlong"].notna()]
    rows = []
    for (benchmark, policy, prm), part in told.groupby(["benchmark", "policy", "prm"], sort=False):
        long, scored = int(part["overlong"].sum()), int(part["scored"].sum())
        past = _PAST.get(rules.get(str(prm), ""), "the PRM's rule holds")
        text = f"{long:,} of {scored:,} solutions are longer than the context of {prm}: {past}"
        row = _row("overlong", "noted" if long else "none", long, scored, text)
        rows.append(row | {"benchmark": benchmark, "policy": policy, "prm": prm, "pool": "scored"})
    return rows


def of_searches(counts: pd.DataFrame) -> list[dict[str, Any]]:
    """Findings about the answers of searches, by table `counts`: a row per search method and PRM, all budgets together.

    Their answers are told by how they ended alone: a search draws unequal numbers of them, and alike ones, by design.
    """
    rows = []
    drawn = counts[counts["prm"].ne("none")]  # of pools no PRM is named
    for (benchmark, policy, prm, method), part in drawn.groupby(["benchmark", "policy", "prm", "method"], sort=False):
        answers, silent = int(part["responses"].sum()), int(part["no_answer"].sum())
        cut = int(part["cut"].fillna(0).sum())
        by = str(method).replace("_", " ")
        text = f"{_percent(silent, answers)} of the answers of {by} gave none"
        text += f"; {cut:,} were cut off, see `max_tokens` and `search.max_depth`" if cut else ""
        severity = "severe" if silent == answers >= ENOUGH else _noted(silent, answers, UNANSWERED)
        row = _row("no_answer", severity, silent, answers, text)
        rows.append(row | {"benchmark": benchmark, "policy": policy, "prm": prm, "pool": method})
    return rows


# -- rows ------------------------------------------------------------------------------------------------------------


def _row(finding: str, severity: str, count: int, examined: int, text: str) -> dict[str, Any]:
    row = {"finding": finding, "severity": severity, "count": int(count), "examined": int(examined)}
    return row | {"text": text if count else "", "prm": "none"}


def _noted(count: int, examined: int, share: float) -> str:
    return "noted" if count and count >= share * examined else "none"


def _percent(count: int, whole: int) -> str:
    return f"{100 * count / whole:.1f} %" if whole else "none"


def drawn_of(findings: pd.DataFrame) -> int:
    """Responses that were examined, without the answers of searches."""
    return int(findings.loc[findings["finding"].eq("no_answer") & findings["prm"].eq("none"), "examined"].sum())


def summary(findings: pd.DataFrame) -> str:
    """What the examination came to, in a sentence."""
    odd = int(findings["severity"].ne("none").sum())
    drawn = drawn_of(findings)
    found = f"{odd:,} finding{'s' if odd > 1 else ''}, see the report" if odd else "nothing odd was found"
    return f"The data were examined, {drawn:,} responses among them: {found}."


def stopping(findings: pd.DataFrame, accepted: Iterable[str]) -> pd.DataFrame:
    """The findings that stop a study: severe ones that it does not accept."""
    return findings[findings["severity"].eq("severe") & ~findings["finding"].isin(list(accepted))]


def refusal(found: pd.DataFrame) -> str:
    """What stops a study, and how it could go on."""
    names = ", ".join(name for name in SEVERE if name in set(found["finding"]))
    return (
        f"{'. '.join(told(found))}. Mend the data, or let the study go on with `accept_findings: [{names}]`. Jobs that "
        "do not wait for this go on to their end; Ctrl-C ends them"
    )


def told(findings: pd.DataFrame) -> list[str]:
    """A sentence for each finding that is noted or severe, with what it is about."""
    odd = findings[findings["severity"].ne("none")]
    return [f"{row.policy} on {row.benchmark} ({row.pool}): {row.text}" for row in odd.itertuples()]

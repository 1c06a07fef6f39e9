r"""Gold answers as benchmarks write them, and what their problems let an answer leave out.

A gold answer may be a worked solution with `#### 5` or a box, a list, the letter of an option.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from ttstudy.answers.cleaning import clean
from ttstudy.answers.extraction import find
from ttstudy.answers.units import known, singular

LONGEST = 600
"""Characters of a gold answer: a longer one is a solution, which needs a mark of where its answer is."""
_SOLUTION = re.compile(r"(?<!#)####(?!#)[ \t]*(\S(?:(?!####).)*)$", re.M)
_OPTION = r"\(\s*{0}\s*\)(?:\s*\}})?\s*(.{{1,200}}?)\s*(?=\$?\s*(?:\\\w+\s*\{{\s*)?\(\s*[A-J]\s*\)|\n|$)"
_LETTER = re.compile(r"(?:\\(?:text|textbf|mathrm)\s*\{\s*)?\(?\s*([A-J])\s*\)?[.:]?\s*\}?")
_ASKS_PERCENT = re.compile(r"\b(?:what|which|as an?|the|how many)\s+(?:\w+\s+){0,2}?per\s?cent(?:age)?\b", re.I)
_COUNTED = re.compile(r"(.*[\d}])\s*\\?(?:text\s*\{\s*)?([A-Za-z]+)\s*\}?")


def gold(answer: str | float | Decimal | Sequence[object]) -> str:
    r"""The gold answer that a benchmark's field holds: what follows its last `####`, its last box, the text as it is.

    Several answers in a list are one answer with commas. Raises ValueError with the reason where no answer is found: in
    a text of several lines or beyond all length that marks none, in one whose brackets do not close.
    """
    if not isinstance(answer, str):
        parts = answer if isinstance(answer, Sequence) else [answer]
        return ", ".join(gold(part if isinstance(part, str) else str(part)) for part in parts)
    text = answer.strip()
    if marks := _SOLUTION.findall(text):
        text = marks[-1].strip()
    elif "boxed" in text and (found := find(text, "boxed")) and found.kind in ("box", "boxes"):
        text = found.answer
    elif len(text.splitlines()) > 1 and not re.search(r"\\begin|\\\\", text):
        raise ValueError("has several lines and marks no answer; put `#### ` before it, or give the answer alone")
    if len(text) > LONGEST:
        raise ValueError(f"has {len(text):,} characters; give the answer alone")
    if not re.search(r"[^\W_]|\\[A-Za-z]|∅|∞", text):
        raise ValueError(f"{text[:20]!r} says nothing; give a number, a formula, words or a letter")
    if _unbalanced(text):
        raise ValueError(f"{text[:40]!r} has a brace that is not closed; write it out")
    return text


def _unbalanced(text: str) -> bool:
    depth = 0
    for mark in re.findall(r"\\.|[{}]", text):
        depth += (mark == "{") - (mark == "}")
        if depth < 0:
            return True
    return depth != 0


def with_option(answer: str, problem: str) -> str:
    r"""A letter with the option that the problem states for it, `(D)` as `(D) 15`; other answers as they are."""
    letter = _LETTER.fullmatch(answer.strip())
    if letter is None or not re.search(r"\(\s*A\s*\)[\s\S]*\(\s*B\s*\)", problem):
        return answer
    options = re.findall(_OPTION.format(letter[1]), problem)
    option = re.sub(r"\\q?quad|\\ |[$~]", " ", options[-1]).strip(" .,;") if options else ""
    return f"({letter[1]}) {option}" if option and not _unbalanced(option) else answer


def without_percent(answer: str) -> str:
    """Answer without the percent sign behind it."""
    return re.sub(r"\s*(?:\\?%|\\text\s*\{\s*per\s?cent\s*\}|per\s?cent)\s*$", "", clean(answer))


def as_asked(answer: str, problem: str) -> str:
    """Answer without what its problem asks for by name: the percent sign, the dozens, the daps that it speaks of."""
    if _ASKS_PERCENT.search(problem) and (bare := without_percent(answer)) != clean(answer):
        return bare or answer
    counted = _COUNTED.fullmatch(clean(answer)) if len(answer) < 200 else None
    if counted is None:
        return answer
    word = singular(counted[2].lower())
    how_many = re.search(rf"\bhow many\s+(?:\w+\s+){{0,2}}?{word}", problem, re.I)
    spoken = not known(counted[2]) and word in map(singular, re.findall(r"[a-z]+", problem.lower()))
    return counted[1] if how_many or spoken else answer

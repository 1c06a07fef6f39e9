"""What an answer may leave out or say again because its problem asks for it by name: a percentage, dozens, daps."""

from __future__ import annotations

import re

from ttstudy.answers.cleaning import clean
from ttstudy.answers.units import known, singular

ASKS_PERCENT = re.compile(r"\b(?:what|which|as an?|the|how many)\s+(?:\w+\s+){0,2}?per\s?cent(?:age)?\b", re.I)
COUNTED = re.compile(r"(.*[\d}])\s*\\?(?:text\s*\{\s*)?([A-Za-z]+)\s*\}?")


def without_percent(answer: str) -> str:
    """Answer without the percent sign behind it."""
    return re.sub(r"\s*(?:\\?%|\\text\s*\{\s*per\s?cent\s*\}|per\s?cent)\s*$", "", clean(answer))


def as_asked(answer: str, problem: str) -> str:
    """Answer without what its problem asks for by name: the percent sign, the dozens, the daps that it speaks of."""
    if ASKS_PERCENT.search(problem) and (bare := without_percent(answer)) != clean(answer):
        return bare or answer
    counted = COUNTED.fullmatch(clean(answer)) if len(answer) < 200 else None
    if counted is None:
        return answer
    word = singular(counted[2].lower())
    how_many = re.search(rf"\bhow many\s+(?:\w+\s+){{0,2}}?{word}", problem, re.I)
    spoken = not known(counted[2]) and word in map(singular, re.findall(r"[a-z]+", problem.lower()))
    return counted[1] if how_many or spoken else answer

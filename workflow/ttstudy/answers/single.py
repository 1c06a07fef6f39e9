"""One response against one gold answer: what `grade_table` does, for a single call."""

from __future__ import annotations

from dataclasses import dataclass

from ttstudy.answers.asked import as_asked
from ttstudy.answers.extraction import find
from ttstudy.answers.gold import gold, with_option
from ttstudy.answers.grading import TimedOut, equivalent


@dataclass(frozen=True)
class Grade:
    """Whether a response is right (None where the check was stopped), the answer it gives, and why that one.

    `found` is of `extraction.KINDS`; answer and `found` are None where the response states no answer.
    """

    correct: bool | None
    answer: str | None = None
    found: str | None = None


def grade(response: str, answer: str, problem: str = "") -> Grade:
    """Grade a response against a gold answer as a benchmark writes it; the problem's text helps where it is known.

    Raises ValueError where the gold answer cannot be read.
    """
    target = with_option(gold(answer), problem)
    found = find(response)
    if found is None:
        return Grade(False)
    try:
        right = equivalent(target, found.answer)
        if not right and problem:
            right = equivalent(as_asked(target, problem), as_asked(found.answer, problem))
    except TimedOut:
        return Grade(None, found.answer, found.kind)
    return Grade(right, found.answer, found.kind)

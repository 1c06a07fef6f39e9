"""Answers: find the one that a response gives, say whether two are the same, and grade.

    >>> from ttstudy.answers import grade
    >>> grade("So 3 * 4 = 12.\\n\\nShe has 12 eggs.", "#### 12")
    Grade(correct=True, answer='12', found='number')

`extract` takes the answer from a response and `find` says why it is that one; `equivalent` compares two answers,
`canonical` gives one text for all spellings, `vote_classes` groups answers for a vote, `gold` reads a benchmark's
answer; `grade` grades one response and `grade_table` a table of them. POLICY.md beside this file states the rules.
Model text is hostile: this process reads nothing but plain numbers, and workers with hard limits read the rest. The
package imports nothing else of ttstudy.
"""

from __future__ import annotations

from ttstudy.answers.extraction import extract, find
from ttstudy.answers.gold import gold
from ttstudy.answers.grading import Grade, TimedOut, canonical, equivalent, grade, grade_table, vote_classes
from ttstudy.answers.sentences import Found

__all__ = [
    "Found", "Grade", "TimedOut", "canonical", "equivalent", "extract", "find", "gold", "grade", "grade_table",
    "vote_classes",
]  # fmt: skip

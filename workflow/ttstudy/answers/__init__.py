"""Answers: find the one that a response gives, say whether two are the same, and grade whole tables.

`extract` takes the answer from a response, `equivalent` compares two, `canonical` and `vote_classes` group
them for a vote, `grade_table` grades. POLICY.md beside this file states the rules. Model text is hostile:
nothing here takes more than bounded time in this process, and computer algebra runs in workers with hard
limits.
"""

from __future__ import annotations

from ttstudy.answers.extraction import extract
from ttstudy.answers.grading import TimedOut, equivalent, grade_table, vote_classes
from ttstudy.answers.showing import canonical

__all__ = ["TimedOut", "canonical", "equivalent", "extract", "grade_table", "vote_classes"]

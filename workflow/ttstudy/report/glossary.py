"""Words that a reader may not know, each explained once: pages of the report and of docs/ have these texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ttstudy.kinds.methods import GREEDY, METHODS


@dataclass(frozen=True)
class Word:
    """A word, what it is, and how else sentences have it."""

    name: str
    about: str
    forms: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Its anchor on a page."""
        return "word-" + re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


_COMMON = (
    Word("policy", "A language model that writes responses.", ("policies", "Policy", "Policies")),
    Word(
        "PRM",
        "Process reward model: gives each step of a response a score between 0 and 1.",
        ("PRMs", "process reward model"),
    ),
    Word("response", "One solution that a policy wrote, step by step, ending in an answer."),
    Word("N", "The budget: how many candidate solutions a method may draw for one problem."),
    Word("M", "The beam width: into how many candidates a search grows each path that it keeps. It is 4."),
    Word("CoT", "Chain of thought: one greedy response, the baseline.", ("greedy answer", "greedy answers")),
    Word(
        "TTS",
        "Test-time scaling: more computing while answering, by drawing or searching among N candidates.",
        ("test-time scaling", "Test-time scaling"),
    ),
    Word("pool", "The responses drawn once from a policy for a problem. Every N up to their number is read off it."),
    Word("pilot", "A few more responses, apart from the pool. They tell how hard a problem is for the policy."),
    Word(
        "difficulty",
        "Easy, medium or hard, by the share of a policy’s own pilot responses that are right.",
        ("level", "levels"),
    ),
    Word("score", "Of a response: the lowest (PRM-Min), last (PRM-Last) or mean (PRM-Avg) score of its steps."),
    Word("vote", "How one answer is taken from several responses. Majority is the vote without a PRM."),
    Word("PRM-Vote", "The vote in which the responses of an answer add their scores.", ("sum of scores",)),
    Word("PRM-Max", "The vote in which the response with the best score decides."),
    Word("Pass@1", "The share of sampled responses that are right."),
    Word(
        "compute-optimal",
        "The best method for each policy, PRM, difficulty and N, chosen on other problems than those that judge it.",
        ("Compute-optimal",),
    ),
    Word(
        "cross-fitted",
        "Chosen on some problems and judged on others, over and over, so that luck does not count.",
        ("cross-fitting",),
    ),
    Word("FLOPs", "Floating-point operations of policy and PRM while answering."),
    Word("Pareto front", "The points that nothing else beats at their cost or below.", ("front",)),
    Word(
        "Holm-corrected",
        "Among many comparisons some are won by luck. This correction asks more of each.",
        ("Holm’s correction", "Holm's correction", "Holm"),
    ),
    Word(
        "interval",
        "95 % confidence interval over problems: it speaks for other problems of this kind.",
        ("intervals", "95 % interval", "95 % intervals"),
    ),
    Word("beyond chance", "A difference too large to come from the choice of problems alone."),
    Word("AUC", "How often a PRM scores a right step above a wrong one. 0.5 is guessing, 1 is never failing."),
    Word("claim", "A statement of the paper or an article on it, held against this study’s numbers.", ("claims",)),
    Word("points", "Percentage points: a difference of two shares, each in percent."),
)

_METHODS = tuple(
    Word(method.look.label, method.about, tuple({method.look.words, method.look.label} - {method.look.label}))
    for name, method in METHODS.items()
    if name != GREEDY
)

WORDS: tuple[Word, ...] = (*_COMMON, *_METHODS)
"""All of them, in the order in which pages list them."""
_FORMS = {form: word for word in WORDS for form in (word.name, *word.forms)}
_FOUND = re.compile(
    r"(?<![\w@/.-])(?:" + "|".join(re.escape(form) for form in sorted(_FORMS, key=len, reverse=True)) + r")(?![\w@-])"
)


def explained(text: str, known: Sequence[str] = (), most: int = 6) -> list[tuple[str, Word | None]]:
    """A text in pieces, each with the word that it is a form of; the first of each word, `most` words, none `known`.

    `known` are keys that need no explanation there.
    """
    pieces: list[tuple[str, Word | None]] = []
    seen, at = set(known), 0
    for found in _FOUND.finditer(text):
        word = _FORMS[found[0]]
        if word.key in seen or len(seen) - len(known) >= most:
            continue
        seen.add(word.key)
        pieces += [(text[at : found.start()], None), (found[0], word)]
        at = found.end()
    return [piece for piece in (*pieces, (text[at:], None)) if piece[0]]

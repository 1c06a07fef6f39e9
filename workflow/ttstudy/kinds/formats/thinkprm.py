"""ThinkPRM: a chain of thought that judges every step, then the whole (arXiv 2504.16828, github.com/mukhal/thinkprm).

The prompt is that of its code, `format_verification_cot_for_thinkprm`. Published is the mean over chains of P(yes),
among yes and no, after `Is the solution correct?`: the score of a solution, or of its beginning in a search; so here it
is the score of the last step. The decision is drawn at temperature 1, as published, so that the share of yes estimates
that mean without bias. Steps before have the verdict of their `\\boxed{correct}` or `\\boxed{incorrect}`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ttstudy.kinds.formats._parts import Published, checked
from ttstudy.kinds.formats._verdicts import Ask, Judgement, VerdictFormat

INSTRUCTION = (
    "Review and critique each step in the proposed solution to determine whether each step is correct. If the solution "
    "is incomplete, only verify the provided steps."
)
BEGIN = "\nLet's verify step by step:"
QUESTION = "Is the solution correct?"
_NUMBER = re.compile(r"(## )?Step \d+:")
_BOX = re.compile(r"\\boxed\{(correct|incorrect)\}")
_DECISION = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


def prompt(problem: str, steps: Sequence[str]) -> str:
    """What the judge is asked: steps on lines of their own, numbered anew."""
    bare = [_NUMBER.sub("", step).strip() or step for step in steps]
    solution = "\n".join(f"Step {number}: {step}" for number, step in enumerate(bare, 1))
    given = "You are given a math problem and a proposed step-by-step solution:"
    return f"{given}\n\n[Math Problem]\n\n{problem}\n\n[Solution]\n\n{solution}\n\n{INSTRUCTION}"


def of_steps(chain: str, count: int) -> list[bool | None]:
    """Verdicts of a chain of thought on `count` steps: its boxes in their order, one per step.

    The judge may stop at the first incorrect step, so it calls none from there on correct. Boxes past the last step are
    of no step; a step for which there is no box, since the chain was cut, has no verdict.
    """
    boxes: list[bool | None] = [box == "correct" for box in _BOX.findall(chain)[:count]]
    rest = False if False in boxes else None
    right = boxes.index(False) if False in boxes else len(boxes)
    return [*boxes[:right], *[rest] * (count - right)]


def decision(answer: str) -> bool | None:
    """The word after the question: yes or no, in any case; None for anything else."""
    found = _DECISION.match(answer)
    return None if found is None else found[1].lower() == "yes"


def judge(problem: str, steps: Sequence[str]) -> Judgement:
    """One chain of thought and the decision that it is asked for at its end, wherever that came."""
    steps = checked(steps)
    stop = (QUESTION, "</think>", f"Step {len(steps) + 1}:")
    chain = yield Ask(BEGIN, chat=[{"role": "user", "content": prompt(problem, steps)}], stop=stop)
    answer = yield Ask(f"\n{QUESTION}", most=4, plain=True)
    return [*of_steps(chain, len(steps))[:-1], decision(answer)]


THINKPRM = VerdictFormat(
    label="ThinkPRM",
    published={f"launch/ThinkPRM-{size}": Published() for size in ("1.5B", "7B", "14B")},
    judge=judge,
    temperature=0.4,  # the authors' recipe for several chains
    max_tokens=4096,
)

"""REBASE, reward-balanced search: the budget of each depth is shared over its steps by their scores.

Departures from the official code (thu-wyz/inference_scaling): of equal scores the step drawn first comes first, and a
path that was cut, which that code would go on with, has ended. The paper rounds each share by itself, which can
give out more or less than there is; the code's rule, taken here, gives out all of it, high scores first.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, exp

from ttstudy.kinds.methods._method import Growth, Method, Option, Room, Some
from ttstudy.kinds.registry import Look

ROUNDING = 1e-6
"""A share above a whole number by no more is that number: equal scores may differ in their last bits."""


def balanced(ended: Sequence[Some], drawn: Sequence[Some], room: Room) -> list[Some]:
    """Every path that has ended, and each open one as many times as its share of what is left of N.

    With scores R sorted from the highest and b left to give, path j gets ceil(b exp(R_j / T) / sum of exp(R_k / T)
    over k from j on), and the next shares what then is left.
    """
    over = [*ended, *(path for path in drawn if not path.open)]
    ranked = sorted((path for path in drawn if path.open), key=lambda path: (-path.value, path.number))
    left, temperature, shares = room.width - len(over), room.own["temperature"], list[Some]()
    for place, path in enumerate(ranked):
        # Relative to its own score, so that equal scores are exactly equal and none is too large for a float.
        rest = sum(exp((other.value - path.value) / temperature) for other in ranked[place:])
        share = ceil(left / rest - ROUNDING)
        shares += [path] * share
        left -= share
    return [*over, *shares]


METHOD = Method(
    look=Look("REBASE", colour="#7a3fa0", dark="#c093e6", marker="P", dash=(0, (3, 1.2))),
    rank=50,
    about="One tree; the candidates of each step are shared over all paths by a softmax of their scores.",
    source="Wu et al. 2024, arXiv 2408.00724",
    draws="search",
    judged="prm",
    simplicity=40,
    growth=Growth(
        select=balanced,
        options={
            "temperature": Option(
                0.1, "of the softmax of scores by which candidates are shared; the paper's 0.1", above=0.0, most=1000.0
            )
        },
    ),
)

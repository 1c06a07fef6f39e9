"""Particle filtering: N paths are drawn anew from among themselves at every step, with the odds of their scores.

As in the official code (probabilistic-inference-scaling): multinomial, at every step, ended paths too, and not once all
have ended. The paper's text speaks of a product of scores; its code takes the newest, as `search.score: last` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, log1p
from sys import float_info

from ttstudy.kinds.methods._method import Growth, Method, Option, Room, Some
from ttstudy.kinds.registry import Look


def resampled(ended: Sequence[Some], drawn: Sequence[Some], room: Room) -> list[Some]:
    """N paths drawn with replacement, each with chance proportional to (score / (1 - score)) ^ (1 / T)."""
    particles = [*ended, *drawn]
    if not any(path.open for path in particles):
        return particles
    logits = [_logit(path.value) for path in particles]
    best, temperature = max(logits), room.own["temperature"]
    weights = [exp((logit - best) / temperature) for logit in logits]
    return room.random().choices(particles, weights=weights, k=room.width)


def _logit(score: float) -> float:
    clipped = min(max(score, float_info.epsilon), 1 - float_info.epsilon)
    return log(clipped) - log1p(-clipped)


METHOD = Method(
    look=Look(
        "Particle filtering", "particle filtering", "particles", colour="#8a7a00", dark="#d3c13b", marker="X", dash="--"
    ),
    rank=60,
    about="N paths, drawn anew from among themselves at every step, with the odds of their scores.",
    source="Puri et al. 2025, arXiv 2502.01618",
    draws="search",
    judged="prm",
    simplicity=50,
    growth=Growth(
        select=resampled,
        replayable=False,
        options={
            "temperature": Option(1.0, "of the softmax of the scores' logits; the paper's 1", above=0.0, most=1000.0)
        },
    ),
)

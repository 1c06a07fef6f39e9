"""Length bias: how far the score falls when a step is twice as long.

Among steps that are equally right and stand at the same place: least squares on log2(length) with one intercept for
each of these groups.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ttstudy.kinds.flaws._flaw import Fit, Flaw, Look, Round, Scored, Steps


def _fall(totals: Sequence[np.ndarray]) -> np.ndarray:
    n, sx, sy, sxx, sxy = totals
    n = np.maximum(n, 1e-300)
    down = (sxx - sx * sx / n).sum(axis=-1)
    slope = np.divide((sxy - sx * sy / n).sum(axis=-1), down, out=np.full_like(down, np.nan), where=down > 1e-9)
    return -slope


def _measure(steps: Steps) -> Fit | None:
    right = steps.is_right
    used = right | steps.is_error
    if not used.any():
        return None
    x, y = np.log2(steps.length[used]), steps.score[used]
    groups = np.unique(np.stack([steps.position[used], right[used]]), axis=1, return_inverse=True)[1].ravel()
    units, width = steps.problem[steps.solution[used]], int(groups.max()) + 1
    x, y = x - x.mean(), y - y.mean()  # so that sums of squares lose no digits
    cell = units * width + groups
    shape = (int(units.max()) + 1, width)
    size = shape[0] * width
    sums = [np.bincount(cell, weights, size).reshape(shape) for weights in (np.ones_like(x), x, y, x * x, x * y)]
    return Fit(sums, _fall, int(used.sum()))


def _repair(path: Scored, round_: Round) -> list[float]:
    """Scores are corrected for their step's length by the slope measured for this PRM."""
    return [score + round_.measured * (size - round_.size) for score, size in zip(path.scores, path.sizes, strict=True)]


def _clearest(steps: Steps) -> np.ndarray:
    """The furthest fall, in a solution without an error, from a step to one that is at least half as long again."""
    found = np.full(len(steps.error), -1.0)
    for number, (scores, sizes) in enumerate(steps.apart()):
        if steps.clean[number]:
            longer = sizes[None, :] >= 1.5 * sizes[:, None]
            found[number] = np.where(longer, scores[:, None] - scores[None, :], 0.0).max(initial=0.0)
    return found


FLAW = Flaw(
    look=Look(
        "Fall of the score per doubling of length",
        "length bias",
        case="every step is right, and the score falls with a longer step",
        note="Length bias compares steps that are equally right and stand at the same place; length is in words, "
        "numbers and signs.",
    ),
    rank=40,
    source="arXiv 2502.06703, appendix C",
    measure=_measure,
    share=False,
    repair=_repair,
    clearest=_clearest,
)

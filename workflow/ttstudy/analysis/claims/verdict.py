"""The verdict engine: from estimates with intervals to a verdict, alike on both sides.

A claim says that a quantity is above zero. Its two-sided interval and p value decide: above zero it is `supported`,
below `contradicted`; within `MARGIN` of zero it is `equivalent`, where differences of accuracies have such a margin;
else it is `undecided`. Each tail of the test has half of the 5 %: without an effect neither verdict comes more often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from ttstudy.analysis.definitions import MARGIN, SIGNIFICANT
from ttstudy.analysis.statistics import Paired, holm

Verdict = Literal["contradicted", "undecided", "equivalent", "supported", "not run"]
"""What a check finds, the weakest first."""


class Judged(NamedTuple):
    """A verdict, and the least level at which it stands (of an undecided one: at which it would not be)."""

    verdict: Verdict
    p: float


def weakest(verdicts: Iterable[Verdict]) -> Verdict:
    """The weakest of the verdicts of checks that ran; `not run` of none."""
    return min(verdicts, key=get_args(Verdict).index, default="not run")


def judge(quantity: Paired, margin: float | None = MARGIN) -> Judged:
    """Verdict on a quantity that the claim says is above 0. Without a margin none is `equivalent`."""
    p = quantity.p if np.isfinite(quantity.p) else p_of(quantity)
    clear = p < SIGNIFICANT
    if clear and quantity.low > 0:
        return Judged("supported", p)
    if clear and quantity.high < 0:
        return Judged("contradicted", p)
    if margin is not None and -margin < quantity.low and quantity.high < margin:
        return Judged("equivalent", max(above(quantity, end).p for end in (-margin, margin)))
    return Judged("undecided", p)


def every(parts: Sequence[Judged]) -> Judged:
    """Verdict on a claim all of whose parts must be so; that one is not so is corrected for their number (Holm)."""
    verdicts = [part.verdict for part in parts]
    if all(verdict == "supported" for verdict in verdicts):
        return Judged("supported", max(part.p for part in parts))
    if (against := _one_of(parts, "contradicted")) < SIGNIFICANT:
        return Judged("contradicted", against)
    same = all(verdict == "equivalent" for verdict in verdicts)
    return Judged("equivalent" if same else "undecided", max(part.p for part in parts))


def some(parts: Sequence[Judged]) -> Judged:
    """Verdict on a claim of whose parts one must be so, corrected for their number (Holm)."""
    if (found := _one_of(parts, "supported")) < SIGNIFICANT:
        return Judged("supported", found)
    verdicts = [part.verdict for part in parts]
    if all(verdict == "contradicted" for verdict in verdicts):
        return Judged("contradicted", max(part.p for part in parts))
    same = set(verdicts) <= {"contradicted", "equivalent"}
    return Judged("equivalent" if same else "undecided", max(part.p for part in parts))


def most(parts: Sequence[Judged]) -> Judged:
    """Verdict on a claim of which more than half of the parts must be so.

    By the partial conjunction test of Benjamini and Heller (2008): the r-th smallest p value, times how many it leaves.
    """
    needed = len(parts) // 2 + 1
    decided: tuple[Verdict, Verdict] = ("supported", "contradicted")
    for verdict in decided:
        p = sorted(part.p for part in parts if part.verdict == verdict)
        if len(p) >= needed and (found := p[needed - 1] * (len(parts) - needed + 1)) < SIGNIFICANT:
            return Judged(verdict, found)
    return Judged("undecided", sorted(part.p for part in parts)[needed - 1])


def _one_of(parts: Sequence[Judged], verdict: Verdict) -> float:
    """Least p value of the parts with this verdict, corrected for the number of all parts; 1 where none has it."""
    adjusted = holm([part.p if part.verdict == verdict else 1.0 for part in parts])
    return float(min(adjusted, default=1.0))


def turned(quantity: Paired) -> Paired:
    """The same quantity with its sign turned."""
    return Paired(-quantity.difference, -quantity.high, -quantity.low, quantity.p)


def above(quantity: Paired, least: float) -> Paired:
    """How far a quantity is above `least`, with the p value of its own interval."""
    return known(quantity.difference - least, *_moved(quantity, -least))


def known(estimate: float, low: float, high: float) -> Paired:
    """A quantity of which only the interval is known, with the p value that this tells."""
    bare = Paired(estimate, low, high, np.nan)
    return bare._replace(p=p_of(bare))


def _moved(quantity: Paired, by: float) -> tuple[float, float]:
    return quantity.low + by, quantity.high + by


def p_of(quantity: Paired) -> float:
    """Two-sided p value that an interval tells: the normal score at zero of the side that looks to it."""
    from scipy.special import ndtr, ndtri

    estimate = quantity.difference
    half = estimate - quantity.low if estimate > 0 else quantity.high - estimate
    if half <= 0:
        return 0.0 if estimate else 1.0
    return float(2 * ndtr(ndtri(0.025) * abs(estimate) / half))


def ranks_agree(x: np.ndarray, y: np.ndarray, statistic: Callable[[np.ndarray, np.ndarray], float]) -> float:
    """Two-sided p value of a rank correlation whose units are the pairs of x and y: all orders of y are as likely."""
    from scipy.stats import permutation_test

    found = permutation_test(
        (x,), lambda order: statistic(order, y), permutation_type="pairings", n_resamples=10_000,
        rng=np.random.default_rng(len(x)), vectorized=False,
    )  # fmt: skip
    return float(found.pvalue)

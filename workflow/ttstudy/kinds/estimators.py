"""Estimators: the expected correctness of N of M responses under each rule, over arrays [P, M]."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb, lgamma

import numpy as np

ERROR = 0.001
"""Subsets are drawn until the standard error of a mean over problems is below this: 0.1 points."""
_MOST, _AT_ONCE = 2**15, 2**10
"""Subsets of a problem at most, and at a time."""
_ROUNDING = 1e-9
"""Relative difference below which two sums of scores are the same sum, added in another order."""


def coverage(correct: np.ndarray, n: int) -> np.ndarray:
    """Unbiased Pass@N: 1 - C(M - c, N) / C(M, N) for c correct of M, in exact integers."""
    size = correct.shape[1]
    table = np.array([1.0 - comb(size - c, n) / comb(size, n) for c in range(size + 1)])
    return table[correct.sum(axis=1)]


def best_of(worth: np.ndarray, keys: np.ndarray, budgets: list[int]) -> np.ndarray:
    """Expected worth of the largest of N keys, ties uniform: shape [P, budgets].

    The response at rank r of M (ascending) is the largest of N with probability C(r - 1, N - 1) / C(M, N);
    within a group of equal keys every member gets the group's mean worth.
    """
    problems, size = keys.shape
    order = np.argsort(keys, axis=1, kind="stable")
    ranked = np.take_along_axis(keys, order, axis=1)
    starts = np.ones((problems, size), dtype=bool)
    starts[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    group = np.cumsum(starts.ravel()) - 1
    sums = np.bincount(group, weights=np.take_along_axis(worth, order, axis=1).ravel().astype(float))
    mean = (sums / np.bincount(group))[group].reshape(problems, size)
    weights = np.array([[comb(r - 1, n - 1) / comb(size, n) for n in budgets] for r in range(1, size + 1)])
    return mean @ weights


# -- majority, exactly ---------------------------------------------------------------------------------------


def majority(correct: np.ndarray, answer_class: np.ndarray, n: int) -> np.ndarray:
    """Expected correctness of the majority of N responses, exactly; shape [P]."""
    result = np.zeros(len(correct))
    for i, (right, classes) in enumerate(zip(correct, answer_class, strict=True)):
        if right.any():
            counts, worth = _class_table(right, classes)
            blanks = int((classes < 0).sum())
            for j in np.flatnonzero(worth > 0):
                rivals = tuple(sorted(np.delete(counts, j).tolist()))
                result[i] += worth[j] * win_probability(int(counts[j]), rivals, blanks, n)
    return result


def _class_table(right: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Size of each class and the share of it that is correct."""
    kept = classes >= 0
    counts = np.bincount(classes[kept])
    sums = np.bincount(classes[kept], weights=right[kept].astype(float))
    there = counts > 0
    return counts[there], sums[there] / counts[there]


@lru_cache(maxsize=65_536)
def win_probability(own: int, rivals: tuple[int, ...], blanks: int, n: int) -> float:
    """Probability that a class of `own` responses wins the majority of N drawn without replacement.

    With t of its own drawn it must meet rivals that have at most t each, and it wins a tie when its random
    priority u is the highest: sum over t, integral over u, of the coefficient of x^(N - t) in C(own, t) *
    prod_a (sum_{s<t} C(a, s) x^s + u C(a, t) x^t) * (1 + x)^blanks, over C(M, N). The integral is a
    Gauss-Legendre sum (exact: the integrand is a polynomial in u), the coefficient a discrete Fourier sum
    (exact up to rounding: there are more points than coefficients). Binomial coefficients carry the factor
    r^s (1 - r)^(c - s), r = N / M, which cancels and keeps every number in [0, 1] whatever M.
    """
    size = own + sum(rivals) + blanks
    if n == size:
        most = max(rivals, default=0)
        return 0.0 if own < most else 1.0 / (1 + sum(a == own for a in rivals))
    rate = n / size
    sizes, repeats = np.unique(np.array(rivals, dtype=np.int64), return_counts=True)
    ts, us, weights = [], [], []
    for t in range(1, min(own, n) + 1):
        if t + int((np.minimum(sizes, t) * repeats).sum()) + blanks < n:
            continue
        degree = min(int(repeats[sizes >= t].sum()), (n - t) // t)
        nodes, node_weights = _gauss(degree // 2 + 1)
        ts += [t] * len(nodes)
        us += nodes.tolist()
        weights += node_weights.tolist()
    if not ts:
        return 0.0
    t, u, weight = np.array(ts), np.array(us)[:, None], np.array(weights)
    points = size - own + 1
    angle = 2j * np.pi * np.arange(points // 2 + 1) / points
    powers = np.exp(angle * np.arange(max([*rivals, blanks]) + 1)[:, None])
    product = np.ones((len(t), len(angle)), dtype=complex)
    for count, repeat in zip(sizes.tolist(), repeats.tolist(), strict=True):
        terms = _binomial(count, rate)[:, None] * powers[: count + 1]
        below = np.cumsum(terms, axis=0)[np.minimum(t - 1, count)]
        level = np.where((t <= count)[:, None], terms[np.minimum(t, count)], 0.0)
        product *= (below + u * level) ** repeat
    product *= (_binomial(blanks, rate)[:, None] * powers[: blanks + 1]).sum(axis=0)
    halves = np.full(len(angle), 2.0)
    halves[0] = 1.0
    if points % 2 == 0:
        halves[-1] = 1.0
    coefficient = (product * np.exp(-angle * (n - t)[:, None]) * halves).real.sum(axis=1) / points
    total = float((weight * _binomial(own, rate)[t] * coefficient).sum() / _binomial(size, rate)[n])
    return min(max(total, 0.0), 1.0)


@lru_cache(maxsize=4096)
def _binomial(count: int, rate: float) -> np.ndarray:
    """Binomial probabilities of 0..count successes."""
    # scipy.stats.binom.pmf takes 4 to 13 times as long, and the vote asks for thousands
    s = np.arange(count + 1)
    logs = np.array([lgamma(i + 1) for i in range(count + 1)])
    return np.exp(logs[count] - logs[s] - logs[count - s] + s * np.log(rate) + (count - s) * np.log1p(-rate))


@lru_cache(maxsize=512)
def _gauss(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on [0, 1]."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    return (x + 1) / 2, w / 2


# -- subsets -------------------------------------------------------------------------------------------------


class Subsets:
    """Subsets of N of `units` for each budget N, as 0/1 rows of one matrix: the common random numbers.

    All subsets where there are at most max(permutations, units) of them, else the first N of each
    permutation. `rows` is [subsets, units]; budget k has the rows from starts[k], sizes[k] of them.
    """

    def __init__(self, units: int, budgets: Sequence[int], permutations: int, seed: int | Sequence[int]) -> None:
        """Draw the permutations from `seed`."""
        rank = np.random.default_rng(seed).random((permutations, units)).argsort(axis=1).argsort(axis=1)
        blocks = []
        for n in budgets:
            if comb(units, n) <= max(permutations, units):
                block = np.zeros((comb(units, n), units))
                for row, chosen in enumerate(combinations(range(units), n)):
                    block[row, list(chosen)] = 1.0
            else:
                block = (rank < n).astype(float)
            blocks.append(block)
        self.units = units
        self.budgets = list(budgets)
        self.rows = np.concatenate(blocks) if blocks else np.zeros((0, units))
        self.sizes = np.array([len(block) for block in blocks], dtype=np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.int64)
        self.whole = np.array([comb(units, n) <= max(permutations, units) for n in budgets], dtype=bool)
        """Whether these are all subsets, for each budget."""


# -- any vote ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answers:
    """The responses to one problem that have an answer, K of them, and what a vote goes by."""

    unit: np.ndarray
    """What each was drawn with, from 0 [K]: itself, or its tree."""
    member: np.ndarray
    """Class of each answer, from 0 [K]."""
    score: np.ndarray
    """Score of each [K]; 1 where the vote has none."""
    blank_unit: np.ndarray
    blank_score: np.ndarray
    """Of the responses without an answer, which no vote counts: those that rank responses may rank them too."""
    units: int
    classes: int

    @property
    def one_hot(self) -> np.ndarray:
        """1 where a response's answer is of a class: [K, classes]."""
        return np.eye(self.classes)[self.member]

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum of one value per response over each unit and class: [units, classes]."""
        place = self.unit * self.classes + self.member
        sums = np.bincount(place, weights=values, minlength=self.units * self.classes)
        return sums.reshape(self.units, self.classes)

    @property
    def counts(self) -> np.ndarray:
        """Number of responses of each unit and class: [units, classes]."""
        return self.sums(np.ones(len(self.member)))


@dataclass(frozen=True, slots=True)
class Responses:
    """Graded and scored responses to P problems, M each, of which whole units are drawn."""

    correct: np.ndarray
    answer_class: np.ndarray
    """Class of each answer from 0, -1 for none [P, M]."""
    scores: np.ndarray | None
    """Score of each response [P, M]; None where a vote has none."""
    unit: np.ndarray | None
    """Tree of each response [P, M]; None: each is a unit of its own."""
    units: int

    def of(self, rows: np.ndarray) -> Responses:
        """Those of some problems."""
        scores, unit = (None if part is None else part[rows] for part in (self.scores, self.unit))
        return Responses(self.correct[rows], self.answer_class[rows], scores, unit, self.units)

    def answers(self) -> Iterator[tuple[int, np.ndarray, Answers]]:
        """Each problem that can be right: its row, the share of each class that is correct, and its answers."""
        for i, (right, classes) in enumerate(zip(self.correct, self.answer_class, strict=True)):
            if right.any():
                kept = np.flatnonzero(classes >= 0)
                member = np.unique(classes[kept], return_inverse=True)[1]
                worth = np.bincount(member, weights=right[kept].astype(float)) / np.bincount(member)
                unit = np.arange(len(classes)) if self.unit is None else self.unit[i]
                score = np.ones(len(classes)) if self.scores is None else self.scores[i]
                blank = np.flatnonzero(classes < 0)
                drawn = unit[kept], member, score[kept], unit[blank], score[blank]
                yield i, worth, Answers(*drawn, self.units, len(worth))

    def singles(self) -> Responses | None:
        """The same with one response per unit, [P, units]; None where a unit has several answers."""
        if self.unit is None:
            return self
        rows, unit, answered = self._answered()
        if np.bincount(rows * self.units + unit, minlength=1).max() > 1:
            return None
        right = np.zeros((len(self.correct), self.units), dtype=bool)
        classes = np.full(right.shape, -1, dtype=np.int64)
        right[rows, unit] = self.correct[answered]
        classes[rows, unit] = self.answer_class[answered]
        return Responses(right, classes, None, None, self.units)

    def best_of_units(self) -> tuple[np.ndarray, np.ndarray]:
        """Worth and score of each unit's best answer, both [P, units]: of equal ones the mean, of none -inf."""
        assert self.scores is not None, "a vote by scores was given none"
        if self.unit is None:
            return self.correct, np.where(self.answer_class >= 0, self.scores, -np.inf)
        rows, unit, answered = self._answered()
        scores = self.scores[answered]
        key = np.full((len(self.correct), self.units), -np.inf)
        np.maximum.at(key, (rows, unit), scores)
        top = scores == key[rows, unit]
        place = (rows * self.units + unit)[top]
        sums = np.bincount(place, weights=self.correct[answered][top].astype(float), minlength=key.size)
        worth = (sums / np.maximum(np.bincount(place, minlength=key.size), 1)).reshape(key.shape)
        return worth, key

    def _answered(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row and unit of each response that has an answer, and where those are [P, M]."""
        assert self.unit is not None
        answered = self.answer_class >= 0
        return np.nonzero(answered)[0], self.unit[answered], answered


def of_best(responses: Responses, budgets: Sequence[int]) -> np.ndarray:
    """Expected correctness of the best-scored of N units' answers, ties uniform: [P, budgets]."""
    return best_of(*responses.best_of_units(), list(budgets))


def estimated(
    responses: Responses, weights: Callable[[Answers, np.ndarray], np.ndarray], subsets: Subsets
) -> np.ndarray:
    """Expected correctness of a vote by its weights, over subsets that all votes share: [P, budgets].

    The class with the largest weight among those drawn wins; equal ones share the win. A subset without an answer is
    wrong.
    """
    result = np.zeros((len(responses.correct), len(subsets.budgets)))
    for i, worth, answers in responses.answers():
        there = subsets.rows @ answers.counts > 0.5
        table = np.where(there, weights(answers, subsets.rows), -np.inf)
        best = table.max(axis=1, keepdims=True)
        best = np.where(np.isfinite(best), best, 0.0)
        winners = there & (table >= best - _ROUNDING * np.abs(best))
        won = (winners @ worth) / np.maximum(winners.sum(axis=1), 1)
        result[i] = np.add.reduceat(won, subsets.starts) / subsets.sizes
    return result


def settled(
    responses: Responses,
    weights: Callable[[Answers, np.ndarray], np.ndarray],
    budgets: Sequence[int],
    permutations: int,
    seed: int,
    error: float = ERROR,
) -> np.ndarray:
    """Expected correctness of a vote by its weights, [P, budgets], of as many subsets as its error takes.

    More are drawn, of the problems that some subsets solve and others do not, until the standard error of each budget's
    mean over the problems is below `error`. No value varies more than one of 0 or 1 with its mean: that bounds it.
    """
    first = Subsets(responses.units, budgets, permutations, seed)
    values = estimated(responses, weights, first)
    drawn = np.where(first.whole, np.inf, float(permutations)) * np.ones_like(values)
    while True:
        errors = np.sqrt((values * (1 - values) / drawn).sum(axis=0)) / max(len(values), 1)
        left = np.flatnonzero(errors > error)
        if not len(left) or drawn[:, left].min() >= _MOST:
            return values
        rows = np.flatnonzero(((values[:, left] > 0) & (values[:, left] < 1)).any(axis=1))
        known = float(drawn[np.ix_(rows, left)].min())
        more = Subsets(responses.units, [budgets[k] for k in left], int(min(known, _AT_ONCE)), [seed, int(known)])
        found, place = estimated(responses.of(rows), weights, more), np.ix_(rows, left)
        share = np.where(more.whole, 1.0, more.sizes / (drawn[place] + more.sizes))
        values[place] = (1 - share) * values[place] + share * found
        drawn[place] += np.where(more.whole, np.inf, more.sizes)

"""Uncertainty: intervals on accuracies, and paired comparisons.

A value is a problem's expected correctness under a method (`voting`), so the spread that is left is that of
the problems: they are what is resampled, the same ones for every method, policy and PRM of a benchmark.
Sources: Miller 2024 (arXiv 2411.00640) for the setting; Efron 1987 for BCa; Wilson 1927 and Korn & Graubard
1998 for small sets; Tango 1998 (Statistics in Medicine 17:891) for pairs; Bowyer et al. 2025 (arXiv 2503.01747)
on why the normal approximation fails on sets of 30.

Which interval `interval` takes, column by column:
- every value 0 or 1: Wilson, whatever the number of problems;
- fewer than `RARE` problems away from 0, or from 1, or all values equal: Wilson at the mean (a bootstrap
  sees no spread there and would promise a width of nearly zero);
- fewer than `SMALL` problems: Wilson with the effective number of problems m (1 - m) / variance of the
  mean, and Student's quantile;
- else: BCa bootstrap over problems (over clusters of them, where `clusters` is given).

`paired_difference` takes Tango's score interval in the same way, see there. What the intervals hold in
simulated studies tells reports/benchmarks/intervals.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

CONFIDENCE = 0.95
RESAMPLES = 10_000
SMALL = 60
"""Fewer problems than this: Wilson with an effective sample size in place of the bootstrap."""
RARE = 5
"""Fewer problems than this away from 0 (or 1): Wilson at the mean."""
_COLUMNS_AT_ONCE = 256


class Paired(NamedTuple):
    """Difference of two methods on the same problems: estimate, interval, two-sided p value."""

    difference: float
    low: float
    high: float
    p: float


def interval(
    values: np.ndarray,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
    clusters: Sequence[object] | None = None,
    extra: np.ndarray | float = 0.0,
) -> tuple[np.ndarray, np.ndarray] | tuple[float, float]:
    """Confidence interval of the mean of values in [0, 1]: floats (low, high) for [P], arrays [K] for [P, K].

    The estimate lies inside, the bounds lie in [0, 1], and equal arguments give equal bytes. `clusters`
    names the source of each problem: problems of one source are resampled together. `extra` is variance of
    the mean that the values do not show, such as that of a choice which gave them. ValueError for no
    problems, for values that are not numbers, and for values outside [0, 1].
    """
    table = _table(values)
    if table.min() < -1e-9 or table.max() > 1 + 1e-9:
        raise ValueError("a value lies outside [0, 1]; intervals of accuracies are for expected correctness")
    table = np.clip(table, 0.0, 1.0)
    problems = len(table)
    mean = table.mean(axis=0)
    groups = _groups(clusters, problems)
    binary = ((table == 0) | (table == 1)).all(axis=0)
    rare = np.minimum((table > 0).sum(axis=0), (table < 1).sum(axis=0)) < RARE
    spread = _variance_of_mean(table, groups)
    units = problems if groups is None else int(groups.max()) + 1
    low, high = np.empty_like(mean), np.empty_like(mean)
    plain = rare | (spread < 1e-15) | (binary if groups is None else False)
    effective = ~plain & (units < SMALL)
    boot = ~plain & ~effective
    if plain.any():
        low[plain], high[plain] = wilson(mean[plain], units if groups is not None else problems, confidence)
    if effective.any():
        m = mean[effective]
        size = np.maximum(m * (1 - m) / spread[effective], units)
        low[effective], high[effective] = wilson(m, size, confidence, freedom=units - 1)
    if boot.any():
        low[boot], high[boot] = _bca(table[:, boot], confidence, resamples, seed, groups)
    low, high = _widened(mean, low, high, extra, confidence)
    # rounded far below any meaning, so that bytes do not hang on the order in which BLAS adds
    low, high = np.minimum(np.round(low, 12), mean), np.maximum(np.round(high, 12), mean)
    low, high = np.clip(low, 0, 1), np.clip(high, 0, 1)
    return (low, high) if np.ndim(values) == 2 else (float(low[0]), float(high[0]))


def wilson(
    mean: np.ndarray | float,
    size: np.ndarray | float,
    confidence: float = CONFIDENCE,
    freedom: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson score interval of a share of `size` problems; Student's quantile when `freedom` is given."""
    from scipy.special import ndtri, stdtrit

    # scipy's is of one count and statsmodels' of the normal quantile alone; here are arrays and Student's
    z = ndtri(0.5 + confidence / 2) if freedom is None else stdtrit(max(freedom, 1), 0.5 + confidence / 2)
    mean, size = np.asarray(mean, dtype=float), np.asarray(size, dtype=float)
    centre = (mean + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z / (1 + z**2 / size) * np.sqrt(mean * (1 - mean) / size + z**2 / (4 * size**2))
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def _table(values: np.ndarray) -> np.ndarray:
    table = np.asarray(values, dtype=float)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or not len(table):
        raise ValueError("an interval needs at least one problem, as an array [P] or [P, K]")
    if not np.isfinite(table).all():
        raise ValueError("a value is not a number; every method must have a value on every problem")
    return table


def _groups(clusters: Sequence[object] | None, problems: int) -> np.ndarray | None:
    if clusters is None:
        return None
    groups = pd.factorize(pd.Series(list(clusters), dtype=object), sort=False)[0]
    if len(groups) != problems:
        raise ValueError(f"{len(groups)} clusters are named for {problems} problems; name one for each")
    return groups


def _sums(table: np.ndarray, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Sum of values and number of problems of each unit that is resampled: [U, K], [U]."""
    if groups is None:
        return table, np.ones(len(table))
    sums = np.zeros((int(groups.max()) + 1, table.shape[1]))
    np.add.at(sums, groups, table)
    return sums, np.bincount(groups).astype(float)


def _variance_of_mean(table: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    sums, sizes = _sums(table, groups)
    units = len(sums)
    if units < 2:
        return np.zeros(table.shape[1])
    residuals = sums - sizes[:, None] * table.mean(axis=0)
    return (residuals**2).sum(axis=0) * units / (units - 1) / sizes.sum() ** 2


def _widened(
    mean: np.ndarray, low: np.ndarray, high: np.ndarray, extra: np.ndarray | float, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds with the variance `extra` added, in quadrature, to each side's own half-width."""
    from scipy.special import ndtri

    more = ndtri(0.5 + confidence / 2) ** 2 * np.asarray(extra, dtype=float)
    return mean - np.sqrt((mean - low) ** 2 + more), mean + np.sqrt((high - mean) ** 2 + more)


@lru_cache(maxsize=8)
def resample_weights(units: int, resamples: int, seed: int) -> np.ndarray:
    """How often each resample draws each unit, [resamples, units]; kept, so that all methods share it."""
    rng = np.random.default_rng([seed, units])
    weights = np.empty((resamples, units), dtype=np.float32)
    for start in range(0, resamples, 1000):
        rows = min(1000, resamples - start)
        drawn = rng.integers(units, size=(rows, units)) + units * np.arange(rows)[:, None]
        weights[start : start + rows] = np.bincount(drawn.ravel(), minlength=rows * units).reshape(
            rows, units
        )
    return weights


def _resampled(table: np.ndarray, resamples: int, seed: int, groups: np.ndarray | None) -> np.ndarray:
    """Means over resampled units, [resamples, K]."""
    sums, sizes = _sums(table, groups)
    weights = resample_weights(len(sums), resamples, seed)
    if groups is None:
        return weights @ (sums / len(sums))
    return (weights @ sums) / (weights @ sizes)[:, None]


def _bca(
    table: np.ndarray, confidence: float, resamples: int, seed: int, groups: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Bias-corrected and accelerated bootstrap interval of each column's mean."""
    from scipy.special import ndtr, ndtri

    # scipy.stats.bootstrap knows no clusters and takes 60 times as long: here all columns share their resamples
    columns = table.shape[1]
    low, high = np.empty(columns), np.empty(columns)
    tails = ndtri(np.array([(1 - confidence) / 2, (1 + confidence) / 2]))
    for start in range(0, columns, _COLUMNS_AT_ONCE):
        part = table[:, start : start + _COLUMNS_AT_ONCE]
        means = np.sort(_resampled(part, resamples, seed, groups), axis=0)
        estimate = part.mean(axis=0)
        tolerance = 1e-9
        below = (means < estimate - tolerance).mean(axis=0)
        within = (means <= estimate + tolerance).mean(axis=0)
        share = np.clip((below + within) / 2, 0.5 / resamples, 1 - 0.5 / resamples)
        bias = ndtri(share)
        sums, sizes = _sums(part, groups)
        # leave-one-unit-out means
        rest = (sums.sum(axis=0) - sums) / np.maximum(sizes.sum() - sizes, 1)[:, None]
        pull = rest.mean(axis=0) - rest
        scale = (pull**2).sum(axis=0) ** 1.5
        skew = np.where(scale > 0, (pull**3).sum(axis=0) / (6 * np.where(scale > 0, scale, 1)), 0.0)
        for tail, bound in zip(tails, (low, high), strict=True):
            shifted = bias + tail
            place = ndtr(bias + shifted / (1 - skew * shifted)) * (resamples - 1)
            floor = np.clip(np.floor(place).astype(int), 0, resamples - 2)
            each = np.arange(part.shape[1])
            left, right = means[floor, each], means[floor + 1, each]
            bound[start : start + part.shape[1]] = left + (place - floor) * (right - left)
    return low, high


def tango(
    better: np.ndarray | float,
    worse: np.ndarray | float,
    size: np.ndarray | float,
    confidence: float = CONFIDENCE,
    freedom: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Tango's score interval of (better - worse) / size, of `size` pairs of outcomes; Student's z with `freedom`.

    `better` and `worse` count the pairs that differ either way; they and `size` may be fractions.
    """
    from scipy.special import ndtri, stdtrit

    # statsmodels 0.15 has Newcombe's and Wald's for pairs, scipy 1.17 none; both bounds are roots of a falling function
    z = ndtri(0.5 + confidence / 2) if freedom is None else stdtrit(max(freedom, 1), 0.5 + confidence / 2)
    b, c, n = (np.asarray(x, dtype=float) for x in np.broadcast_arrays(better, worse, size))

    def score(delta: np.ndarray) -> np.ndarray:
        linear = (2 * n - b + c) * delta - b - c
        rest = 8 * n * c * delta * (1 - delta)
        least = (np.sqrt(np.maximum(linear**2 + rest, 0.0)) - linear) / (4 * n)
        variance = np.maximum(n * (2 * least + delta * (1 - delta)), 1e-300)
        return (b - c - n * delta) / np.sqrt(variance)

    estimate = (b - c) / n
    bounds = []
    for target, outer in ((z, -1.0), (-z, 1.0)):
        near, far = estimate.copy(), np.full_like(estimate, outer)
        for _ in range(60):
            middle = (near + far) / 2
            inside = np.abs(score(middle)) < abs(target)
            near, far = np.where(inside, middle, near), np.where(inside, far, middle)
        bounds.append((near + far) / 2)
    return bounds[0], bounds[1]


def paired_difference(
    a: np.ndarray,
    b: np.ndarray,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
    extra: np.ndarray | float = 0.0,
) -> Paired:
    """Mean of a - b over the same problems, its interval and the two-sided p value of a sign-flip test.

    Arrays [P], or [P, K] for K comparisons at once (then the fields are arrays). The interval is Tango's. Where every
    difference is -1, 0 or 1 it is that of their counts, also where hardly any problem differs. Means over samples enter
    as fractions of a count, which alone would be too wide; the number of problems is then that which gives the
    differences' own variance, with Student's quantile. Where all but fewer than `RARE` differences are equal, their
    variance tells nothing, and the number stays that of the problems.

    Signs are flipped in all 2^m ways for m <= 12 problems that differ, else `resamples` times. `extra` is as in
    `interval`; with it p is that of the test's normal score, shrunk as much as the side of the interval towards zero
    widens.
    """
    from scipy.special import ndtr, ndtri

    a, b = _table(a), _table(b)
    if a.shape != b.shape:
        raise ValueError(
            f"shapes {a.shape} and {b.shape} differ; a paired comparison needs the same problems"
        )
    gaps = a - b
    mean = gaps.mean(axis=0)
    # a difference of two differences reaches from -2 to 2
    most = np.maximum(np.ceil(np.abs(gaps).max(axis=0) - 1e-9), 1.0)
    low, high = (most * bound for bound in _score_interval(gaps / most, confidence))
    wide = _widened(mean, low, high, extra, confidence)
    near = [np.where(mean > 0, mean - ends[0], ends[1] - mean) for ends in ((low, high), wide)]
    wider = np.where(near[0] > 0, near[1] / np.maximum(near[0], 1e-300), 1.0)
    low, high = (np.clip(np.round(bound, 12), -most, most) for bound in wide)
    low, high = np.minimum(low, mean), np.maximum(high, mean)
    p = _sign_flip(gaps, resamples, seed)
    p = np.where(wider > 1, 2 * ndtr(ndtri(p / 2) / wider), p)
    if np.ndim(a) == 2 and a.shape[1] == 1:
        return Paired(float(mean[0]), float(low[0]), float(high[0]), float(p[0]))
    return Paired(mean, low, high, p)


def independent_difference(
    one: tuple[float, float, float], two: tuple[float, float, float]
) -> tuple[float, float]:
    """Interval of `one` less `two`, each (estimate, low, high), of which neither tells anything of the other.

    MOVER (Zou & Donner 2008, Statistics in Medicine 27, 1693-1702); of Wilson's intervals it is Newcombe's method 10.
    """
    gap = one[0] - two[0]
    low = gap - np.hypot(one[0] - one[1], two[2] - two[0])
    return float(low), float(gap + np.hypot(one[2] - one[0], two[0] - two[1]))


def _score_interval(gaps: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Tango's interval of each column's mean of [P, K], values in [-1, 1]; see `paired_difference`."""
    problems = len(gaps)
    better, worse = np.maximum(gaps, 0).sum(axis=0), np.maximum(-gaps, 0).sum(axis=0)
    counted = (np.abs(gaps - np.round(gaps)) < 1e-9).all(axis=0)
    ordered = np.sort(gaps, axis=0)
    reach = max(problems - RARE, 0)  # equal ones that leave fewer than RARE others
    rare = (np.abs(ordered[reach:] - ordered[: problems - reach]) < 1e-9).any(axis=0)
    low, high = np.empty(gaps.shape[1]), np.empty(gaps.shape[1])
    plain = counted | rare
    low[plain], high[plain] = tango(better[plain], worse[plain], problems, confidence)
    if (~plain).any():
        b, c = better[~plain], worse[~plain]
        as_counts = (b + c) / problems - ((b - c) / problems) ** 2
        times = np.maximum(as_counts / gaps[:, ~plain].var(axis=0, ddof=1), 1.0)
        low[~plain], high[~plain] = tango(b * times, c * times, problems * times, confidence, problems - 1)
    return low, high


def _sign_flip(sums: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Share of sign patterns whose absolute sum reaches the one seen, for each column of [U, K].

    Exact for a column in which at most 12 units differ.
    """
    # scipy.stats.permutation_test takes 180 times as long: here all columns share their signs
    p = np.ones(sums.shape[1])
    moved = np.abs(sums) > 1e-12
    few = moved.sum(axis=0) <= 12
    for k in np.flatnonzero(few & moved.any(axis=0)):
        gaps = sums[moved[:, k], k]
        signs = 1 - 2.0 * ((np.arange(2 ** len(gaps))[:, None] >> np.arange(len(gaps))) & 1)
        p[k] = (np.abs(signs @ gaps) >= abs(gaps.sum()) - 1e-9).mean()
    if not few.all():
        many = sums[:, ~few]
        flipped = np.abs(_signs(len(sums), resamples, seed) @ many)
        p[~few] = ((flipped >= np.abs(many.sum(axis=0)) - 1e-9).sum(axis=0) + 1) / (resamples + 1)
    return p


@lru_cache(maxsize=4)
def _signs(units: int, resamples: int, seed: int) -> np.ndarray:
    """Random signs [resamples, units]; kept, so that all comparisons share them."""
    return 1 - 2 * np.random.default_rng([seed, units, 1]).integers(0, 2, size=(resamples, units)).astype(
        np.float32
    )


def fisher(right_a: int, n_a: int, right_b: int, n_b: int) -> float:
    """Two-sided Fisher p value of two accuracies of which only the counts are known."""
    from scipy.stats import fisher_exact

    return float(fisher_exact([[right_a, n_a - right_a], [right_b, n_b - right_b]]).pvalue)


def area_under_curve(labels: Sequence[bool], scores: Sequence[float]) -> float | None:
    """Probability that a right one scores above a wrong one, ties half (Mann-Whitney); None without both kinds."""
    from scipy.stats import mannwhitneyu

    truth, values = np.asarray(labels, dtype=bool), np.asarray(scores, dtype=float)
    right, wrong = values[truth], values[~truth]
    if not len(right) or not len(wrong):
        return None
    # its p value is not asked for: the asymptotic one is the cheapest
    return float(mannwhitneyu(right, wrong, method="asymptotic").statistic / (len(right) * len(wrong)))


def holm(pvalues: Sequence[float]) -> np.ndarray:
    """Holm's adjusted p values of a family, in the order given."""
    # scipy has none; statsmodels' has the same bits, but collects garbage: 0.1 s a call, and 75 MB to install
    p = np.asarray(pvalues, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.minimum(np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p)))), 1.0)
    result = np.empty_like(p)
    result[order] = adjusted
    return result

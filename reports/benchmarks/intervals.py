"""How often the study's 95 % intervals hold the truth, and how far off a choice of strategy is.

    PYTHONPATH=workflow python reports/benchmarks/intervals.py [--studies 1000] [--problems 30 50 200 500]

Each world draws studies whose truth is known. Writes intervals.md beside this file. `tests/test_statistics.py` runs
the same worlds with fewer studies.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, ndtr

from ttstudy.analysis import difficulty, flops, statistics, strategy
from ttstudy.analysis.claims.common import resampled, spearman
from ttstudy.analysis.claims.published import newcombe

HERE = Path(__file__).resolve().parent
LEVELS = np.array(["easy", "medium", "hard"], dtype=object)
RESAMPLES = 2000
BUDGETS = [4, 16, 64, 256]
THETAS = 7


class Covered(NamedTuple):
    """Of each study: whether its interval held the truth, and how wide it was."""

    held: np.ndarray
    width: np.ndarray


World = Callable[[int, int, np.random.Generator], Covered]
"""(problems, studies, random numbers) -> what the intervals did."""


def _against(truth: np.ndarray | float, low: np.ndarray, high: np.ndarray) -> Covered:
    return Covered((low <= truth + 1e-12) & (truth <= high + 1e-12), np.asarray(high) - low)


@cache
def _mean_expit(shift: float, deviation: float) -> float:
    """Mean of expit(shift + deviation * normal)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    return float(expit(shift + deviation * nodes) @ weights / weights.sum())


# -- an accuracy, a difference of two ------------------------------------------------------------------------------


def beta(a: float, b: float) -> World:
    """Expected correctness drawn from a beta law."""

    def world(problems: int, studies: int, rng: np.random.Generator) -> Covered:
        values = rng.beta(a, b, (problems, studies))
        return _against(a / (a + b), *statistics.interval(values, resamples=RESAMPLES))

    return world


def coins(problems: int, studies: int, rng: np.random.Generator) -> Covered:
    """Outcomes of 0 or 1, the latter with probability 0.3."""
    values = (rng.random((problems, studies)) < 0.3).astype(float)
    return _against(0.3, *statistics.interval(values, resamples=RESAMPLES))


def sources(problems: int, studies: int, rng: np.random.Generator) -> Covered:
    """Five problems from each source, more alike than problems of different ones."""
    source = np.arange(problems) // 5
    shared = 1.5 * rng.normal(size=(source.max() + 1, studies))
    values = expit(shared[source] + rng.normal(size=(problems, studies)))
    return _against(0.5, *statistics.interval(values, resamples=RESAMPLES, clusters=source))


def paired_values(spread: float) -> World:
    """Expected correctness of two methods, one of them a little better on every problem, `spread` apart in log odds."""

    def world(problems: int, studies: int, rng: np.random.Generator) -> Covered:
        ease, lead = rng.normal(0, 1.5, (problems, studies)), 0.3
        a, b = (expit(ease + more + rng.normal(0, spread, ease.shape)) for more in (lead, 0.0))
        return _against(_mean_expit(lead, (1.5**2 + spread**2) ** 0.5) - 0.5, *_paired(a, b))

    return world


def paired_outcomes(moved: float) -> World:
    """Outcomes of 0 or 1; of a share `moved` the second is drawn anew, and worse."""

    def world(problems: int, studies: int, rng: np.random.Generator) -> Covered:
        a = rng.random((problems, studies)) < 0.6
        b = np.where(rng.random(a.shape) < moved, rng.random(a.shape) < 0.4, a)
        return _against(moved * 0.2, *_paired(a.astype(float), b.astype(float)))

    return world


def paired_one_sided(moved: float) -> World:
    """Outcomes of 0 or 1; a share `moved` gets better, and nothing gets worse."""

    def world(problems: int, studies: int, rng: np.random.Generator) -> Covered:
        a = (rng.random((problems, studies)) < moved).astype(float)
        return _against(moved, *_paired(a, np.zeros_like(a)))

    return world


def paired_means(moved: float) -> World:
    """Means over 8 samples; on a share `moved` of the problems the second method solves them more often or less."""

    def world(problems: int, studies: int, rng: np.random.Generator) -> Covered:
        shape = (problems, studies)
        first = rng.beta(0.6, 0.6, shape)
        second = np.where(rng.random(shape) < moved, rng.beta(0.9, 0.6, shape), first)
        a, b = (np.where(second == first, first, rng.binomial(8, value) / 8) for value in (second, first))
        return _against(moved * (0.6 - 0.5), *_paired(a, b))

    return world


def _paired(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found = statistics.paired_difference(a, b, resamples=10)  # p is not asked for
    return np.asarray(found.low), np.asarray(found.high)


def published_counts(problems: int, studies: int, rng: np.random.Generator) -> Covered:
    """Two published accuracies, of which only the counts are known."""
    counts = [rng.binomial(problems, p, studies) for p in (0.75, 0.7)]
    bounds = [newcombe(int(k), int(m), problems) for k, m in zip(*counts, strict=True)]
    return _against(0.05, *np.array(bounds).T)


# -- choices -------------------------------------------------------------------------------------------------------


def strategies(
    problems: int, thetas: int, effect: float, rng: np.random.Generator
) -> tuple[strategy.Grid, np.ndarray]:
    """Outcomes of 0 or 1 with a latent correlation of 0.7 between strategies, and what each strategy is worth."""
    shift = effect * np.linspace(-1, 1, thetas)
    latent = 0.7**0.5 * rng.normal(size=(problems, 1)) + 0.3**0.5 * rng.normal(size=(problems, thetas)) + shift
    names = [("majority", "none", "majority")] * thetas
    grid = strategy.Grid({}, [], LEVELS[np.arange(problems) % 3], names, (latent > 0).astype(float))
    return grid, ndtr(shift)


def cross_fitted(effect: float) -> World:
    """Accuracy of the cross-fitted choice, against the worth of what was chosen."""

    def world(problems: int, studies: int, rng: np.random.Generator) -> Covered:
        truth, values, extra = [], [], []
        for k in range(studies):
            grid, worth = strategies(problems, THETAS, effect, rng)
            fitted, chosen, _ = strategy.cross_fit(grid.values, grid.levels, repeats=20, seed=k)
            truth.append(float((chosen @ worth).mean()))
            values.append(fitted)
            extra.append(strategy.choice_variance(grid.values, grid.levels, fitted, seed=k))
        table = np.stack(values, axis=1)
        return _against(np.array(truth), *statistics.interval(table, resamples=RESAMPLES, extra=np.array(extra)))

    return world


def optimism(effect: float) -> World:
    """Optimism of the choice, against its mean over the studies."""

    def world(problems: int, studies: int, rng: np.random.Generator) -> Covered:
        found = [
            strategy.optimism_of(strategies(problems, THETAS, effect, rng)[0], seed=k)[2:5] for k in range(studies)
        ]
        gap, low, high = np.array(found).T
        return _against(gap.mean(), low, high)

    return world


CURVES = {"easy": (0.9, 0.92, 0.93), "medium": (0.4, 0.55, 0.7), "hard": (0.1, 0.11, 0.11)}


def allocation(problems: int, studies: int, rng: np.random.Generator) -> Covered:
    """Budgets spread by level less the same budget for all, against the worth of what was chosen."""
    groups = LEVELS[np.arange(problems) % 3]
    worth = np.array([CURVES[level] for level in groups])
    held, width = [], []
    for k in range(studies):
        values = (rng.random((problems, 1)) < worth).astype(float)  # one draw per problem: more samples only help
        chosen = strategy.spread(values, groups, np.array([4.0, 16.0, 64.0]), 24.0, folds=5, repeats=5, seed=k)
        found = statistics.paired_difference((chosen * values).sum(axis=1), values[:, 1], resamples=10)
        truth = float(((chosen * worth).sum(axis=1) - worth[:, 1]).mean())
        held.append(found.low <= truth <= found.high)
        width.append(found.high - found.low)
    return Covered(np.array(held), np.array(width))


# -- the rest ------------------------------------------------------------------------------------------------------


def efficiency(majority: Sequence[float], tts: Sequence[float]) -> World:
    """Efficiency gain of two curves, given as log odds at N = 4, 16, 64 and 256."""

    def world(problems: int, studies: int, rng: np.random.Generator) -> Covered:
        deviation = (1.8**2 + 0.3**2) ** 0.5
        means = [[_mean_expit(shift, deviation) for shift in curve] for curve in (majority, tts)]
        truth = flops.efficiency_gain(BUDGETS, means[0], BUDGETS, means[1]).value
        held, width = [], []
        for k in range(studies):
            ease = rng.normal(0, 1.8, (problems, 1))
            a, b = (
                expit(ease + np.asarray(curve) + rng.normal(0, 0.3, (problems, 4))) for curve in (majority, tts)
            )
            found = flops.efficiency_interval(BUDGETS, a, BUDGETS, b, resamples=500, seed=k)
            held.append(found.low <= truth + 1e-9 and truth <= found.high + 1e-9)
            width.append(found.high - found.low)
        return Covered(np.array(held), np.array(width))

    return world


def pass_at_1(problems: int, studies: int, rng: np.random.Generator) -> Covered:
    """Pass@1 of a problem from 32 pilot samples, prior fitted to the same problems; a study gives `problems`."""
    held, width = [], []
    for _ in range(max(1, studies // 10)):
        shares = rng.beta(0.6, 0.8, problems)
        grades = pd.DataFrame(
            {
                "problem_id": np.repeat([f"p{i:04d}" for i in range(problems)], 32),
                "correct": (rng.random((problems, 32)) < shares[:, None]).ravel(),
            }
        )
        table = difficulty.levels(grades)
        found = _against(shares, table["low"].to_numpy(), table["high"].to_numpy())
        held.append(found.held)
        width.append(found.width)
    return Covered(np.concatenate(held), np.concatenate(width))


def correlation(problems: int, studies: int, rng: np.random.Generator) -> Covered:
    """Rank correlation of five policies' gains with their sizes, as the claims take it; the truth is 0.9."""
    held, width = [], []
    gains = np.array([0.1, 0.3, 0.2, 0.4, 0.5])
    for k in range(studies):
        table = pd.DataFrame(gains + rng.normal(0, 0.5, (problems, 5)) + rng.normal(0, 0.3, (problems, 1)))
        _, low, high = resampled([table], lambda means: spearman(np.arange(5), means), k)
        held.append(low <= 0.9 + 1e-9 and 0.9 <= high + 1e-9)
        width.append(high - low)
    return Covered(np.array(held), np.array(width))


WORLDS: dict[str, tuple[World, str]] = {
    "accuracy, Beta(0.6, 0.6)": (beta(0.6, 0.6), "BCa"),
    "accuracy, Beta(0.2, 1)": (beta(0.2, 1.0), "BCa"),
    "accuracy, Beta(3, 0.2)": (beta(3.0, 0.2), "BCa"),
    "accuracy, 0/1 with p = 0.3": (coins, "Wilson"),
    "accuracy, five problems from a source": (sources, "BCa over sources"),
    "difference, expected correctness": (paired_values(0.5), "Tango, effective problems"),
    "difference, expected correctness far apart": (paired_values(2.0), "Tango, effective problems"),
    "difference, means over 8 samples, 10 % move": (paired_means(0.1), "Tango, effective problems"),
    "difference, 0/1, 30 % drawn anew": (paired_outcomes(0.3), "Tango"),
    "difference, 0/1, 4 % drawn anew": (paired_outcomes(0.04), "Tango"),
    "difference, 0/1, 6 % better, none worse": (paired_one_sided(0.06), "Tango"),
    "difference of published counts": (published_counts, "Newcombe"),
    "cross-fitted accuracy, equal strategies": (cross_fitted(0.0), "BCa, widened by the choice"),
    "cross-fitted accuracy, unequal ones": (cross_fitted(0.2), "BCa, widened by the choice"),
    "adaptive less fixed budget": (allocation, "Tango, choices given"),
    "optimism, equal strategies": (optimism(0.0), "normal, both choices resampled"),
    "optimism, unequal ones": (optimism(0.2), "normal, both choices resampled"),
    "efficiency gain, curves cross": (efficiency((0.25, 0.5, 0.75, 1.0), (0.55, 1.0, 1.45, 1.9)), "percentile"),
    "efficiency gain, flat majority": (efficiency((0.1, 0.3, 0.32, 0.32), (0.35, 0.65, 0.95, 1.25)), "percentile"),
    "efficiency gain, only a bound": (efficiency((0.05, 0.1, 0.15, 0.2), (0.7, 0.9, 1.1, 1.3)), "percentile"),
    "Pass@1 of a problem, 32 samples": (pass_at_1, "beta posterior"),
    "rank correlation of five policies": (correlation, "percentile"),
}
"""What is estimated: (its world, the kind of interval)."""
SLOW = 0.4
"""Share of the studies for worlds in which every study is computed on its own."""


# -- bias of the choice --------------------------------------------------------------------------------------------


class Bias(NamedTuple):
    """Mean errors of both choices, in points, with the standard error of the cross-fitted one's.

    `naive` and `cross_fitted` are against the worth of what each of them chose.
    """

    naive: float
    cross_fitted: float
    error: float


def bias(problems: int, thetas: int, studies: int, effect: float = 0.0, repeats: int = 4) -> Bias:
    """Bias of the naive and of the cross-fitted value of a choice, each against the worth of what was chosen.

    The mean of all strategies on the drawn problems is off by as much as these problems are easy or hard; it is taken
    away from both errors, which leaves their expectation as it is and most of the noise out.
    """
    rng = np.random.default_rng([problems, thetas, studies])
    errors = []
    for k in range(studies):
        grid, worth = strategies(problems, thetas, effect, rng)
        luck = float(grid.values.mean() - worth.mean())
        best, taken = strategy.naive(grid)
        fitted, chosen, _ = strategy.cross_fit(grid.values, grid.levels, repeats=repeats, seed=k)
        errors.append((best.mean() - (taken @ worth).mean() - luck, fitted.mean() - (chosen @ worth).mean() - luck))
    table = 100 * np.array(errors)
    return Bias(*table.mean(axis=0).tolist(), float(table[:, 1].std(ddof=1) / studies**0.5))


def cover(name: str, problems: int, studies: int) -> Covered:
    """What the intervals of one world did."""
    return WORLDS[name][0](problems, studies, np.random.default_rng([problems, studies, list(WORLDS).index(name)]))


def page(studies: int, sizes: Sequence[int], choices: int) -> str:
    """The page, all worlds run."""
    lines = [
        "# What the intervals hold",
        "",
        f"Percent of simulated studies whose 95 % interval holds the truth, and its mean width (accuracies and "
        f"differences in points). {studies} studies a cell (standard error {100 * (0.05 * 0.95 / studies) ** 0.5:.1f} "
        f"points at 95 %), {int(SLOW * studies)} where every study is computed on its own. Made by "
        f"`PYTHONPATH=workflow python reports/benchmarks/intervals.py --studies {studies}`.",
        "",
        "| estimate | interval | " + " | ".join(f"n = {n}" for n in sizes) + " |",
        "|---|---|" + "--:|" * len(sizes),
    ]
    outside: dict[int, list[str]] = {n: [] for n in sizes}
    for name, (world, kind) in WORLDS.items():
        own = world in (allocation, correlation) or name.startswith(("optimism", "efficiency", "cross"))
        cells = []
        for n in sizes:
            found = cover(name, n, int(SLOW * studies) if own else studies)
            scale = 1 if name.startswith(("efficiency", "rank")) else 100
            held = f"{100 * found.held.mean():.1f}"
            cells.append(f"{held} ({scale * found.width.mean():.3g})")
            if not 93 <= float(held) <= 97:
                outside[n].append(f"{name} ({held})")
        lines.append(f"| {name} | {kind} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    lines += ["", "Outside 93 to 97 %:", ""]
    lines += [f"- n = {n}: {'; '.join(names) or 'none'}." for n, names in outside.items()]
    lines += [
        "",
        "Above 97 % an interval is wider than it need be. Where two methods differ on two or three problems, an "
        "interval that never holds less often than it says must often hold more. Of a gain there may be a bound only, "
        "and a rank may hardly move. Below 93 % it is too narrow: with 30 or 50 problems most of which a method always "
        "solves, no interval from these values alone does better.",
        "",
        "# What choosing on the test problems promises too much",
        "",
        f"Strategies that are all equally good (0/1 outcomes, latent correlation 0.7, three levels): mean error in "
        f"points of {choices} studies. Naive: the best strategy of each level, valued on the problems it was chosen "
        "on. Cross-fitted: chosen on four fifths, valued on the last fifth. Last: strategies of unequal worth.",
        "",
        "| problems | strategies | naive | cross-fitted | standard error | naive, unequal | cross-fitted, unequal |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for n in (30, 60, 100, 500):
        for thetas in (3, 7, 21):
            null, real = bias(n, thetas, choices), bias(n, thetas, choices, effect=0.2)
            lines.append(
                f"| {n} | {thetas} | {null.naive:+.2f} | {null.cross_fitted:+.2f} | {null.error:.2f} "
                f"| {real.naive:+.2f} | {real.cross_fitted:+.2f} |"
            )
            print(lines[-1], flush=True)
    return "\n".join([*lines, ""])


def main() -> None:
    """Run all worlds and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000, help="simulated studies per cell")
    parser.add_argument("--choices", type=int, default=4000, help="simulated studies per row of the second table")
    parser.add_argument("--problems", type=int, nargs="+", default=[30, 50, 200, 500])
    parser.add_argument("--output", type=Path, default=HERE / "intervals.md")
    args = parser.parse_args()
    args.output.write_text(page(args.studies, args.problems, args.choices), encoding="utf-8")


if __name__ == "__main__":
    main()

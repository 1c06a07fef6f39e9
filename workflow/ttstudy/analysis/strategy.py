"""The compute-optimal strategy: which method, score and vote to use, chosen without peeking.

A strategy theta is a (method, score, vote). The study (arXiv 2502.06703, equations 2 and 3) takes for each
policy, PRM, difficulty level and budget N the theta that does best, and reports its accuracy on the
problems it was chosen on, which is too high: the maximum over many noisy means. Here:

- `naive` is that: the best theta of each level, valued on the same problems. An upper end, not an estimate.
- `cross_fitted` chooses on all folds but one and values on that one, within levels, over repeated random
  folds: what the choice is worth on problems it has not seen (Snell et al. 2024, arXiv 2408.03314, use two
  folds).
- `author_rule` is the authors' fixed rule by policy size (GitHub RyanLiu112/compute-optimal-tts, issue 4).
  They publish no score or vote; those are cross-fitted within the rule's method.
- `predicted` cross-fits over levels that were predicted without labels: what a deployment could do.

Folds are drawn anew until the cross-fitted accuracy is known to 0.3 points (`choice.ERROR`).

Ties go to the simpler theta: majority, best-of-N, DVTS, beam search; votes before maxima.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from ttstudy.analysis import statistics
from ttstudy.analysis.adaptive import ADAPTIVE, allocate, early_stopping, spread, stopping
from ttstudy.analysis.choice import (
    THETA,
    Crossed,
    Fitted,
    Grid,
    choice_variance,
    compute_optimal,
    cross_fit,
    grids,
    levels_of,
    naive,
    resampled,
    unseen,
)
from ttstudy.analysis.flops import efficiency_interval
from ttstudy.vocabulary import LEVELS

__all__ = [
    "ADAPTIVE",
    "THETA",
    "Grid",
    "allocate",
    "author_gap",
    "author_method",
    "author_rule",
    "author_variance",
    "choice_variance",
    "cross_fit",
    "early_stopping",
    "efficiency",
    "grids",
    "naive",
    "on_paper_scale",
    "onto_paper_scale",
    "optimism",
    "optimism_of",
    "predicted",
    "select",
    "spread",
    "stopping",
]

CELL = ["benchmark", "policy", "prm", "budget"]
COLUMNS = [*CELL, "level", "selection", *THETA, "problems", "accuracy", "low", "high", "error"]


def select(
    outcomes: pd.DataFrame,
    seed: int = 0,
    parameters: Mapping[str, float] | None = None,
    confidence: float = statistics.CONFIDENCE,
    resamples: int = statistics.RESAMPLES,
) -> pd.DataFrame:
    """Strategy rows of every (benchmark, policy, prm, budget), over all problems and by level.

    Columns: `COLUMNS`. `parameters` gives the policies' sizes, for the authors' rule (see
    `on_paper_scale`); a policy that it lacks has no author_rule rows, nor has a cell where the rule's
    method was not run. method, score and vote are "mixed" where folds or levels differ. The interval of a
    choice on other problems counts the spread of the choice too; that of `naive` is given its choice. `error` is what
    the random folds leave open of the accuracy over all problems (`choice.Crossed`).
    """
    sizes = on_paper_scale(parameters or {}, set(outcomes["policy"]))
    rows = []
    for grid in grids(outcomes):
        found = {
            "naive": Fitted(*naive(grid), 0.0),
            "cross_fitted": compute_optimal(grid.values, grid.levels, seed),
        }
        size = sizes.get(str(grid.cell["policy"]))
        ruled = None if size is None else author_rule(grid, size, seed)
        if size is not None and ruled is not None:
            extra = author_variance(grid, size, ruled.values, seed)
            found["author_rule"] = Fitted(ruled.values, ruled.chosen, extra, ruled.error)
        rows += _rows(grid, found, confidence, resamples, seed)
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(
    grid: Grid, found: dict[str, Fitted], confidence: float, resamples: int, seed: int
) -> list[dict[str, object]]:
    table = np.stack([choice.values for choice in found.values()], axis=1)
    # what the choice adds, as a share of the variance: the same over all problems and in each level
    added = np.array([choice.extra for choice in found.values()]) / np.maximum(_of_mean(table), 1e-15)
    rows = []
    for level in ("all", *LEVELS):
        mask = np.ones(len(table), dtype=bool) if level == "all" else grid.levels == level
        if not mask.any():
            continue
        part = np.clip(table[mask], 0, 1)
        ends = statistics.interval(part, confidence, resamples, seed, extra=added * _of_mean(part))
        low, high = np.asarray(ends[0]), np.asarray(ends[1])
        for k, (selection, choice) in enumerate(found.items()):
            used = [grid.thetas[j] for j in np.flatnonzero(choice.chosen[mask].sum(axis=0) > 0)]
            names = [
                values.pop() if len(values) == 1 else "mixed" for values in map(set, zip(*used, strict=True))
            ]
            rows.append(
                grid.cell
                | {"level": level, "selection": selection, "problems": int(mask.sum())}
                | dict(zip(THETA, names, strict=True))
                | {"accuracy": float(part[:, k].mean()), "low": float(low[k]), "high": float(high[k])}
                | {"error": choice.error if level == "all" else np.nan}
            )
    return rows


def _of_mean(table: np.ndarray) -> np.ndarray:
    """Variance of each column's mean."""
    return table.var(axis=0, ddof=1) / len(table) if len(table) > 1 else np.zeros(table.shape[1])


def predicted(
    outcomes: pd.DataFrame,
    levels: pd.DataFrame,
    seed: int = 0,
    confidence: float = statistics.CONFIDENCE,
    resamples: int = statistics.RESAMPLES,
) -> pd.DataFrame:
    """Strategy rows, selection "predicted": cross-fitted over levels that were predicted without labels.

    `levels` has problem_id and level, and may have benchmark, policy and prm (see `difficulty.predicted`). The
    rows are still reported by the true level. A policy without a pilot has none. ValueError when a problem has no
    predicted level where others have.
    """
    rows = []
    for grid in grids(outcomes):
        named = levels_of(levels, grid.cell).reindex(grid.problem_ids)
        if named.isna().all():
            continue
        if named.isna().any():
            raise ValueError(f"problem {named.index[named.isna()][0]} has no predicted level")
        choice = compute_optimal(grid.values, named.to_numpy(dtype=object), seed)
        rows += _rows(grid, {"predicted": choice}, confidence, resamples, seed)
    return pd.DataFrame(rows, columns=COLUMNS)


# -- the authors' rule ---------------------------------------------------------------------------------------


UP_TO_32B = 33e9
"""Parameters of the largest model that is called 32B: Qwen2.5-32B has 32.76 billion, the next size is 70B."""


def author_method(benchmark: str, policy: str, parameters: float, level: str) -> str:
    """Method of the authors' fixed rule for a policy of `parameters` on the paper's scale.

    On AIME: DVTS below 14B, else best-of-N. Elsewhere: beam search below 7B; DVTS up to 32B, but beam
    search on hard problems; best-of-N above. R1 distillates: majority over best-of-N samples (issue 1 of
    the same place).
    """
    if "deepseek-r1-distill" in policy.lower():
        return "majority"
    if "aime" in benchmark.lower():
        return "dvts" if parameters < 14e9 else "best_of_n"
    if parameters < 7e9:
        return "beam_search"
    if parameters <= UP_TO_32B:
        return "beam_search" if level == "hard" else "dvts"
    return "best_of_n"


def onto_paper_scale(
    parameters: Mapping[str, float], low: float = 0.5e9, high: float = 72e9
) -> dict[str, float]:
    """Sizes of another ladder moved onto the paper's, evenly in the logarithm, from `low` to `high`.

    An analogy that gives the authors' rule something to say about a ladder of other sizes, and no more than
    that.
    """
    logs = {name: float(np.log(size)) for name, size in parameters.items()}
    least, most = min(logs.values()), max(logs.values())
    if most == least:
        return dict.fromkeys(logs, low)
    return {name: low * (high / low) ** ((log - least) / (most - least)) for name, log in logs.items()}


def on_paper_scale(parameters: Mapping[str, float], policies: set[str]) -> dict[str, float]:
    """Known sizes of the policies as the authors' rule reads them: their own, or moved if all are below 0.1B."""
    known = {policy: float(size) for policy, size in parameters.items() if policy in policies and size == size}
    return onto_paper_scale(known) if known and max(known.values()) < 1e8 else known


def author_rule(grid: Grid, parameters: float, seed: int = 0) -> Crossed | None:
    """The rule's method, its score and vote cross-fitted; None where the rule's method was not run."""
    allowed = _ruled(grid, parameters)
    return None if allowed is None else cross_fit(grid.values, grid.levels, seed=seed, allowed=allowed)


def author_variance(grid: Grid, parameters: float, fitted: np.ndarray, seed: int = 0) -> float:
    """`choice_variance` of the rule's scores and votes; `fitted` is the value that `author_rule` gave."""
    return choice_variance(grid.values, grid.levels, fitted, seed=seed, allowed=_ruled(grid, parameters))


def author_gap(grid: Grid, parameters: float, seed: int = 0) -> tuple[np.ndarray, float] | None:
    """The rule's value less that of the cross-fitted choice on each problem, and the variance that both choices add.

    None where the rule's method was not run.
    """
    ruled, allowed = author_rule(grid, parameters, seed=seed), _ruled(grid, parameters)
    if ruled is None:
        return None
    gap = ruled.values - cross_fit(grid.values, grid.levels, seed=seed).values
    either = [resampled(grid.values, grid.levels, 5, 3, 200, seed, only)[1] for only in (allowed, None)]
    return gap, unseen(either[0] - either[1], gap)


def _ruled(grid: Grid, parameters: float) -> np.ndarray | None:
    """Which thetas the rule allows on each problem, [P, T]; None where the rule's method was not run."""
    methods = np.array([theta[0] for theta in grid.thetas], dtype=object)
    benchmark, policy = str(grid.cell["benchmark"]), str(grid.cell["policy"])
    by_level = {
        level: methods == author_method(benchmark, policy, parameters, level) for level in sorted(set(grid.levels))
    }
    if not all(allowed.any() for allowed in by_level.values()):
        return None
    return np.stack([by_level[level] for level in grid.levels])


# -- optimism ------------------------------------------------------------------------------------------------


def optimism(
    outcomes: pd.DataFrame, seed: int = 0, resamples: int = 200, confidence: float = statistics.CONFIDENCE
) -> pd.DataFrame:
    """How much the naive choice promises above the cross-fitted one, per (benchmark, policy, prm, budget).

    Columns: benchmark, policy, prm, budget, problems, thetas, naive, cross_fitted, optimism, low, high, learning_loss,
    error. The cross-fitted accuracy is that of the strategy table: the same function, repeats and rule for ties. The
    interval is for the optimism that such a choice has on average over sets of so many problems. It is
    normal, with the standard error of the whole procedure (both choices made anew) over resampled problems;
    copies of a problem stay in one fold. A resample tells as much as half as many distinct problems would,
    and a gap that is made of noise alone grows with the noise: the resampled error is sqrt(2) too large, and
    is divided by that (reports/benchmarks/intervals.md shows the coverage).

    `learning_loss` is the part of it that is no false promise: what the choice is worth less for being learned from
    four fifths of so few problems. It is told by what it loses when learned from half of them, since a loss falls as
    1 / n: 5/3 of the difference (reports/benchmarks/choice.md sets it beside the truth). By chance it may be negative.
    """
    rows = []
    for grid in grids(outcomes):
        gap = optimism_of(grid, seed, resamples, confidence)
        rows.append(grid.cell | {"problems": len(grid.values), "thetas": len(grid.thetas)} | gap._asdict())
    return pd.DataFrame(rows, columns=[*CELL, "problems", "thetas", *Optimism._fields])


class Optimism(NamedTuple):
    """Accuracy of the naive choice, of the cross-fitted one, and their difference with its interval and its parts."""

    naive: float
    cross_fitted: float
    optimism: float
    low: float
    high: float
    learning_loss: float
    error: float
    """Monte-Carlo error of `cross_fitted`, as in the strategy table."""


def optimism_of(
    grid: Grid, seed: int = 0, resamples: int = 200, confidence: float = statistics.CONFIDENCE
) -> Optimism:
    """Optimism of one cell, see `optimism`."""
    from scipy.special import ndtri

    best = float(naive(grid)[0].mean())
    found = cross_fit(grid.values, grid.levels, seed=seed)
    fitted = float(found.values.mean())
    halves = float(cross_fit(grid.values, grid.levels, folds=2, seed=seed).values.mean())
    naive_drawn, fitted_drawn = resampled(grid.values, grid.levels, 5, 5, resamples, seed)
    error = float((naive_drawn - fitted_drawn).std(ddof=1)) / 2**0.5
    half = float(ndtri(0.5 + confidence / 2)) * error
    gap = round(best - fitted, 12)
    return Optimism(best, fitted, gap, gap - half, gap + half, (fitted - halves) * 5 / 3, found.error)


# -- efficiency ----------------------------------------------------------------------------------------------


def efficiency(outcomes: pd.DataFrame, seed: int = 0, resamples: int = 1000) -> pd.DataFrame:
    """Efficiency gain of the cross-fitted strategy over majority voting, per (benchmark, policy, prm).

    By the authors' rule (see `flops.efficiency_gain`); only where both were run at two budgets or more. Columns:
    benchmark, policy, prm, problems, value, kind (equal, at least, never reached), peak, reached (missing where never),
    low, high, at_least and never_reached (shares of the resamples).
    """
    rows = []
    plain = outcomes[outcomes["method"] == "majority"]
    fitted: dict[tuple[object, ...], dict[int, pd.Series]] = {}
    for grid in grids(outcomes):
        value = cross_fit(grid.values, grid.levels, seed=seed).values
        key = tuple(grid.cell[name] for name in ("benchmark", "policy", "prm"))
        fitted.setdefault(key, {})[int(str(grid.cell["budget"]))] = pd.Series(value, index=grid.problem_ids)
    for (benchmark, policy, prm), curves in fitted.items():
        own = plain[(plain["benchmark"] == benchmark) & (plain["policy"] == policy)]
        majority = own.pivot(index="problem_id", columns="budget", values="value")
        tts = pd.DataFrame(curves)
        common = majority.dropna().index.intersection(tts.dropna().index).sort_values()
        if min(majority.shape[1], tts.shape[1]) < 2 or common.empty:
            continue
        sides = [table.loc[common].sort_index(axis=1) for table in (majority, tts)]
        found = efficiency_interval(
            list(sides[0]), sides[0].to_numpy(), list(sides[1]), sides[1].to_numpy(), resamples=resamples, seed=seed
        )
        gain = found.gain
        rows.append(
            {"benchmark": benchmark, "policy": policy, "prm": prm, "problems": len(common)}
            | {"value": gain.value, "kind": gain.kind, "peak": gain.peak}
            | {"reached": gain.reached if np.isfinite(gain.reached) else np.nan}
            | {"low": found.low, "high": found.high}
            | {"at_least": found.at_least, "never_reached": found.never_reached}
        )
    columns = ["benchmark", "policy", "prm", "problems", "value", "kind", "peak", "reached", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "at_least", "never_reached"])

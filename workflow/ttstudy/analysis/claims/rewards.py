"""Checks on a study: what the PRM's skill, the vote and the levels do to accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from ttstudy.analysis import difficulty, statistics
from ttstudy.analysis.claims.common import GUIDED, RESAMPLES, finding_above_zero, mean_over, resampled, spearman
from ttstudy.analysis.claims.evidence import Cell, Evidence, Finding, Missing, judge, less, percent, points
from ttstudy.kinds.methods import PAPER_SEARCHES
from ttstudy.vocabulary import LEVELS


def flaws_hurt_search(study: Evidence) -> Finding:
    """Claim 22: a worse PRM costs the searches accuracy, and more of it than best-of-N."""
    prms = study.graded_prms()

    def loss(policy: str, methods: Sequence[str]) -> pd.Series:
        cells = [Cell(policy, prm, study.contested(policy, prm)) for prm in (prms[0], prms[-1])]
        good, bad = (study.values(cell, methods) for cell in cells)
        return less(good, bad)

    searched = mean_over(study.shared_policies, lambda policy: loss(policy, PAPER_SEARCHES))
    sampled = mean_over(study.shared_policies, lambda policy: loss(policy, ["best_of_n"]))
    gap = study.compare(searched, sampled)
    alone = study.compare(searched)
    verdict = judge(alone.difference, alone.low, alone.high)
    if verdict == "holds" and not gap.low > 0:
        verdict = "not significant" if gap.difference > 0 else "fails"
    text = (
        f"from {prms[0]} to {prms[-1]} search changes by {points(-searched.mean())}, best-of-N by "
        f"{points(-sampled.mean())}; search less best-of-N is {points(-gap.difference)}"
    )
    return Finding(
        verdict, text, "flaws distort search", f"{points(-gap.difference)}", -100 * gap.high, -100 * gap.low
    )


def _best_of_n(study: Evidence, policy: str, prm: str, vote: str, budget: int) -> pd.Series:
    """Best-of-N under one vote, mean over its scores."""
    return study.plain(policy, "best_of_n", budget, prm=prm, vote=vote)


def over_optimisation(study: Evidence) -> Finding:
    """Claim 26: with the worst PRM, PRM-Max loses accuracy as N grows."""
    prms = study.graded_prms()

    def fall(policy: str, prm: str) -> pd.Series:
        budgets = study.budgets(policy, "best_of_n")
        if len(budgets) < 2:
            raise Missing("best-of-N at two budgets or more")
        few, many = (_best_of_n(study, policy, prm, "prm_max", n) for n in (budgets[0], budgets[-1]))
        return less(few, many)

    falls = {prm: mean_over(study.shared_policies, lambda policy, prm=prm: fall(policy, prm)) for prm in prms}
    gap = study.compare(falls[prms[-1]])
    shown = ", ".join(f"{points(-falls[prm].mean())} with {prm}" for prm in prms)
    return Finding(
        judge(gap.difference, gap.low, gap.high),
        f"from the smallest to the largest N, PRM-Max of best-of-N changes by {shown}",
        "accuracy falls at N = 512",
        f"{points(-gap.difference)} with {prms[-1]}",
        -100 * gap.high,
        -100 * gap.low,
    )


def votes_matter_with_weak_prm(study: Evidence) -> Finding:
    """Claim 30: PRM-Vote gains more over PRM-Max with the worst PRM than with the best."""
    prms = study.graded_prms()

    def gain(policy: str, prm: str) -> pd.Series:
        budget = study.budgets(policy, "best_of_n")[-1:]
        if not budget:
            raise Missing("best-of-N")
        vote, top = (_best_of_n(study, policy, prm, name, budget[0]) for name in ("prm_vote", "prm_max"))
        return (vote - top).dropna()

    good, bad = (
        mean_over(study.shared_policies, lambda policy, prm=prm: gain(policy, prm)) for prm in (prms[0], prms[-1])
    )
    gap = study.compare(bad, good)
    text = f"vote less max is {points(good.mean())} with {prms[0]} and {points(bad.mean())} with {prms[-1]}"
    return finding_above_zero(gap, text, "+1.0 to +3.6 points (weak), -0.2 to +0.2 (strong)")


def accuracy_follows_prm(study: Evidence) -> Finding:
    """Claim 31: TTS accuracy rises with the PRM's skill; rank correlation above 0.7."""
    prms = study.graded_prms(3)

    def value(policy: str, prm: str) -> pd.Series:
        budgets = [cell.budget for cell in study.grids if (cell.policy, cell.prm) == (policy, prm)]
        if not budgets:
            raise Missing(f"TTS of {policy} with {prm}")
        return study.values(Cell(policy, prm, max(budgets)), GUIDED)

    columns = [
        mean_over(study.shared_policies, lambda policy, prm=prm: value(policy, prm)).rename(prm) for prm in prms
    ]
    skill = np.array([study.quality[prm] for prm in prms])
    estimate, low, high = resampled(
        [pd.concat(columns, axis=1)], lambda accuracy: spearman(skill, accuracy), study.seed
    )
    verdict = "fails" if estimate <= 0.7 else "holds" if low > 0 else "not significant"
    shown = ", ".join(f"{c.name} (AUC {study.quality[str(c.name)]:.3f}) {percent(c.mean())}" for c in columns)
    return Finding(
        verdict,
        f"rank correlation {estimate:+.2f}: {shown}",
        "7.66 ln(skill) + 44.31",
        f"{estimate:+.2f}",
        low,
        high,
    )


def coverage_outgrows_tts(study: Evidence) -> Finding:
    """Claim 32: from the smallest to the largest N, Pass@N gains more than TTS."""

    def growth(policy: str) -> tuple[pd.Series, pd.Series]:
        tts = {cell.budget for cell in study.grids if cell.policy == policy}
        both = sorted(tts & set(study.budgets(policy, "coverage")))
        if len(both) < 2:
            raise Missing("coverage and TTS at two budgets or more")
        ends = both[0], both[-1]
        wide = study.plain(policy, "coverage", ends[1]) - study.plain(policy, "coverage", ends[0])
        return wide, less(study.tts(policy, ends[1])[0], study.tts(policy, ends[0])[0])

    coverage = mean_over(study.policies, lambda policy: growth(policy)[0])
    tts = mean_over(study.policies, lambda policy: growth(policy)[1])
    gap = study.compare(coverage, tts)
    return finding_above_zero(
        gap, f"Pass@N gains {points(coverage.mean())}, TTS {points(tts.mean())}", "Pass@k grows faster"
    )


def harder_benchmark_recovers_less(study: Evidence) -> Finding:
    """Claim 33: on AIME24 a smaller share of (Pass@N - majority) is recovered than on MATH-500."""
    names = ("MATH-500", "AIME24")
    present = set(study.table("outcomes")["benchmark"])
    if not set(names) <= present:
        raise Missing("outcomes on MATH-500 and AIME24")
    sides = [Evidence(study.tables, study.seed, name) for name in names]
    shares = [_recovered(side) for side in sides]
    for name, table in zip(names, shares, strict=True):
        if (table.mean() @ [0, -1, 1]) < 1e-9:
            raise Missing(f"room above the majority on {name}: no N responses hold a right answer that it misses")
    # the problems of the two are drawn apart, also where there are equally many
    rng = [statistics.resample_weights(len(t), RESAMPLES, study.seed + k) / len(t) for k, t in enumerate(shares)]
    drawn = [_share((w @ table.to_numpy()).T) for w, table in zip(rng, shares, strict=True)]
    found = [float(_share(table.mean().to_numpy())) for table in shares]
    low, high = np.quantile(drawn[0] - drawn[1], [0.025, 0.975])
    gap = found[0] - found[1]
    text = f"recovered: {percent(found[0])} of the room on MATH-500, {percent(found[1])} on AIME24"
    return Finding(
        judge(gap, low, high), text, "less on AIME24", points(gap), 100 * min(low, gap), 100 * max(high, gap)
    )


def _recovered(study: Evidence) -> pd.DataFrame:
    """TTS, majority and coverage on each problem, means over the policies, at the largest common budget."""

    def side(method: str) -> Callable[[str], pd.Series]:
        def value(policy: str) -> pd.Series:
            tts = {cell.budget for cell in study.grids if cell.policy == policy}
            both = tts & set(study.budgets(policy, "coverage")) & set(study.budgets(policy, "majority"))
            if not both:
                raise Missing(f"coverage, majority and TTS at one budget on {study.benchmark}")
            return (
                study.tts(policy, max(both))[0] if method == "tts" else study.plain(policy, method, max(both))
            )

        return value

    return pd.concat([mean_over(study.policies, side(m)) for m in ("tts", "majority", "coverage")], axis=1)


def _share(means: np.ndarray) -> np.ndarray:
    tts, majority, coverage = means
    return (tts - majority) / np.maximum(coverage - majority, 1e-9)


def absolute_levels_compare(study: Evidence) -> Finding:
    """Claim 36: policies' levels mean more alike with absolute thresholds than with thirds of each policy."""
    table = study.table("difficulty")
    table = table[table["samples"] > 1]  # a reference's one answer is no measure of difficulty
    table = table[table["benchmark"] == study.benchmark] if "benchmark" in table else table
    if "policy" not in table or table["policy"].nunique() < 2:
        raise Missing("difficulty of two policies or more")
    pivot = table.pivot(index="problem_id", columns="policy", values="pass_at_1").dropna().sort_index()
    schemes = {
        "absolute": pivot.apply(lambda column: difficulty.level_of(column.to_numpy())),
        "quantile": pivot.apply(lambda c: difficulty.level_of(c.to_numpy(), difficulty.thirds(c.to_numpy()))),
    }
    weights = statistics.resample_weights(len(pivot), RESAMPLES, study.seed)
    spreads = {name: _spread(pivot, levels, np.ones((1, len(pivot))))[0] for name, levels in schemes.items()}
    drawn = {name: _spread(pivot, levels, weights) for name, levels in schemes.items()}
    gap = float(spreads["quantile"] - spreads["absolute"])
    low, high = np.quantile(drawn["quantile"] - drawn["absolute"], [0.025, 0.975])
    text = (
        f"within a level, policies' mean Pass@1 spans {100 * spreads['absolute']:.1f} points with absolute "
        f"thresholds and {100 * spreads['quantile']:.1f} with thirds"
    )
    return Finding(
        judge(gap, low, high),
        text,
        "absolute thresholds are better",
        points(gap),
        100 * min(low, gap),
        100 * max(high, gap),
    )


def _spread(pivot: pd.DataFrame, levels: pd.DataFrame, weights: np.ndarray) -> np.ndarray:
    """Range over policies of the mean Pass@1 in a level, mean over levels; one number per row of weights.

    A policy without problems in a level is no part of its range; a level of one policy has none.
    """
    total = np.zeros(len(weights))
    for level in LEVELS:
        inside = (levels == level).to_numpy(dtype=float)
        sizes = weights @ inside
        means = (weights @ (inside * pivot.to_numpy())) / np.maximum(sizes, 1)
        top, bottom = (np.where(sizes > 0, means, none) for none in (-np.inf, np.inf))
        total += np.maximum(top.max(axis=1) - bottom.min(axis=1), 0.0)
    return total / len(LEVELS)


def weak_guides_strong(study: Evidence) -> Finding:
    """Claim 41: a PRM smaller than the largest policy with best-of-N lifts it above that policy's majority."""
    sampled = [policy for policy in study.ladder(1) if study.budgets(policy, "best_of_n")]
    if not sampled:
        raise Missing("best-of-N")
    policy = sampled[-1]
    smaller = [prm for prm in study.quality if study.parameters.get(prm, np.inf) < study.parameters[policy]]
    if not smaller:
        raise Missing(f"a PRM smaller than {policy}, with a measured step AUC")
    budgets = [cell.budget for cell in study.grids if (cell.policy, cell.prm) == (policy, smaller[0])]
    shared = sorted(set(budgets) & set(study.budgets(policy, "majority")))
    if not shared:
        raise Missing(f"best-of-N with {smaller[0]} and majority of {policy} at one budget")
    cell = Cell(policy, smaller[0], shared[-1])
    gap = study.compare(study.values(cell, ["best_of_n"]), study.plain(policy, "majority", shared[-1]))
    ratio = study.parameters[policy] / study.parameters[smaller[0]]
    text = (
        f"with {smaller[0]} best-of-N of {policy}, {ratio:.3g} times its size, is "
        f"{points(gap.difference)} from its majority at N = {shared[-1]}"
    )
    return finding_above_zero(gap, text, "a 7B PRM guides a 72B policy")

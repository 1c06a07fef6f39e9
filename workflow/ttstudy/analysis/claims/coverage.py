"""Claims on Pass@N: how it grows, and how much of it TTS recovers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ttstudy.analysis import statistics
from ttstudy.analysis.claims.claim import Claim, Finding, Missing, on_problems, percent, points
from ttstudy.analysis.claims.common import RESAMPLES, finding_above_zero, mean_over
from ttstudy.analysis.claims.evidence import Evidence, less
from ttstudy.analysis.claims.verdict import judge, known


def coverage_outgrows_tts(study: Evidence) -> Finding:
    """From the smallest to the largest N, Pass@N gains more than TTS."""

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


CLAIM_32 = Claim(
    32,
    "Pass@k grows faster with N than the accuracy of TTS",
    "section 4.2",
    needs="coverage and TTS at several budgets",
    study=coverage_outgrows_tts,
    section="scaling",
)


def harder_benchmark_recovers_less(study: Evidence) -> Finding:
    """On AIME24 a smaller share of (Pass@N - majority) is recovered than on MATH-500."""
    names = ("MATH-500", "AIME24")
    present = set(study.table("outcomes")["benchmark"])
    if not set(names) <= present:
        raise Missing("outcomes on MATH-500 and AIME24")
    sides = [study.on(name) for name in names]
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
    seen = known(gap, min(float(low), gap), max(float(high), gap))
    return on_problems(judge(seen, None), text, "less on AIME24", points(gap), seen)


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


CLAIM_33 = Claim(
    33,
    "PRMs recover less of the room above majority voting on AIME24 than on MATH-500",
    "section 4.2",
    needs="coverage, majority and TTS on MATH-500 and AIME24",
    study=harder_benchmark_recovers_less,
    section="prms",
)

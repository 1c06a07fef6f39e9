"""Speed of the study's mathematics at paper size.

    PYTHONPATH=workflow python reports/benchmarks/analysis.py

500 problems x 256 responses x 7 PRMs: majority, coverage and best-of-N with {min, last, avg} x {PRM-Max, PRM-Vote} at
N = 4, 16, 64, 256; the accuracy table with 10 000 bootstrap resamples; then strategies, their optimism, the
efficiency gain and adaptive budgets.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import pandas as pd

from ttstudy.analysis import accuracy, strategy
from ttstudy.methods import voting

BUDGETS = [4, 16, 64, 256]


def paper_pool(rng: np.random.Generator) -> tuple[voting.Pool, list[dict[str, np.ndarray]]]:
    """500 problems of all difficulties with up to about 60 answer classes, and the scores of seven PRMs."""
    problems, size = 500, 256
    correct = rng.random((problems, size)) < rng.beta(0.6, 0.6, problems)[:, None]
    scatter = 1 / rng.uniform(1, 40, problems)
    wrong = 1 + np.stack([rng.geometric(share, size) for share in scatter])
    classes = np.where(correct, 0, wrong)
    classes[rng.random(classes.shape) < 0.03] = -1
    correct &= classes >= 0

    def scores() -> np.ndarray:
        return np.clip(0.5 + 0.3 * (correct - 0.5) + rng.normal(0, 0.3, correct.shape), 0, 1)

    pool = voting.Pool([f"p{i:03d}" for i in range(problems)], correct, classes)
    return pool, [{how: scores() for how in voting.SCORES} for _ in range(7)]


def speed() -> None:
    """Time and memory of the mathematics of one policy at paper size."""
    pool, prms = paper_pool(np.random.default_rng(0))
    clock = [(time.perf_counter(), time.process_time())]
    print("| step | wall, s | CPU, s | rows |\n|---|--:|--:|--:|")

    def noted(name: str, rows: int, since: int = -2) -> None:
        clock.append((time.perf_counter(), time.process_time()))
        wall, cpu = (end - start for start, end in zip(clock[since], clock[-1], strict=True))
        print(f"| {name} | {wall:.1f} | {cpu:.1f} | {rows:,} |", flush=True)

    tables = [voting.values(pool, BUDGETS, m).assign(method=m, prm="none") for m in ("majority", "coverage")]
    for k, scores in enumerate(prms):
        scored = voting.Pool(pool.problem_ids, pool.correct, pool.answer_class, scores)
        tables.append(voting.values(scored, BUDGETS, "best_of_n").assign(method="best_of_n", prm=f"prm{k}"))
    outcomes = pd.concat(tables, ignore_index=True).assign(benchmark="synthetic", policy="policy")
    share = pd.Series(pool.correct.mean(axis=1), index=pool.problem_ids)
    outcomes["level"] = outcomes["problem_id"].map(share.map(_level))
    noted("values", len(outcomes))
    noted("intervals, 10 000 resamples", len(accuracy.accuracy_table(outcomes)))
    noted("values and intervals", 0, 0)
    noted("strategies", len(strategy.select(outcomes)))
    noted("optimism", len(strategy.optimism(outcomes)))
    noted("efficiency gain", len(strategy.efficiency(outcomes)))
    levels = outcomes[["problem_id", "level"]].drop_duplicates()
    rule = (outcomes["score"] == "min") & (outcomes["vote"] == "prm_vote")
    headline = outcomes[rule | (outcomes["method"] == "majority")]
    noted("budgets by level", len(strategy.allocate(headline, levels)))
    noted("votes that stop early", len(strategy.stopping(pool, BUDGETS)))
    noted("all", 0, 0)
    print(f"\n{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB at most")


def _level(share: float) -> str:
    return "easy" if share >= 0.5 else "medium" if share >= 0.1 else "hard"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    speed()


if __name__ == "__main__":
    main()

"""Speed of the study's mathematics at paper size, coverage of its intervals, and bias of its strategy choice.

PYTHONPATH=workflow python reports/benchmarks/analysis.py [--studies 1000] [--only speed|coverage|selection]

speed      500 problems x 256 responses x 7 PRMs: majority, coverage and best-of-N with {min, last, avg} x
           {PRM-Max, PRM-Vote} at N = 4, 16, 64, 256, and the accuracy table with 10 000 bootstrap resamples
coverage   how often a 95 % interval holds the truth, by number of problems and law of the values
selection  naive and cross-fitted choice among strategies that are all equally good: mean error in points
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import pandas as pd

from ttstudy import statistics, strategy, voting

LAWS = {
    "Beta(0.6, 0.6)": (0.6, 0.6),
    "Beta(0.2, 1)": (0.2, 1.0),
    "Beta(3, 0.2)": (3.0, 0.2),
    "0/1, p = 0.3": None,
}


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
    """Time and memory of all values and intervals of one policy at paper size."""
    pool, prms = paper_pool(np.random.default_rng(0))
    budgets = [4, 16, 64, 256]
    start, cpu = time.perf_counter(), time.process_time()
    tables = [voting.values(pool, budgets, m).assign(method=m, prm="none") for m in ("majority", "coverage")]
    for k, scores in enumerate(prms):
        scored = voting.Pool(pool.problem_ids, pool.correct, pool.answer_class, scores)
        tables.append(voting.values(scored, budgets, "best_of_n").assign(method="best_of_n", prm=f"prm{k}"))
    middle, middle_cpu = time.perf_counter(), time.process_time()
    outcomes = pd.concat(tables, ignore_index=True).assign(benchmark="synthetic", policy="policy")
    share = pd.Series(pool.correct.mean(axis=1), index=pool.problem_ids)
    outcomes["level"] = outcomes["problem_id"].map(share.map(_level))
    rows = len(statistics.accuracy_table(outcomes))
    end, end_cpu = time.perf_counter(), time.process_time()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"values     {middle - start:6.1f} s wall {middle_cpu - cpu:6.1f} s CPU  {len(outcomes)} rows")
    print(f"intervals  {end - middle:6.1f} s wall {end_cpu - middle_cpu:6.1f} s CPU  {rows} rows")
    print(f"both       {end - start:6.1f} s wall {end_cpu - cpu:6.1f} s CPU  {memory:.2f} GiB at most")


def _level(share: float) -> str:
    return "easy" if share >= 0.5 else "medium" if share >= 0.1 else "hard"


def coverage(studies: int) -> None:
    """Share of studies whose 95 % interval holds the true accuracy; in brackets its mean width in points."""
    print(f"{'law of values':16s}" + "".join(f"{n:>16d}" for n in (30, 40, 100, 200, 500)))
    for name, law in LAWS.items():
        cells = []
        for n in (30, 40, 100, 200, 500):
            rng = np.random.default_rng([n, len(name)])
            values = (
                (rng.random((n, studies)) < 0.3).astype(float)
                if law is None
                else rng.beta(*law, (n, studies))
            )
            truth = 0.3 if law is None else law[0] / sum(law)
            low, high = statistics.interval(values, resamples=2000)
            held = ((low <= truth) & (truth <= high)).mean()
            cells.append(f"{100 * held:9.1f} ({100 * (high - low).mean():4.1f})")
        print(f"{name:16s}" + "".join(f"{cell:>16s}" for cell in cells))


def selection(studies: int) -> None:
    """Mean error, in points, of both choices where no strategy is better than another."""
    print(f"{'problems':>9s}{'strategies':>12s}{'naive':>9s}{'cross-fitted':>14s}{'standard error':>16s}")
    levels = np.array(["easy", "medium", "hard"], dtype=object)
    for problems in (500, 40, 30):
        for thetas in (3, 9, 21, 63):
            rng = np.random.default_rng([problems, thetas])
            errors = []
            for _ in range(studies):
                # solved or not, with a latent correlation of 0.7 between strategies; the truth is 0.5 for all
                common = rng.normal(size=(problems, 1))
                latent = 0.7**0.5 * common + 0.3**0.5 * rng.normal(size=(problems, thetas))
                values, groups = (latent > 0).astype(float), levels[np.arange(problems) % 3]
                grid = strategy.Grid({}, [], groups, [("majority", "none", "majority")] * thetas, values)
                fitted = strategy.cross_fit(values, groups, repeats=4)[0]
                errors.append((strategy.naive(grid)[0].mean() - 0.5, fitted.mean() - 0.5))
            naive, fitted = 100 * np.mean(errors, axis=0)
            noise = 100 * np.std(errors, axis=0)[1] / studies**0.5
            print(f"{problems:9d}{thetas:12d}{naive:+9.2f}{fitted:+14.2f}{noise:16.2f}")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=1000, help="simulated studies per cell")
    parser.add_argument("--only", choices=["speed", "coverage", "selection"])
    args = parser.parse_args()
    if args.only in (None, "speed"):
        speed()
    if args.only in (None, "coverage"):
        coverage(args.studies)
    if args.only in (None, "selection"):
        selection(args.studies)


if __name__ == "__main__":
    main()

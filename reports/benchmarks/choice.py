"""What a strategy is worth that was chosen by cross-fitting, with shrinkage, or not at all; what optimism is made of.

    PYTHONPATH=workflow python reports/benchmarks/choice.py [--studies 400]

Studies of strategies whose worth is known: outcomes of 0 or 1, three levels, a latent correlation of 0.7 between
strategies. Writes choice.md beside this file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.special import ndtr

from ttstudy.analysis import strategy

HERE = Path(__file__).resolve().parent
LEVELS = np.array(["easy", "medium", "hard"], dtype=object)
THETAS = 21
FOLDS = 5
WORLDS = {
    "all strategies alike": (0.0, 0.0),
    "the same best one on every level": (0.3, 0.0),
    "another best one on each level": (0.0, 0.3),
    "both": (0.2, 0.2),
}
"""Deviation of the strategies' shifts (probits) that all levels share, and that each level has of its own."""


def drawn(problems: int, world: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values [P, T] of a study, level of each problem, and what each strategy is worth on it [P, T]."""
    common, own = WORLDS[world]
    shifts = common * rng.normal(size=THETAS) + own * rng.normal(size=(3, THETAS))
    level = np.arange(problems) % 3
    ease = np.array([0.8, 0.0, -0.8])[level][:, None]
    shift = ease + shifts[level]
    latent = 0.7**0.5 * rng.normal(size=(problems, 1)) + 0.3**0.5 * rng.normal(size=(problems, THETAS)) + shift
    return (latent > 0).astype(float), level, ndtr(shift)


def shrunk(means: np.ndarray, every: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A level's means [T], pulled to those of all levels as far as their differences are noise (empirical Bayes)."""
    gaps = (means - means.mean()) - (every - every.mean())
    centred = values - values.mean(axis=1, keepdims=True)
    noise = float(centred.var(axis=0, ddof=1).mean()) / len(values) if len(values) > 1 else 1.0
    signal = max(float(gaps.var()) - noise, 0.0)
    return every - every.mean() + gaps * signal / max(signal + noise, 1e-12)


def worths(values: np.ndarray, level: np.ndarray, worth: np.ndarray, rng: np.random.Generator) -> list[float]:
    """Loss against each level's best strategy, in points: plain, shrunk, one choice for all levels, a fixed rule."""
    fold = rng.permutation(len(values)) % FOLDS
    best = worth.max(axis=1).mean()
    got = np.zeros(3)
    for held in range(FOLDS):
        train = fold != held
        every = values[train].mean(axis=0)
        for k in range(3):
            mine, rest = train & (level == k), (fold == held) & (level == k)
            if not mine.any() or not rest.any():
                continue
            means = values[mine].mean(axis=0)
            chosen = [means.argmax(), shrunk(means, every, values[mine]).argmax(), every.argmax()]
            got += worth[rest][:, chosen].sum(axis=0)
    return [*(100 * (best - got / len(values))), float(100 * (best - worth[:, 0].mean()))]


def parts(problems: int, world: str, studies: int) -> np.ndarray:
    """Means over studies of the optimism of `strategy.optimism_of`, of its learning loss, and of the true one."""
    rng = np.random.default_rng([problems, studies, 1])
    rows = []
    for k in range(studies):
        values, level, worth = drawn(problems, world, rng)
        grid = strategy.Grid({}, [], LEVELS[level], [("majority", "none", "majority")] * THETAS, values)
        found = strategy.optimism_of(grid, seed=k, resamples=2)
        chosen = strategy.cross_fit(values, grid.levels, repeats=40, seed=k).chosen
        lost = worth.max(axis=1).mean() - (chosen * worth).sum(axis=1).mean()
        rows.append((found.optimism, found.learning_loss, lost))
    return 100 * np.mean(rows, axis=0)


def page(studies: int) -> str:
    """The page, all worlds run."""
    lines = [
        "# How a strategy is chosen, and what it costs",
        "",
        f"Points that a choice among {THETAS} strategies is worth less than each level's best one; means of {studies} "
        "studies. Plain: the best mean of the level, as this study chooses. Shrunk: level means pulled to those of all "
        "levels (empirical Bayes). One: one choice for all levels. Fixed: a strategy named by lot. The first three "
        "are learned on four fifths of the problems. Made by "
        f"`PYTHONPATH=workflow python reports/benchmarks/choice.py --studies {studies}`.",
        "",
        "| strategies | problems | plain | shrunk | one | fixed |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for world in WORLDS:
        for problems in (30, 50, 200, 500):
            rng = np.random.default_rng([problems, studies])
            found = np.mean([worths(*drawn(problems, world, rng), rng) for _ in range(studies)], axis=0)
            lines.append(f"| {world} | {problems} | " + " | ".join(f"{loss:.1f}" for loss in found) + " |")
            print(lines[-1], flush=True)
    few = max(studies // 4, 20)
    lines += [
        "",
        "Shrinkage gains where one strategy is best on every level, and loses where each level has its own. Which it "
        "is, is what the study asks: the choice stays plain, and what it costs on few problems is told below.",
        "",
        "# What optimism is made of",
        "",
        "Naive less cross-fitted accuracy, the learning loss that is told from it, and the true loss against each "
        f"level's best strategy; points, means of {few} studies.",
        "",
        "| strategies | problems | optimism | learning loss, told | learning loss, true |",
        "|---|--:|--:|--:|--:|",
    ]
    for world in WORLDS:
        for problems in (50, 200, 500):
            found = parts(problems, world, few)
            lines.append(f"| {world} | {problems} | " + " | ".join(f"{value:.1f}" for value in found) + " |")
            print(lines[-1], flush=True)
    return "\n".join([*lines, ""])


def main() -> None:
    """Run all worlds and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=400, help="simulated studies per row")
    parser.add_argument("--output", type=Path, default=HERE / "choice.md")
    args = parser.parse_args()
    args.output.write_text(page(args.studies), encoding="utf-8")


if __name__ == "__main__":
    main()

"""How long 128 000 responses take to grade: 500 problems x 256 samples, cold, as a study of MATH-500 would.

    PYTHONPATH=workflow python reports/benchmarks/answers.py [--grader strict] [--workers 2]

The answers are a realistic mix: most are integers; the others fractions, radicals, polynomials, points,
intervals, units and words, in several right spellings, with wrong values, missing boxes and a few hostile
strings among them.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import time
from collections.abc import Callable

import pandas as pd

from ttstudy.answers import grade_table

Spelled = list[str]


def integer(rng: random.Random) -> Spelled:
    """Whole number."""
    value = rng.choice([rng.randint(-20, 100), rng.randint(100, 99_999)])
    return [str(value), f"{value:,}", f"{value}.0", f"x = {value}", rf"\text{{{value}}}", f"${value}$"]


def fraction(rng: random.Random) -> Spelled:
    """Simple fraction."""
    above, below = rng.randint(-50, 50), rng.randint(2, 99)
    return [rf"\frac{{{above}}}{{{below}}}", f"{above}/{below}", rf"\dfrac{{{2 * above}}}{{{2 * below}}}"]


def radical(rng: random.Random) -> Spelled:
    """Square root with a factor."""
    factor, inside = rng.randint(2, 19), rng.choice([2, 3, 5, 6, 7, 10, 11, 13])
    return [
        rf"{factor}\sqrt{{{inside}}}",
        rf"\sqrt{{{factor * factor * inside}}}",
        rf"\frac{{{factor * inside}}}{{\sqrt{{{inside}}}}}",
    ]


def polynomial(rng: random.Random) -> Spelled:
    """Quadratic, multiplied out or not."""
    a, b = rng.randint(1, 9), rng.randint(1, 9)
    return [rf"x^2+{a + b}x+{a * b}", rf"(x+{a})(x+{b})", rf"{a * b} + {a + b} x + x^{{2}}"]


def circle(rng: random.Random) -> Spelled:
    """Multiple of pi."""
    factor = rng.randint(2, 300)
    return [rf"{factor}\pi", rf"{factor} \cdot \pi", rf"\pi\cdot {factor}"]


def point(rng: random.Random) -> Spelled:
    """Point of the plane."""
    a, b = rng.randint(-9, 9), rng.randint(1, 9)
    return [rf"({a},\frac{{{b}}}{{2}})", rf"\left( {a}, {b / 2} \right)", rf"(x,y)=({a},{b}/2)"]


def interval(rng: random.Random) -> Spelled:
    """Half-open interval."""
    a = rng.randint(-9, 9)
    return [rf"({a},\infty)", f"x > {a}", rf"x \in ({a}, \infty)", rf"\left({a},+\infty\right)"]


def angle(rng: random.Random) -> Spelled:
    """Angle in degrees."""
    value = rng.randint(1, 179)
    return [rf"{value}^\circ", str(value), rf"{value}\text{{ degrees}}"]


def word(rng: random.Random) -> Spelled:
    """Name or property."""
    name = rng.choice(["even", "odd", "ellipse", "Monday", "Evelyn", "hyperbola"])
    return [rf"\text{{{name}}}", name, name.title()]


KINDS: list[tuple[Callable[[random.Random], Spelled], int]] = [
    (integer, 62),
    (fraction, 14),
    (radical, 5),
    (polynomial, 4),
    (circle, 3),
    (point, 4),
    (interval, 3),
    (angle, 3),
    (word, 2),
]
HOSTILE = ["9^{9^{9^{9}}}", r"\sum_{k=1}^{10^8}\frac1k", "{" * 3000, "7" * 50_000, r"\frac{1}{" * 200]


def table(problems: int, samples: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Responses and benchmark; about half of the responses are right, one in 25 has no box."""
    rng = random.Random(seed)
    kinds, weights = zip(*KINDS, strict=True)
    rows, golds = [], []
    for problem in range(problems):
        kind = rng.choices(kinds, weights)[0]
        right, accuracy = kind(rng), rng.random()
        wrong = [spelling for _ in range(rng.randint(2, 40)) for spelling in kind(rng)]
        golds.append((f"p{problem}", right[0]))
        for sample in range(samples):
            answer = rng.choice(right) if rng.random() < accuracy else rng.choice(wrong)
            if problem % 100 == 0 and sample < len(HOSTILE):
                answer = HOSTILE[sample]
            box = rf"\boxed{{{answer}}}" if rng.random() > 0.04 else answer
            rows.append(
                (f"p{problem}", sample, f"First we look at the terms.\n\nThen the answer is ${box}$.")
            )
    return (
        pd.DataFrame(rows, columns=["problem_id", "sample", "response"]),
        pd.DataFrame(golds, columns=["problem_id", "answer"]),
    )


def processor_seconds() -> float:
    """Processor time of this process and its ended workers."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def main() -> None:
    """Grade the table once and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--grader", default="strict")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    responses, benchmark = table(options.problems, options.samples)
    started, spent = time.perf_counter(), processor_seconds()
    grades = grade_table(responses, benchmark, grader=options.grader, workers=options.workers)
    seconds, spent = time.perf_counter() - started, processor_seconds() - spent
    distinct = grades[["problem_id", "answer"]].drop_duplicates().shape[0]
    print(
        f"{len(grades)} responses, {distinct} distinct answers per problem in all: {seconds:.1f} s wall, "
        f"{spent:.1f} s CPU with the workers, load {os.getloadavg()[0]:.1f}, "
        f"{options.workers} workers; correct {grades.correct.mean():.3f}, "
        f"status {grades.status.value_counts().to_dict()}"
    )


if __name__ == "__main__":
    main()

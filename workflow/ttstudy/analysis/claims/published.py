"""The published numbers, and what two of their accuracies alone can carry."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ttstudy.analysis import statistics
from ttstudy.analysis.claims.claim import Finding, Missing
from ttstudy.analysis.claims.verdict import Judged, every, judge

PUBLISHED = Path(__file__).resolve().parents[4] / "reports" / "published.csv"
"""The numbers that the paper, its figures, its authors and the article state; one row each."""

PROBLEMS = {"MATH-500": 500, "AIME24": 30}

MATH, AIME = PROBLEMS

HALF_UNIT = 0.05 + 1e-9
"""Rounding of a number printed with one decimal."""


def _text(cell: object) -> str:
    """A cell of the published numbers as text, however its column was read."""
    if isinstance(cell, str):
        return cell
    return "" if pd.isna(cell) else f"{cell:.15g}"


class Published:
    """The published numbers, by what they are about."""

    def __init__(self, table: pd.DataFrame | None = None) -> None:
        """Take the numbers from a table in the form of reports/published.csv (default: that file)."""
        if table is None:
            table = pd.read_csv(PUBLISHED, keep_default_na=False, dtype=str)
        self.table = table.apply(lambda column: column.map(_text)).astype(object)
        self.table["number"] = pd.to_numeric(self.table["value"], errors="coerce").astype(float)
        self._columns = {name: self.table[name].to_numpy() for name in self.table}

    def _where(self, wanted: dict[str, str]) -> np.ndarray:
        found = np.logical_and.reduce([self._columns[column] == text for column, text in wanted.items()])
        if not found.any():
            raise Missing("a published number: " + ", ".join(f"{c} {t}" for c, t in wanted.items() if t))
        return found

    def rows(self, **wanted: str) -> pd.DataFrame:
        """Rows whose columns have these texts, with `value` as a number; Missing when there is none."""
        rows = self.table[self._where(wanted)]
        return rows.assign(value=rows["number"])

    def value(self, quantity: str, **wanted: str) -> float:
        """The one number with these texts."""
        return float(self._columns["number"][self._where({"quantity": quantity} | wanted)][0])

    def accuracy(
        self, where: str, policy: str, benchmark: str = "MATH-500", budget: str = "", **wanted: str
    ) -> float:
        """Accuracy in percent of a policy or reference model in a table or figure."""
        return self.value(
            "accuracy", where=where, policy=policy, benchmark=benchmark, budget=budget, **wanted
        )


class Counts(NamedTuple):
    """Two accuracies of which only percentages are known, as counts of problems."""

    a: int
    b: int
    problems: int
    p: float
    difference: float
    low: float
    high: float

    @property
    def judged(self) -> Judged:
        """Verdict on a claim that the first accuracy is above the second."""
        return judge(statistics.Paired(self.difference / 100, self.low / 100, self.high / 100, self.p))


def on_counts(judged: Judged, text: str, published: str | None, shown: Counts) -> Finding:
    """Finding on published counts of problems; `shown` is the difference that stands for it."""
    ours = f"{shown.difference:+.1f} points"
    return Finding(judged.verdict, text, published, ours, shown.low, shown.high, judged.p, "problems")


def counts(a: float, b: float, benchmark: str) -> Counts:
    """Fisher's test and Newcombe's interval (points) of two percentages on one benchmark."""
    n = PROBLEMS[benchmark]
    k, m = round(a * n / 100), round(b * n / 100)
    low, high = newcombe(k, m, n)
    return Counts(k, m, n, statistics.fisher(k, n, m, n), 100 * (k - m) / n, 100 * low, 100 * high)


def newcombe(k: int, m: int, n: int) -> tuple[float, float]:
    """95 % interval of k/n - m/n, two counts of which the pairs are not known (Newcombe 1998, method 10)."""
    (low_a, low_b), (high_a, high_b) = statistics.wilson(np.array([k, m]) / n, n)
    return statistics.independent_difference((k / n, low_a, high_a), (m / n, low_b, high_b))


class Side(NamedTuple):
    """A published accuracy: where, of what, at which budget, with which PRM."""

    where: str
    policy: str
    budget: str = ""
    prm: str = ""
    method: str = ""

    def accuracy(self, published: Published, benchmark: str) -> float:
        """In percent."""
        wanted = {key: text for key, text in (("prm", self.prm), ("method", self.method)) if text}
        return published.accuracy(self.where, self.policy, benchmark, self.budget, **wanted)


Check = Callable[[Published], Finding]


def versus(*contests: tuple[Side, Side, str], remark: str = "") -> Check:
    """The first side of each (side, side, benchmark) beats the second: the weakest of the verdicts."""

    def check(published: Published) -> Finding:
        results = []
        for a, b, benchmark in contests:
            left, right = a.accuracy(published, benchmark), b.accuracy(published, benchmark)
            results.append((left, right, benchmark, counts(left, right, benchmark)))
        texts = [
            f"{left:.1f} % against {right:.1f} % on {benchmark} is {c.a} against {c.b} of {c.problems} "
            f"problems (p = {c.p:.2g})"
            for left, right, benchmark, c in results
        ]
        return on_counts(
            every([c.judged for *_, c in results]),
            "; ".join(texts) + remark,
            ", ".join(f"{left:.1f} % > {right:.1f} %" for left, right, _, _ in results),
            results[0][3],
        )

    return check


def billions(name: str) -> float:
    """Parameters that a model's name tells, in billions; 0 where it tells none."""
    match = re.search(r"(\d+(?:\.\d+)?)B", name)
    return float(match.group(1)) if match else 0.0

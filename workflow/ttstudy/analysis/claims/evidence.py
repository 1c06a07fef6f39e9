"""What claims are tested on: a study's tables with what follows from them, and the published numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from ttstudy.analysis import difficulty, statistics, strategy
from ttstudy.analysis.choice import compute_optimal
from ttstudy.analysis.claims.claim import Missing
from ttstudy.analysis.claims.published import Published
from ttstudy.dag import rehearsed
from ttstudy.kinds.methods import PAPER_SEARCHES


class Cell(NamedTuple):
    """One (policy, prm, budget) of the main benchmark."""

    policy: str
    prm: str
    budget: int


class Evidence:
    """A study's tables, and the values on its main benchmark that several claims need.

    The main benchmark is the one with the most problems. Values of a family of strategies are cross-fitted:
    the strategy is chosen on other problems than those on which it is valued.
    """

    def __init__(
        self,
        tables: dict[str, pd.DataFrame],
        seed: int = 0,
        benchmark: str | None = None,
        published: Published | None = None,
    ) -> None:
        """Keep the tables by their contract names (any may be absent), and the published numbers (default: all)."""
        self.tables = {name: table for name, table in tables.items() if table is not None and len(table)}
        self.seed = seed
        self._benchmark = benchmark
        self._published = published
        self._values: dict[tuple[Cell, tuple[str, ...], bool], pd.Series] = {}

    def table(self, name: str) -> pd.DataFrame:
        """A table by its contract name; Missing when the study has none."""
        if name not in self.tables:
            raise Missing(f"the study's {name} table")
        return self.tables[name]

    @cached_property
    def published(self) -> Published:
        """The published numbers."""
        return Published() if self._published is None else self._published

    def on(self, benchmark: str, policy: str | None = None) -> Evidence:
        """The study seen on one benchmark; Missing when a policy that is named has no outcomes there."""
        outcomes = self.table("outcomes")
        here = outcomes["benchmark"] == benchmark
        if policy is not None and not (here & (outcomes["policy"] == policy)).any():
            raise Missing(f"outcomes of {policy} on {benchmark}")
        return Evidence(self.tables, self.seed, benchmark, self._published)

    @cached_property
    def benchmark(self) -> str:
        """Name of the main benchmark."""
        if self._benchmark is not None:
            return self._benchmark
        sizes = self.table("outcomes").groupby("benchmark")["problem_id"].nunique().sort_values(kind="stable")
        return str(sizes.index[-1])

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """Outcomes on the main benchmark."""
        outcomes = self.table("outcomes")
        part = outcomes[outcomes["benchmark"] == self.benchmark]
        if part.empty:
            raise Missing(f"outcomes on {self.benchmark}")
        return part

    @cached_property
    def parameters(self) -> dict[str, float]:
        """Parameters of the policies and PRMs whose size the ledger or the training table knows."""
        sizes: dict[str, float] = {}
        if "training" in self.tables:
            table = self.tables["training"]
            sizes |= dict(zip(table["model"], table["parameters"].astype(float), strict=True))
        if "ledger" in self.tables:
            table = self.tables["ledger"]
            sizes |= dict(zip(table["policy"], table["policy_parameters"].astype(float), strict=True))
            guided = table[table["prm"] != "none"]
            sizes |= dict(zip(guided["prm"], guided["prm_parameters"].astype(float), strict=True))
        return {name: size for name, size in sizes.items() if not np.isnan(size)}

    @cached_property
    def policies(self) -> list[str]:
        """Policies with outcomes, smallest first; those of unknown size last."""
        return sorted(set(self.outcomes["policy"]), key=lambda name: (self.parameters.get(name, np.inf), name))

    @cached_property
    def shared_policies(self) -> list[str]:
        """Policies that every graded PRM was used with, smallest first: only they compare PRMs fairly."""
        pairs = self.outcomes[["policy", "prm"]].drop_duplicates()
        shared = set(self.policies)
        for prm in self.quality:
            shared &= set(pairs.loc[pairs["prm"] == prm, "policy"])
        if not shared:
            raise Missing("a policy that every PRM was used with")
        return [policy for policy in self.policies if policy in shared]

    def ladder(self, least: int = 2) -> list[str]:
        """Policies of known size, smallest first; Missing when there are fewer than `least`."""
        known = [name for name in self.policies if name in self.parameters]
        if not known:
            raise Missing("the study's ledger or training table (parameter counts)")
        if len(known) < least:
            raise Missing(f"policies of at least {least} sizes")
        return known

    @cached_property
    def skill(self) -> tuple[str, dict[str, float]]:
        """Skill of the PRMs in the outcomes, best first, and what measures it.

        One measure for all, the first of those that know most of them: step AUC on validation rollouts, which trained
        PRMs have; F1 on this study's labelled solutions; F1 on ProcessBench, as published.
        """
        used = sorted(set(self.outcomes["prm"]) - {"none"})
        measures = {
            "step AUC": self._validated(),
            "F1 on labelled solutions": self._measured(used),
            "published ProcessBench F1": self._ranked(),
        }
        known = {what: {prm: of[prm] for prm in used if prm in of} for what, of in measures.items()}
        what = max(known, key=lambda name: len(known[name]))
        best = sorted(known[what], key=lambda prm: (-known[what][prm], prm))
        return what, {prm: known[what][prm] for prm in best}

    @property
    def quality(self) -> dict[str, float]:
        """`skill` of each PRM, best first."""
        return self.skill[1]

    def _validated(self) -> dict[str, float]:
        table = self.tables.get("training", pd.DataFrame(columns=["model", "kind", "auc"]))
        table = table[(table["kind"] == "prm") & table["auc"].notna()]
        return dict(zip(table["model"], table["auc"].astype(float), strict=True))

    def _measured(self, prms: Sequence[str]) -> dict[str, float]:
        """Mean F1 over the labelled sets that have been scored by all PRMs that any of them was scored by."""
        if "prm_skill" not in self.tables:
            return {}
        table = self.tables["prm_skill"]
        rows = table[(table["policy"] == "all") & table["prm"].isin(prms)]
        wide = rows.pivot_table(index="benchmark", columns="prm", values="f1").dropna()
        return {str(prm): float(f1) for prm, f1 in wide.mean().dropna().items()}

    def _ranked(self) -> dict[str, float]:
        try:
            rows = self.published.rows(quantity="processbench_f1", benchmark="avg")
        except Missing:
            return {}
        return dict(zip(rows["prm"].astype(str), rows["value"].astype(float) / 100, strict=True))

    def graded_prms(self, least: int = 2) -> list[str]:
        """PRMs by skill, best first; Missing when that of fewer than `least` is known."""
        if len(self.quality) < least:
            raise Missing(f"at least {least} PRMs of known skill (trained here, scored on `labelled`, or published)")
        return list(self.quality)

    @cached_property
    def contests(self) -> pd.DataFrame:
        """Pairs of a smaller policy, with TTS and the reference PRM, and a larger one: rows of the headline table."""
        place = {name: k for k, name in enumerate(self.ladder())}
        table = self.table("headline")
        here = table[(table["benchmark"] == self.benchmark) & table["reference"].astype(bool)]
        pairs = here[here["policy"] != here["larger"]]
        if pairs.empty:
            raise Missing("TTS of a policy and CoT of a larger one")
        return pairs.sort_values(["policy", "larger"], key=lambda names: names.map(place), kind="stable")

    # -- values ----------------------------------------------------------------------------------------------

    @cached_property
    def grids(self) -> dict[Cell, strategy.Grid]:
        """Values of every strategy by (policy, prm, budget)."""
        return {
            Cell(str(grid.cell["policy"]), str(grid.cell["prm"]), int(str(grid.cell["budget"]))): grid
            for grid in strategy.grids(self.outcomes)
        }

    def values(self, cell: Cell, methods: Sequence[str] = (), by_level: bool = False) -> pd.Series:
        """Cross-fitted value on each problem of the best strategy of `methods` (default: all) in a cell."""
        key = (cell, tuple(methods), by_level)
        if key not in self._values:
            grid = self.grids.get(cell)
            kept = [k for k, t in enumerate(grid.thetas) if not methods or t[0] in methods] if grid else []
            if grid is None or not kept:
                raise Missing(
                    f"{' or '.join(methods) or 'TTS'} of {cell.policy} with {cell.prm} at N = {cell.budget}"
                )
            groups = grid.levels if by_level else np.full(len(grid.values), "all", dtype=object)
            self._values[key] = self._fit(grid.values[:, kept], groups, grid.problem_ids)
        return self._values[key]

    def methods(self, cell: Cell) -> set[str]:
        """Methods that were run in a cell."""
        return {theta[0] for theta in self.grids[cell].thetas} if cell in self.grids else set()

    def contested(self, policy: str, prm: str) -> int:
        """Largest budget at which best-of-N and a search were both run; Missing when there is none."""
        budgets = [
            cell.budget
            for cell in self.grids
            if (cell.policy, cell.prm) == (policy, prm)
            and "best_of_n" in self.methods(cell)
            and self.methods(cell) & set(PAPER_SEARCHES)
        ]
        if not budgets:
            raise Missing(f"best-of-N and a search at the same budget for {policy} with {prm}")
        return max(budgets)

    def tts(self, policy: str, budget: int | None = None) -> tuple[pd.Series, int]:
        """TTS with whichever PRM serves best: its value on each problem, and its budget (default: the largest).

        The strategy and the PRM are chosen by level on the other folds, as the strategy alone is in `headline`.
        """
        budgets = sorted({cell.budget for cell in self.grids if cell.policy == policy})
        if budgets and budget not in budgets and rehearsed.name():
            budget = budgets[-1]  # a rehearsal has few N, and its largest stands for one that a claim names
        if not budgets or (budget is not None and budget not in budgets):
            raise Missing(f"TTS of {policy}" + (f" at N = {budget}" if budget else ""))
        budget = budgets[-1] if budget is None else budget
        key = (Cell(policy, "*", budget), (), True)
        if key not in self._values:
            grids = [
                grid for cell, grid in self.grids.items() if (cell.policy, cell.budget) == (policy, budget)
            ]
            frames = [pd.DataFrame(grid.values, index=grid.problem_ids) for grid in grids]
            table = pd.concat(frames, axis=1, join="inner").sort_index()
            levels = pd.Series(grids[0].levels, index=grids[0].problem_ids).reindex(table.index)
            self._values[key] = self._fit(table.to_numpy(), levels.to_numpy(dtype=object), table.index)
        return self._values[key], budget

    def chosen_within(self, policy: str, pass_at_1: pd.Series, thirds: bool = False) -> pd.Series:
        """TTS at the largest budget, mean over PRMs, chosen within absolute levels of Pass@1 or within its thirds."""
        budget = max((cell.budget for cell in self.grids if cell.policy == policy), default=0)
        columns = []
        for cell, grid in self.grids.items():
            shares = pass_at_1.reindex(grid.problem_ids).to_numpy(dtype=float)
            if (cell.policy, cell.budget) == (policy, budget) and np.isfinite(shares).all():
                cuts = [difficulty.thirds(shares)] if thirds else []
                groups = np.asarray(difficulty.level_of(shares, *cuts), dtype=object)
                columns.append(self._fit(grid.values, groups, grid.problem_ids))
        if not columns:
            raise Missing(f"TTS of {policy} on problems of known difficulty")
        return average(columns)

    def _fit(self, values: np.ndarray, groups: np.ndarray, problem_ids: Sequence[str]) -> pd.Series:
        """Cross-fitted values; what the choice adds to the variance of their mean is kept beside them."""
        best = compute_optimal(values, groups, self.seed)
        series = pd.Series(best.values, index=problem_ids)
        series.attrs["extra"] = best.extra
        return series

    @cached_property
    def _by_method(self) -> dict[tuple[str, str], pd.DataFrame]:
        columns = ["prm", "budget", "score", "vote", "problem_id", "value"]
        keys = ["policy", "method"]
        return {
            (str(policy), str(method)): rows[columns].astype(
                {name: object for name in ("prm", "score", "vote")}
            )
            for (policy, method), rows in self.outcomes.groupby(keys, observed=True)
        }

    def _rows(self, policy: str, method: str) -> pd.DataFrame:
        return self._by_method.get((policy, method), self.outcomes.iloc[:0])

    def plain(self, policy: str, method: str, budget: int | None = None, **wanted: str) -> pd.Series:
        """Value on each problem of a method (largest budget by default); Missing when it was not run."""
        rows = self._rows(policy, method)
        for column, text in wanted.items():
            rows = rows[rows[column] == text]
        if budget is None and len(rows):
            budget = int(rows["budget"].max())
        rows = rows[rows["budget"] == budget]
        if rows.empty:
            raise Missing(f"{method} of {policy} on {self.benchmark}")
        return rows.groupby("problem_id")["value"].mean().sort_index()

    def budgets(self, policy: str, method: str) -> list[int]:
        """Budgets at which a method was run for a policy, ascending."""
        return sorted(set(self._rows(policy, method)["budget"].astype(int)))

    def compare(self, a: pd.Series, b: pd.Series | None = None) -> statistics.Paired:
        """Paired difference a - b (or a alone) on the problems that both have; the spread of choices is counted."""
        b = pd.Series(0.0, index=a.index) if b is None else b
        extra = sum(side.attrs.get("extra", 0.0) for side in (a, b))
        both = pd.concat([a, b], axis=1, join="inner")
        if both.empty:
            raise Missing("problems that both sides of the comparison have")
        return statistics.paired_difference(
            both.iloc[:, 0].to_numpy(), both.iloc[:, 1].to_numpy(), seed=self.seed, extra=extra
        )


def average(columns: Sequence[pd.Series]) -> pd.Series:
    """Mean of several values on each problem that all of them have; each was chosen on its own."""
    mean = pd.concat(list(columns), axis=1, join="inner").mean(axis=1)
    mean.attrs["extra"] = sum(column.attrs.get("extra", 0.0) for column in columns) / len(columns) ** 2
    return mean


def less(a: pd.Series, b: pd.Series) -> pd.Series:
    """a - b on the problems that both have; the spread of either choice is part of the difference's."""
    gap = (a - b).dropna()
    gap.attrs["extra"] = a.attrs.get("extra", 0.0) + b.attrs.get("extra", 0.0)
    return gap

"""What is computed from grades and scores, for each (benchmark, policy) and for the whole study."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ttstudy.dag import fingerprint
from ttstudy.dag.base import remembered
from ttstudy.dag.generation import Generation
from ttstudy.dag.specs.analysis import (
    AccuracySpec,
    AdaptiveSpec,
    Answered,
    Block,
    ClaimsSpec,
    DifficultySpec,
    ExplorerSpec,
    Graded,
    GradedCell,
    GradersSpec,
    HeadlineSpec,
    LedgerSpec,
    OutcomesSpec,
    Searched,
    Sources,
    StrategySpec,
    TrainingSpec,
)
from ttstudy.dag.specs.records import File, Spec
from ttstudy.vocabulary import GRADER_TABLES, HEADLINE_TABLES, STUDY_TABLES

PARTS = {
    "difficulty": "difficulty",
    "outcomes": "outcomes",
    "ledger": "ledger",
    "counts": "ledger",
    "predicted": "adaptive",
    "adaptive": "adaptive",
    "explorer": "explorer",
    "trees": "explorer",
}
"""Tables of one (benchmark, policy) by name, and the step that makes each."""


class Analysis(Generation):
    """Cells, one per (benchmark, policy), and tables of the study; their specs name the files that they read."""

    def table(self, name: str) -> str:
        """Path of one of the study's tables."""
        return f"{self.folder}/tables/{name}.parquet"

    def cell(self, name: str, benchmark: str, policy: str) -> str:
        """Path of one (benchmark, policy) part of a study table."""
        return f"{self.folder}/cells/{benchmark}/{policy}.{name}.parquet"

    def cells(self, name: str) -> list[str]:
        """All parts of a study table."""
        return [self.cell(name, benchmark, policy) for benchmark, policy in self.pairs()]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Every (benchmark, policy)."""
        return ((benchmark, policy) for benchmark in self.study.benchmarks for policy in self.study.policies)

    @remembered
    def sources(self, benchmark: str, policy: str, grader: str | None = None) -> Sources:
        """Files behind one (benchmark, policy), by what they are: what the analysis steps read."""

        def answered(made: Spec, scores: dict[str, File]) -> dict[str, Any]:
            return {"responses": made.file(), "grades": self.graded(benchmark, made, grader), "scores": scores}

        prms = self.study.prms_of(policy)
        scored = prms if self.study.budgets_for(policy).scored else []
        samples = [
            Block(
                samples=block,
                **answered(made, {p: self.scores_spec(benchmark, policy, p, block).file() for p in sorted(scored)}),
            )
            for block, made in self.pool(benchmark, policy, "samples")
        ]
        single: dict[str, Answered] = {}
        for name in ("cot",) if policy in self.study.references else ("pilot", "cot"):
            with_prms = prms if name == "pilot" and self.study.difficulty.label_free == "prm" else []
            for block, made in self.pool(benchmark, policy, name):
                specs = {p: self.scores_spec(benchmark, policy, p, block, "pilot") for p in sorted(with_prms)}
                single[name] = Answered(**answered(made, {prm: spec.file() for prm, spec in specs.items()}))
        searches = []
        for prm, method, budget in self.searches(policy):
            found = self.search_spec(benchmark, policy, prm, method, budget)
            searches.append(
                Searched(
                    prm=prm,
                    method=method,
                    budget=budget,
                    answers=found.file("answers"),
                    grades=self.graded(benchmark, found, grader),
                    nodes=found.file("nodes"),
                    cost=found.file("cost"),
                )
            )
        return Sources(samples=samples, searches=searches, **single)

    def _of_cell(self, step: str, benchmark: str, policy: str, *names: str) -> dict[str, Any]:
        return {
            "code": fingerprint.code(step, fingerprint.used(self.study.methods)),
            "benchmark": benchmark,
            "policy": policy,
            "outputs": {name: self.cell(name, benchmark, policy) for name in names or (step,)},
        }

    def _analysed(self, benchmark: str, policy: str) -> dict[str, Any]:
        """What every step over the sources of a cell is told."""
        return {
            "seed": self.study.seed,
            "budgets": self.study.budgets_for(policy),
            "sources": self.sources(benchmark, policy),
        }

    @remembered
    def difficulty_spec(self, benchmark: str, policy: str) -> DifficultySpec:
        """Spec of the difficulty levels of one (benchmark, policy)."""
        ((_, pilot),) = self.pool(benchmark, policy, "pilot")
        # Levels predicted without labels are another step's.
        settings = self.study.difficulty.model_copy(update={"label_free": "agreement"})
        known = self._of_cell("difficulty", benchmark, policy)
        return DifficultySpec(settings=settings, pilot=self.graded(benchmark, pilot), **known)

    @remembered
    def outcomes_spec(self, benchmark: str, policy: str) -> OutcomesSpec:
        """Spec of the value of every method on every problem."""
        return OutcomesSpec(
            beam_width=self.study.search.beam_width,
            difficulty=self.difficulty_spec(benchmark, policy).file(),
            **self._analysed(benchmark, policy),
            **self._of_cell("outcomes", benchmark, policy),
        )

    @remembered
    def ledger_spec(self, benchmark: str, policy: str) -> LedgerSpec:
        """Spec of the FLOPs ledger of one (benchmark, policy)."""
        return LedgerSpec(
            models=self.sized(policy, *self.study.prms_of(policy)),
            **self._analysed(benchmark, policy),
            **self._of_cell("ledger", benchmark, policy, "ledger", "counts"),
        )

    @remembered
    def adaptive_spec(self, benchmark: str, policy: str) -> AdaptiveSpec:
        """Spec of the label-free levels and adaptive budgets of one (benchmark, policy)."""
        return AdaptiveSpec(
            settings=self.study.difficulty,
            score=self.study.score,
            vote=self.study.vote,
            difficulty=self.difficulty_spec(benchmark, policy).file(),
            outcomes=self.outcomes_spec(benchmark, policy).file(),
            **self._analysed(benchmark, policy),
            **self._of_cell("adaptive", benchmark, policy, "predicted", "adaptive"),
        )

    @remembered
    def explorer_spec(self, benchmark: str, policy: str) -> ExplorerSpec:
        """Spec of what the report's explorer shows of one (benchmark, policy)."""
        return ExplorerSpec(
            problems=self.benchmark_spec(benchmark).file(),
            sources=self.sources(benchmark, policy),
            **self._of_cell("explorer", benchmark, policy, "explorer", "trees"),
        )

    def cell_steps(self) -> dict[str, Callable[[str, str], Spec]]:
        """Every step over one (benchmark, policy), in the order of the DAG, and what makes its spec."""
        return {
            "difficulty": self.difficulty_spec,
            "outcomes": self.outcomes_spec,
            "ledger": self.ledger_spec,
            "adaptive": self.adaptive_spec,
            "explorer": self.explorer_spec,
        }

    def parts(self, name: str) -> list[File]:
        """All parts of a study table, as a step reads them."""
        make = self.cell_steps()[PARTS[name]]
        return [make(benchmark, policy).file(name) for benchmark, policy in self.pairs()]

    def _of_study(self, step: str, *names: str) -> dict[str, Any]:
        code = fingerprint.code(step, fingerprint.used(self.study.methods))
        return {"code": code, "outputs": {name: self.table(name) for name in names or (step,)}}

    @remembered
    def training_spec(self) -> TrainingSpec:
        """Spec of the table of models."""
        return TrainingSpec(models=self.sized(*self.models()), **self._of_study("training"))

    @remembered
    def accuracy_spec(self) -> AccuracySpec:
        """Spec of the study's accuracies, and of the cells' tables joined."""
        return AccuracySpec(
            seed=self.study.seed,
            outcomes=self.parts("outcomes"),
            difficulty=self.parts("difficulty"),
            ledger=self.parts("ledger"),
            counts=self.parts("counts"),
            **self._of_study("accuracy", "accuracy", "outcomes", "difficulty", "ledger", "counts"),
        )

    @remembered
    def strategy_spec(self) -> StrategySpec:
        """Spec of the compute-optimal strategies."""
        return StrategySpec(
            seed=self.study.seed,
            outcomes=self.accuracy_spec().file("outcomes"),
            difficulty=self.accuracy_spec().file("difficulty"),
            training=self.training_spec().file(),
            predicted=self.parts("predicted"),
            adaptive=self.parts("adaptive"),
            **self._of_study("strategy", "strategy", "optimism", "predicted", "adaptive", "efficiency"),
        )

    @remembered
    def headline_spec(self) -> HeadlineSpec:
        """Spec of what the report opens with: small against large, gains, fronts, best methods."""
        read = {name: self.accuracy_spec().file(name) for name in ("accuracy", "outcomes", "ledger")}
        read |= {name: self.strategy_spec().file(name) for name in ("strategy", "efficiency")}
        return HeadlineSpec(
            seed=self.study.seed,
            score=self.study.score,
            vote=self.study.vote,
            prms=list(self.study.prms),
            tables={**read, "training": self.training_spec().file()},
            **self._of_study("headline", *HEADLINE_TABLES),
        )

    @remembered
    def graders_spec(self) -> GradersSpec:
        """Spec of the comparison of graders: what both graded, and the files behind each cell under the other."""
        cells = []
        for benchmark, policy in self.pairs():
            used, other = (self.sources(benchmark, policy, name) for name in (None, self.other_grader))
            graded = [
                Graded(**what, grades=one, other=two)
                for (what, one), (_, two) in zip(_graded(used), _graded(other), strict=True)
            ]
            budgets = self.study.budgets_for(policy)
            cells.append(
                GradedCell(benchmark=benchmark, policy=policy, graded=graded, sources=other, budgets=budgets)
            )
        return GradersSpec(
            grader=self.study.grader,
            other=self.other_grader,
            seed=self.study.seed,
            beam_width=self.study.search.beam_width,
            benchmarks={name: self.benchmark_spec(name).file() for name in sorted(self.study.benchmarks)},
            outcomes=self.accuracy_spec().file("outcomes"),
            difficulty=self.accuracy_spec().file("difficulty"),
            cells=cells,
            **self._of_study("graders", *GRADER_TABLES),
        )

    def made_table(self, name: str) -> File:
        """One of the study's tables, as a step reads it."""
        maker = next(spec for spec in self.table_specs() if name in spec.outputs)
        return maker.file(name)

    def table_specs(self) -> list[Spec]:
        """Specs of the steps that make the study's tables, but for the claims, which read most of them."""
        made = [self.training_spec(), self.accuracy_spec(), self.graders_spec(), self.strategy_spec()]
        return [*made, self.headline_spec()]

    @remembered
    def claims_spec(self) -> ClaimsSpec:
        """Spec of the verdicts; the published numbers count as code."""
        return ClaimsSpec(
            seed=self.study.seed,
            published=fingerprint.files("reports/published.csv"),
            tables={name: self.made_table(name) for name in STUDY_TABLES},
            **self._of_study("claims"),
        )


def _graded(sources: Sources) -> Iterator[tuple[dict[str, Any], list[File]]]:
    """What an accuracy rests on, each with its grades: the greedy response, the pool, each search."""
    if sources.cot is not None:
        yield {"source": "cot", "prm": "none", "budget": 1}, [sources.cot.grades]
    if blocks := sources.samples:
        size = blocks[-1].samples[1] + 1
        yield {"source": "samples", "prm": "none", "budget": size}, [block.grades for block in blocks]
    for search in sources.searches:
        yield {"source": search.method, "prm": search.prm, "budget": search.budget}, [search.grades]

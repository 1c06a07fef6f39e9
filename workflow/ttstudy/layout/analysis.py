"""What is computed from grades and scores, for each (benchmark, policy) and for the whole study."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ttstudy import fingerprint
from ttstudy.layout.generation import Generation
from ttstudy.layout.specs import remembered


class Analysis(Generation):
    """Cells, one per (benchmark, policy), and tables of the study; their specs list the files that they read."""

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
    def sources(self, benchmark: str, policy: str, grader: str | None = None) -> dict[str, Any]:
        """Files behind one (benchmark, policy), by what they are: what the analysis steps read."""
        pool = [
            {
                "samples": list(block),
                "responses": responses,
                "grades": self.grades(responses, grader),
                "scores": {
                    prm: self.scores(benchmark, policy, prm, block)
                    for prm in self.study.prms_of(policy)
                    if self.study.budgets_for(policy).best_of_n
                },
            }
            for block, responses in zip(
                self.pool_blocks(policy, "samples"), self.pools(benchmark, policy, "samples"), strict=True
            )
        ]
        single: dict[str, dict[str, Any]] = {
            name: {"responses": path, "grades": self.grades(path, grader)}
            for name in (("cot",) if policy in self.study.references else ("pilot", "cot"))
            for path in self.pools(benchmark, policy, name)
        }
        if self.study.difficulty.label_free == "prm" and "pilot" in single:
            block = self.pool_blocks(policy, "pilot")[0]
            single["pilot"]["scores"] = {
                prm: self.scores(benchmark, policy, prm, block, "pilot") for prm in self.study.prms_of(policy)
            }
        searches = []
        for prm, method, budget in self.searches(policy):
            answers = self.search(benchmark, policy, prm, method, budget)
            searches.append(
                {
                    "prm": prm,
                    "method": method,
                    "budget": budget,
                    "answers": answers,
                    "grades": self.grades(answers, grader),
                    "nodes": self.search(benchmark, policy, prm, method, budget, "nodes"),
                    "cost": self.search(benchmark, policy, prm, method, budget, "cost"),
                }
            )
        return single | {"samples": pool, "searches": searches}

    def files(self, benchmark: str, policy: str, *kinds: str, grader: str | None = None) -> list[str]:
        """Paths in `sources` of the given kinds (responses, grades, scores, answers, nodes, cost)."""
        sources = self.sources(benchmark, policy, grader)
        single = [sources[name] for name in ("pilot", "cot") if name in sources]
        rows: Sequence[dict[str, Any]] = [*single, *sources["samples"], *sources["searches"]]
        return [path for row in rows for kind in kinds if kind in row for path in _paths(row[kind])]

    def difficulty_spec(self, benchmark: str, policy: str) -> str:
        """Spec of the difficulty levels of one (benchmark, policy)."""
        settings = self.study.difficulty.model_dump(mode="json", exclude={"label_free"})
        return self._light("difficulty", benchmark=benchmark, policy=policy, difficulty=settings)

    def adaptive_spec(self, benchmark: str, policy: str) -> str:
        """Spec of the label-free levels and adaptive budgets of one (benchmark, policy)."""
        settings = self.study.difficulty.model_dump(mode="json", exclude={"label_free"})
        headline = {"score": self.study.score, "vote": self.study.vote}
        return self.cell_spec("adaptive", benchmark, policy, difficulty=settings, headline=headline)

    def cell_spec(self, step: str, benchmark: str, policy: str, **settings: Any) -> str:
        """Spec of a step over one (benchmark, policy): which files it reads, and what they are."""
        return self._light(
            step,
            benchmark=benchmark,
            policy=policy,
            sources=self.sources(benchmark, policy),
            budgets=self.study.budgets_for(policy).model_dump(exclude_none=True),
            beam_width=self.study.search.beam_width,
            seed=self.study.seed,
            **settings,
        )

    def ledger_spec(self, benchmark: str, policy: str) -> str:
        """Spec of the FLOPs ledger of one (benchmark, policy)."""
        models = {name: self._model_spec(name) for name in (policy, *self.study.prms_of(policy))}
        return self.cell_spec("ledger", benchmark, policy, models=models)

    def training_spec(self) -> str:
        """Spec of the table of models."""
        models = {name: self._model_spec(name) for name in self._models()}
        return self._light("training", models=models)

    def study_spec(self, step: str, **settings: Any) -> str:
        """Spec of a step over the whole study."""
        headline = {"score": self.study.score, "vote": self.study.vote}
        return self._light(step, study=self.study.study, seed=self.study.seed, headline=headline, **settings)

    def claims_spec(self) -> str:
        """Spec of the verdicts: the published numbers count as code (as an input, a fresh clone would rerun them)."""
        return self.study_spec("claims", published=fingerprint.files("reports/published.csv"))

    def graders_spec(self) -> str:
        """Spec of the comparison of graders: what both graded, and the files behind each cell under the other."""
        cells = []
        for benchmark, policy in self.pairs():
            used, other = (self.sources(benchmark, policy, name) for name in (None, self.other_grader))
            graded = []
            for one, two in zip(_graded(used), _graded(other), strict=True):
                graded.append(one | {"other": two["grades"]})
            budgets = self.study.budgets_for(policy).model_dump(exclude_none=True)
            cell = {"benchmark": benchmark, "policy": policy, "graded": graded, "sources": other, "budgets": budgets}
            cells.append(cell)
        return self.study_spec(
            "graders",
            grader=self.study.grader,
            other=self.other_grader,
            cells=cells,
            benchmarks={benchmark: self.benchmark(benchmark) for benchmark in self.study.benchmarks},
            beam_width=self.study.search.beam_width,
        )


def _graded(sources: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What an accuracy rests on, each with the paths of its grades: the greedy response, the pool, each search."""
    if "cot" in sources:
        yield {"source": "cot", "prm": "none", "budget": 1, "grades": [sources["cot"]["grades"]]}
    if blocks := sources["samples"]:
        size = blocks[-1]["samples"][1] + 1
        yield {"source": "samples", "prm": "none", "budget": size, "grades": [block["grades"] for block in blocks]}
    for search in sources["searches"]:
        keys = {key: search[key] for key in ("prm", "budget")}
        yield {"source": search["method"], "grades": [search["grades"]]} | keys


def _paths(item: str | dict[str, str]) -> Iterable[str]:
    return item.values() if isinstance(item, dict) else [item]

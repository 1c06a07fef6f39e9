"""The report, and every job behind it: the DAG, told once. Rules, plans and the report itself read this list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from ttstudy.dag import fingerprint
from ttstudy.dag.base import remembered
from ttstudy.dag.diagnostics import Diagnostics
from ttstudy.dag.specs.analysis import ReportSpec
from ttstudy.dag.specs.records import Spec, canonical, digest8
from ttstudy.errors import StudyError
from ttstudy.study import RecordedBenchmark, RecordedPolicy
from ttstudy.vocabulary import FLAW_TABLES, GRADER_TABLES, HEADLINE_TABLES, STUDY_TABLES


class Job(NamedTuple):
    """A job of a study: the rule that runs it and its spec."""

    rule: str
    spec: Spec


class Report(Diagnostics):
    """The report and what it is made from."""

    def report(self) -> str:
        """Path of the report, last file of the DAG."""
        return f"{self.folder}/report.html"

    def provenance(self) -> str:
        """Path of where the results came from, as JSON; comparisons read it."""
        return f"{self.folder}/provenance.json"

    def figures(self) -> str:
        """Folder of the report's figures."""
        return f"{self.folder}/figures"

    @remembered
    def _behind(self) -> list[Job]:
        """Every job behind the report, each once, in the order of the DAG."""
        found: dict[str, Job] = {}
        for rule, spec in self._listed():
            found.setdefault(spec.product, Job(rule, spec))
        return list(found.values())

    def _listed(self) -> Iterator[tuple[str, Spec]]:
        for name in self.models():
            if (made := self.made_model(name)) is not None:
                yield made.step, made
        for name, policy in self.study.policies.items():
            if isinstance(policy, RecordedPolicy):
                yield "recorded", self.imported_spec(name)
        for name, benchmark in self.study.benchmarks.items():
            if isinstance(benchmark, RecordedBenchmark):
                yield "recorded", self.imported_spec(name, "benchmarks")
            yield "benchmark", self.benchmark_spec(name)
        yield from self._responses()
        yield from self._searches()
        yield from self._labels()
        for step, make in self.cell_steps().items():
            yield from ((step, make(benchmark, policy)) for benchmark, policy in self.pairs())
        for spec in (*self.table_specs(), self.claims_spec()):
            yield spec.step, spec

    def _responses(self) -> Iterator[tuple[str, Spec]]:
        for benchmark, policy in self.pairs():
            for pool in ("pilot", "cot", "samples"):
                for block, made in self.pool(benchmark, policy, pool):
                    yield made.step, made
                    yield "grade", self.grades_spec(benchmark, made)
                    if pool == "samples" and self.study.budgets_for(policy).scored or (
                        pool == "pilot" and self.study.difficulty.label_free == "prm"
                    ):
                        for prm in self.study.prms_of(policy):
                            scored = self.scores_spec(benchmark, policy, prm, block, pool)
                            yield scored.step, scored

    def _searches(self) -> Iterator[tuple[str, Spec]]:
        for benchmark, policy in self.pairs():
            for prm, method, budget in self.searches(policy):
                found = self.search_spec(benchmark, policy, prm, method, budget)
                yield "search", found
                yield "grade_search", self.grades_spec(benchmark, found)

    def _labels(self) -> Iterator[tuple[str, Spec]]:
        for benchmark, policy in self.diagnosed():
            for block, (_, made) in zip(
                self.sources(benchmark, policy).samples, self.pool(benchmark, policy, "samples"), strict=True
            ):
                if block.scores:
                    yield "label", self.labels_spec(benchmark, made)
        for name in self.study.labelled:
            yield "labelled", self.labelled_spec(name)
            for prm in self.study.scoring_prms:
                yield "score_labelled", self.labelled_scores_spec(name, prm)

    @remembered
    def report_spec(self) -> ReportSpec:
        """Spec of the report: templates and published numbers count as code."""
        return ReportSpec(
            code=fingerprint.code("report"),
            texts=fingerprint.files("reports/templates/**/*", "reports/captions/**/*", "reports/published.csv"),
            headline={"score": self.study.score, "vote": self.study.vote},
            config=json.loads(canonical(self.study.model_dump(mode="json"))),  # keys sorted, as the page has them
            # Values at their default are left out: a release that adds an option shall make no page anew.
            decided=digest8(self.study.model_dump(mode="json", exclude_defaults=True, exclude={"results"})),
            order={name: list(getattr(self.study, name)) for name in ("benchmarks", "policies", "prms")},
            tables={
                **{
                    name: self.made_table(name)
                    for name in (*STUDY_TABLES, *HEADLINE_TABLES, *GRADER_TABLES, *FLAW_TABLES)
                },
                "claims": self.claims_spec().file(),
            },
            explorer=self.parts("explorer"),
            trees=self.parts("trees"),
            benchmarks={name: self.benchmark_spec(name).file() for name in sorted(self.study.benchmarks)},
            jobs=[(job.spec.step, job.spec.product) for job in self._behind()],
            outputs={"report": self.report(), "figures": self.figures(), "provenance": self.provenance()},
        )

    def jobs(self) -> list[Job]:
        """Every job of the study, in the order of the DAG; the report is the last."""
        return [*self._behind(), Job("report", self.report_spec())]

    @remembered
    def _makers(self) -> dict[str, Job]:
        return {path: job for job in self.jobs() for path in job.spec.outputs.values()}

    def makes(self, path: str) -> bool:
        """Whether a job of this study makes the file at this path."""
        return path in self._makers()

    def job(self, path: str) -> Job:
        """The job that makes the file at a path; StudyError where no job of this study does."""
        try:
            return self._makers()[path]
        except KeyError:
            raise StudyError(
                f"nothing in this configuration makes {path}; ask for a path that `snakemake -n` lists"
            ) from None

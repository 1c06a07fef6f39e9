"""What the diagnosis of the PRMs reads."""

from __future__ import annotations

from ttstudy.dag import fingerprint
from ttstudy.dag.analysis import Analysis
from ttstudy.dag.base import remembered
from ttstudy.dag.specs.analysis import DiagnosedCell, DiagnosticsSpec, LabelledBlock, LabelledSet
from ttstudy.dag.specs.records import Spec
from ttstudy.study import MiniatureBenchmark
from ttstudy.vocabulary import FLAW_TABLES


class Diagnostics(Analysis):
    """Pools and searches whose steps can be labelled exactly, and labelled solutions."""

    def diagnosed(self) -> list[tuple[str, str]]:
        """Every (benchmark, policy) whose steps can be labelled exactly and are scored by a PRM."""
        return [
            (benchmark, policy)
            for benchmark, policy in self.pairs()
            if isinstance(self.study.benchmarks[benchmark], MiniatureBenchmark) and self.study.prms_of(policy)
        ]

    @remembered
    def diagnostics_spec(self) -> DiagnosticsSpec:
        """Spec of the flaws of the PRMs: labelled pools and searches, and labelled sets."""
        cells = []
        for benchmark, policy in self.diagnosed():
            sources = self.sources(benchmark, policy)
            made = self.pool(benchmark, policy, "samples")
            pool = [
                LabelledBlock(
                    responses=block.responses,
                    labels=self.labels_spec(benchmark, spec).file(),
                    scores=block.scores,
                )
                for block, (_, spec) in zip(sources.samples, made, strict=True)
                if block.scores
            ]
            cells.append(
                DiagnosedCell(
                    benchmark=benchmark,
                    policy=policy,
                    problems=self.benchmark_spec(benchmark).file(),
                    pool=pool,
                    searches=sources.searches,
                )
            )
        sets = [
            LabelledSet(
                name=name,
                solutions=self.labelled_spec(name).file(),
                scores={
                    prm: self.labelled_scores_spec(name, prm).file() for prm in sorted(self.study.scoring_prms)
                },
            )
            for name in self.study.labelled
        ]
        return DiagnosticsSpec(
            code=fingerprint.code("diagnostics", fingerprint.used(self.study.methods)),
            seed=self.study.seed,
            search=self.study.search,
            cells=cells,
            labelled=sets,
            outputs={name: self.table(name) for name in FLAW_TABLES},
        )

    def table_specs(self) -> list[Spec]:
        """Specs of the steps that make the study's tables, but for the claims."""
        return [*super().table_specs(), self.diagnostics_spec()]

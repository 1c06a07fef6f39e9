"""The report, and every job behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ttstudy import fingerprint
from ttstudy.layout.diagnostics import Diagnostics
from ttstudy.study import GRADERS


class Report(Diagnostics):
    """The report and what it is made from."""

    def report(self) -> str:
        """The report, last file of the DAG."""
        return f"{self.folder}/report.html"

    def provenance(self) -> str:
        """Where the results came from, as JSON; comparisons read it."""
        return f"{self.folder}/provenance.json"

    def products(self) -> Iterator[tuple[str, Path]]:
        """(step, first output) of every job behind the report, in the order of the DAG."""
        for rule, names in (("train_policy", self.study.policies), ("train_reward_model", self.study.prms)):
            paths = self.model_files(*names) if names else []
            yield from ((rule, Path(path).parent) for path in paths if path.endswith("/training.json"))
            yield from (("fetch_model", Path(path).parent) for path in paths if path.endswith("/fetched.json"))
        yield from (("benchmark", Path(self.benchmark(name))) for name in self.study.benchmarks)
        for rule, kind in (("sample", "responses"), ("search", "answers"), ("score", "scores"), ("grade", "grades")):
            for benchmark, policy in self.pairs():
                yield from ((rule, Path(path)) for path in self.files(benchmark, policy, kind, grader=GRADERS[0]))
        flaws = self.diagnostics_sources()
        yield from (("label", Path(block["labels"])) for cell in flaws["cells"] for block in cell["pool"])
        for labelled in flaws["labelled"]:
            yield "labelled", Path(labelled["solutions"])
            yield from (("score", Path(path)) for path in labelled["scores"].values())
        for rule in ("difficulty", "outcomes", "ledger", "adaptive", "explorer"):
            yield from ((rule, Path(path)) for path in self.cells(rule))
        for rule in ("training", "accuracy", "graders", "diagnostics", "strategy", "claims"):
            yield rule, Path(self.table(rule))

    def report_spec(self) -> str:
        """Spec of the report: templates and published numbers count as code."""
        return self.study_spec(
            "report",
            files=fingerprint.files("reports/templates/**/*", "reports/captions/**/*", "reports/published.csv"),
            config=self.study.model_dump(mode="json"),
            # Canonical JSON sorts keys; the report shows models in the order of the configuration.
            order={"policies": list(self.study.policies), "prms": list(self.study.prms)},
            tables=self.table("{name}"),
            samples={"explorer": self.cells("explorer"), "nodes": self.cells("trees")},
            benchmarks={benchmark: self.benchmark(benchmark) for benchmark in self.study.benchmarks},
        )

"""What the diagnosis of the PRMs reads."""

from __future__ import annotations

from typing import Any

from ttstudy.layout.analysis import Analysis
from ttstudy.study import MiniatureBenchmark


class Diagnostics(Analysis):
    """Pools and searches whose steps can be labelled exactly, and labelled solutions."""

    def diagnosed(self) -> list[tuple[str, str]]:
        """Every (benchmark, policy) whose steps can be labelled exactly and are scored by a PRM."""
        return [
            (benchmark, policy)
            for benchmark, policy in self.pairs()
            if isinstance(self.study.benchmarks[benchmark], MiniatureBenchmark) and self.study.prms_of(policy)
        ]

    def diagnostics_sources(self) -> dict[str, Any]:
        """Files behind the flaws of the PRMs: labelled pools and searches, and labelled sets."""
        cells = []
        for benchmark, policy in self.diagnosed():
            sources = self.sources(benchmark, policy)
            pool = [block for block in sources["samples"] if block["scores"]]
            cells.append(
                {
                    "benchmark": benchmark,
                    "policy": policy,
                    "problems": self.benchmark(benchmark),
                    "pool": [block | {"labels": self.labels(block["responses"])} for block in pool],
                    "searches": sources["searches"],
                }
            )
        sets = [
            {
                "name": name,
                "solutions": self.labelled(name),
                "scores": {prm: self.labelled_scores(name, prm) for prm in self.study.scoring_prms},
            }
            for name in self.study.labelled
        ]
        return {"cells": cells, "labelled": sets}

    def diagnostics_inputs(self) -> list[str]:
        """Every file of `diagnostics_sources`."""
        sources = self.diagnostics_sources()
        paths: list[str] = []
        for cell in sources["cells"]:
            paths.append(cell["problems"])
            for block in cell["pool"]:
                paths += [block["labels"], block["responses"], *block["scores"].values()]
            for search in cell["searches"]:
                paths += [search[kind] for kind in ("answers", "grades", "nodes")]
        for labelled in sources["labelled"]:
            paths += [labelled["solutions"], *labelled["scores"].values()]
        return list(dict.fromkeys(paths))

    def diagnostics_spec(self) -> str:
        """Spec of the flaws of the PRMs."""
        options = self.study.search.model_dump(exclude={"problems_per_block", "max_live"})
        return self.study_spec("diagnostics", search=options, **self.diagnostics_sources())

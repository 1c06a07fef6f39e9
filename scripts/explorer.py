"""Gather what the report's sample explorer shows of one (benchmark, policy): responses, step scores, search trees."""

from pathlib import Path

import pandas as pd

from ttstudy.analysis import explorer
from ttstudy.dag.specs.analysis import ExplorerSpec
from ttstudy.data import tables
from ttstudy.run import steps


def step(spec: ExplorerSpec, _log: Path | None) -> None:
    """Pick problems, collect their responses and trees from every source."""
    names = {"benchmark": spec.benchmark, "policy": spec.policy}
    benchmark = tables.of("benchmark", spec.problems)
    ids = explorer.chosen(benchmark)
    found, trees = [], []

    def add(
        method: str,
        prm: str,
        budget: int,
        responses: pd.DataFrame,
        grades: pd.DataFrame,
        scores: pd.DataFrame | None = None,
    ) -> None:
        shown = explorer.rows(responses, grades, scores, benchmark, ids)
        found.append(shown.assign(**names, method=method, prm=prm, budget=budget))

    if (cot := spec.sources.cot) is not None:
        add("cot", "none", 1, tables.of("responses", cot.responses), tables.of("grades", cot.grades))
    if spec.sources.samples:
        size = spec.sources.samples[-1].samples[1] + 1
        blocks = [block for block in spec.sources.samples if block.samples[0] < explorer.RESPONSES]
        pool = tables.joined("responses", [block.responses for block in blocks])
        grades = tables.joined("grades", [block.grades for block in blocks])
        prms = list(blocks[0].scores)
        if not prms:
            add("majority", "none", size, pool, grades)
        for prm in prms:
            scores = tables.joined("scores", [block.scores[prm] for block in blocks])
            add("best_of_n", prm, size, pool, grades, scores)
    for (method, prm, budget), (search, *_) in spec.sources.runs.items():  # of several runs, the first
        answers = tables.of("search_responses", search.answers)
        add(method, prm, budget, answers, tables.of("grades", search.grades))
        if budget <= explorer.TREE_BUDGET:
            nodes = tables.of("nodes", search.nodes)
            nodes = nodes[nodes["problem_id"].isin(ids)]
            trees.append(nodes.assign(**names, method=method, prm=prm, budget=budget))
    tables.write("explorer", pd.concat(found, ignore_index=True), spec.outputs["explorer"])
    shown = pd.concat(trees, ignore_index=True) if trees else tables.empty("trees")
    tables.write("trees", shown, spec.outputs["trees"])


if __name__ == "__main__":
    steps.main(ExplorerSpec, step)

"""Tokens and FLOPs of every method at every budget, and how responses ended, for one benchmark and policy."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ttstudy.analysis import flops, sizes, usage
from ttstudy.analysis.prefixes import Samples, Trie
from ttstudy.dag.specs.analysis import LedgerSpec
from ttstudy.data import tables
from ttstudy.run import steps

RESPONSES = ["problem_id", "sample", "prompt_tokens", "response_tokens", "finish"]
SCORES = ["problem_id", "sample", "prm_tokens", "prm_positions?", "overlong?", "prm_tokens_run?"]
STATUS = ["problem_id", "sample", "status"]
NODES = ["problem_id", "tree", "node", "parent", "depth", "tokens", "text", "score"]
SOLUTION = ["problem_id", "sample", "steps"]


def step(spec: LedgerSpec, _log: Path | None) -> None:
    """Read token counts, add up, price in FLOPs."""
    sources, budgets = spec.sources, spec.budgets.model_dump(exclude_none=True)
    parameters = {name: sizes.size(model) for name, model in spec.models.items()}
    shapes = {name: sizes.shape(model) for name, model in spec.models.items()}
    active = {n: m.active_parameters for n, m in spec.models.items() if m.active_parameters is not None}
    problems = tables.of("benchmark", spec.problems, ["problem_id", "problem"])
    lengths = problems.set_index("problem_id")["problem"].str.len().to_dict()
    rates: dict[str, float] = {}

    rows, endings, overlong = [], [], []
    if sources.cot is not None:
        cot = tables.of("responses", sources.cot.responses, RESPONSES)
        rows.append(usage.of_cot(cot))
        endings.append(usage.endings("cot", "none", 1, cot, tables.of("grades", sources.cot.grades, STATUS)))
    if blocks := sources.samples:
        pool = tables.joined("responses", [block.responses for block in blocks], RESPONSES)
        grades = tables.joined("grades", [block.grades for block in blocks], STATUS)
        scores = {
            prm: tables.joined("scores", [block.scores[prm] for block in blocks], SCORES) for prm in blocks[0].scores
        }
        reads = {}
        if scores:
            parts = (part for block in blocks for part in tables.parts(block.responses, SOLUTION))
            samples = Samples.of(parts, lengths)
            reads = {prm: samples.read_by(table) for prm, table in scores.items()}
            rates = {prm: read.rate for prm, read in reads.items()}
        rows += usage.of_pool(pool, scores, budgets, reads)
        overlong += usage.overlong_of_pool(scores)
        size = len(pool) // max(1, pool["problem_id"].nunique())
        endings.append(usage.endings("majority", "none", size, pool, grades))
    for (method, prm, budget), runs in sources.runs.items():
        spent, over, ended = [], [], []
        for search in runs:
            cost = tables.of("search_cost", search.cost)
            nodes = tables.of("nodes", search.nodes, NODES)
            met = _met(nodes, cost, lengths, rates.get(prm))
            spent.append(usage.of_search(method, prm, budget, cost, nodes, cot, budgets[method], met))
            over.append(usage.overlong_of_search(method, prm, budget, cost))
            answers = tables.of("search_responses", search.answers, RESPONSES)
            ended.append([usage.endings(method, prm, budget, answers, tables.of("grades", search.grades, STATUS))])
        rows += usage.of_runs(spent, mean=True)
        overlong += usage.of_runs(over)
        endings += usage.of_runs(ended)
    names = {"benchmark": spec.benchmark, "policy": spec.policy}
    cells = pd.DataFrame(rows).assign(**names, policy_parameters=parameters[spec.policy])
    cells["prm_parameters"] = cells["prm"].map(parameters | {"none": 0})
    # A size that is not known is missing in the table, and so is all that follows from it.
    sized = ["policy_parameters", "prm_parameters"]
    cells = cells.astype({column: float for column in sized if cells[column].isna().any()})
    tables.write("ledger", flops.ledger(cells, active, shapes), spec.outputs["ledger"])
    over = pd.DataFrame(overlong) if overlong else tables.empty("overlong")
    tables.write("overlong", over.assign(**names), spec.outputs["overlong"])
    tables.write("counts", pd.DataFrame(endings).assign(**names), spec.outputs["counts"])


def _met(nodes: pd.DataFrame, cost: pd.DataFrame, lengths: Mapping[str, int], rate: float | None) -> usage.Met:
    """What a search met; `rate` is that of the pool, where its PRM scored one: a prefix costs all methods the same."""
    trie = Trie(lengths)
    anew = trie.add_nodes(nodes)
    if rate is None:
        rate = float(cost["prm_tokens_reencoded"].iloc[0]) / anew if anew else 0.0
    return usage.Met(trie.prefixes(), rate)


if __name__ == "__main__":
    steps.main(LedgerSpec, step)

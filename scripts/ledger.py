"""Tokens and FLOPs of every method at every budget, and how responses ended, for one benchmark and policy."""

from pathlib import Path

import pandas as pd

from ttstudy import checkpoints, flops, steps, tables, usage

RESPONSES = ["problem_id", "sample", "prompt_tokens", "response_tokens", "finish"]
SCORES = ["problem_id", "sample", "prm_tokens"]
STATUS = ["problem_id", "sample", "status"]
NODES = ["problem_id", "tree", "node", "parent", "depth", "tokens"]


def step() -> None:
    """Read token counts, add up, price in FLOPs."""
    parser = steps.parser(__doc__)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--counts", required=True, type=Path)
    args = parser.parse_args()
    spec, sources = args.spec, args.spec["sources"]
    sizes = {name: checkpoints.size(model) for name, model in spec["models"].items()}
    shapes = {name: checkpoints.shape(model) for name, model in spec["models"].items()}
    active = {n: m["active_parameters"] for n, m in spec["models"].items() if m["active_parameters"] is not None}

    rows, endings = [], []
    if "cot" in sources:
        cot = tables.read("responses", sources["cot"]["responses"], RESPONSES)
        rows.append(usage.of_cot(cot))
        endings.append(usage.endings("cot", "none", 1, cot, tables.read("grades", sources["cot"]["grades"], STATUS)))
    blocks = sources["samples"]
    if blocks:
        pool = steps.concat("responses", [block["responses"] for block in blocks], RESPONSES)
        grades = steps.concat("grades", [block["grades"] for block in blocks], STATUS)
        scores = {
            prm: steps.concat("scores", [block["scores"][prm] for block in blocks], SCORES)
            for prm in blocks[0]["scores"]
        }
        rows += usage.of_pool(pool, scores, spec["budgets"])
        size = len(pool) // max(1, pool["problem_id"].nunique())
        endings.append(usage.endings("majority", "none", size, pool, grades))
    for search in sources["searches"]:
        method, prm, budget = search["method"], search["prm"], search["budget"]
        cost = tables.read("search_cost", search["cost"])
        nodes = tables.read("nodes", search["nodes"], NODES)
        rows += usage.of_search(method, prm, budget, cost, nodes, cot, spec["budgets"][method])
        answers = tables.read("search_responses", search["answers"], RESPONSES)
        grades = tables.read("grades", search["grades"], STATUS)
        endings.append(usage.endings(method, prm, budget, answers, grades))
    names = {"benchmark": spec["benchmark"], "policy": spec["policy"]}
    cells = pd.DataFrame(rows).assign(**names, policy_parameters=sizes[spec["policy"]])
    cells["prm_parameters"] = cells["prm"].map(sizes | {"none": 0})
    # A size that is not known is missing in the table, and so is all that follows from it.
    sized = ["policy_parameters", "prm_parameters"]
    cells = cells.astype({column: float for column in sized if cells[column].isna().any()})
    tables.write("ledger", flops.ledger(cells, active, shapes), args.output)
    tables.write("counts", pd.DataFrame(endings).assign(**names), args.counts)


if __name__ == "__main__":
    steps.main(step)

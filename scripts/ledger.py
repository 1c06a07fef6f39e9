"""Tokens and FLOPs of every method at every budget, and how responses ended, for one benchmark and policy."""

from pathlib import Path

import pandas as pd

from ttstudy import checkpoints, flops, steps, tables, usage

RESPONSES = ["problem_id", "sample", "prompt_tokens", "response_tokens", "finish"]
SCORES = ["problem_id", "sample", "prm_tokens"]
STATUS = ["problem_id", "sample", "status"]


def step() -> None:
    """Read token counts, add up, price in FLOPs."""
    parser = steps.parser(__doc__)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--counts", required=True, type=Path)
    args = parser.parse_args()
    spec, sources, models = args.spec, args.spec["sources"], args.spec["models"]
    parameters = {name: checkpoints.parameters(Path(path).parent) for name, path in models["prms"].items()}
    policy_parameters = checkpoints.parameters(Path(models["policy"]).parent)

    cot = tables.read("responses", sources["cot"]["responses"], RESPONSES)
    rows = [usage.of_cot(cot)]
    endings = [usage.endings("cot", "none", 1, cot, tables.read("grades", sources["cot"]["grades"], STATUS))]
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
        rows += usage.of_search(method, prm, budget, cost, cot, spec["budgets"][method])
        answers = tables.read("search_responses", search["answers"], RESPONSES)
        grades = tables.read("grades", search["grades"], STATUS)
        endings.append(usage.endings(method, prm, budget, answers, grades))
    names = {"benchmark": spec["benchmark"], "policy": spec["policy"]}
    cells = pd.DataFrame(rows).assign(**names, policy_parameters=policy_parameters)
    cells["prm_parameters"] = cells["prm"].map(parameters | {"none": 0})
    tables.write("ledger", flops.ledger(cells), args.output)
    tables.write("counts", pd.DataFrame(endings).assign(**names), args.counts)


if __name__ == "__main__":
    steps.main(step)

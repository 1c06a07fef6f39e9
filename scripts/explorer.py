"""Gather what the report's sample explorer shows of one (benchmark, policy): responses, step scores, search trees."""

from pathlib import Path

import pandas as pd

from ttstudy import explorer, steps, tables


def step() -> None:
    """Pick problems, collect their responses and trees from every source."""
    parser = steps.parser(__doc__)
    parser.add_argument("--problems", required=True, type=Path, help="the benchmark's table")
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--trees", required=True, type=Path)
    args = parser.parse_args()
    names = {"benchmark": args.spec["benchmark"], "policy": args.spec["policy"]}
    sources = args.spec["sources"]
    benchmark = tables.read("benchmark", args.problems)
    ids = explorer.chosen(benchmark)
    found, trees = [], []

    def add(method, prm, budget, responses, grades, scores=None):
        shown = explorer.rows(responses, grades, scores, benchmark, ids)
        found.append(shown.assign(**names, method=method, prm=prm, budget=budget))

    if "cot" in sources:
        cot = tables.read("responses", sources["cot"]["responses"])
        add("cot", "none", 1, cot, tables.read("grades", sources["cot"]["grades"]))
    if sources["samples"]:
        size = sources["samples"][-1]["samples"][1] + 1
        blocks = [block for block in sources["samples"] if block["samples"][0] < explorer.RESPONSES]
        pool = steps.concat("responses", [block["responses"] for block in blocks])
        grades = steps.concat("grades", [block["grades"] for block in blocks])
        prms = list(blocks[0]["scores"])
        if not prms:
            add("majority", "none", size, pool, grades)
        for prm in prms:
            scores = steps.concat("scores", [block["scores"][prm] for block in blocks])
            add("best_of_n", prm, size, pool, grades, scores)
    for search in sources["searches"]:
        method, prm, budget = search["method"], search["prm"], search["budget"]
        answers = tables.read("search_responses", search["answers"])
        add(method, prm, budget, answers, tables.read("grades", search["grades"]))
        if budget <= explorer.TREE_BUDGET:
            nodes = tables.read("nodes", search["nodes"])
            nodes = nodes[nodes["problem_id"].isin(ids)]
            trees.append(nodes.assign(**names, method=method, prm=prm, budget=budget))
    tables.write("explorer", pd.concat(found, ignore_index=True), args.output)
    tables.write("trees", pd.concat(trees, ignore_index=True) if trees else tables.empty("trees"), args.trees)


if __name__ == "__main__":
    steps.main(step)

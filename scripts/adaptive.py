"""Levels predicted without labels, and what budgets that adapt to a problem buy, for one benchmark and policy."""

from pathlib import Path

import pandas as pd

from ttstudy import difficulty, steps, strategy, tables, voting

GRADES = ["problem_id", "sample", "canonical", "correct"]


def step() -> None:
    """Predict levels from the pilot; spread budgets by them, and stop votes that are decided."""
    parser = steps.parser(__doc__)
    parser.add_argument("--difficulty", required=True, type=Path)
    parser.add_argument("--outcomes", required=True, type=Path)
    parser.add_argument("--predicted", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    spec, sources, settings = args.spec, args.spec["sources"], args.spec["difficulty"]
    names = {"benchmark": spec["benchmark"], "policy": spec["policy"]}
    if "pilot" not in sources:  # a reference answers once: there is nothing to predict from, and nothing to spread
        for name, path in (("predicted", args.predicted), ("adaptive", args.output)):
            tables.write(name, tables.empty(name), path)
        return
    pilot = tables.read("grades", sources["pilot"]["grades"], GRADES)
    scores = {prm: tables.read("scores", path) for prm, path in sources["pilot"].get("scores", {}).items()}
    known = tables.read("difficulty", args.difficulty)
    levels = difficulty.predicted(pilot, scores, known, tuple(settings["thresholds"]), settings["scheme"])
    tables.write("predicted", levels.assign(**names), args.predicted)

    outcomes = tables.read("outcomes", args.outcomes)
    headline = (outcomes["score"] == spec["headline"]["score"]) & (outcomes["vote"] == spec["headline"]["vote"])
    chosen = outcomes[headline | (outcomes["vote"] == "majority") & (outcomes["prm"] == "none")]
    found = [strategy.allocate(chosen, levels, spec["seed"])]
    budgets = spec["budgets"].get("majority")
    if sources["samples"] and budgets:
        pool = steps.concat("grades", [block["grades"] for block in sources["samples"]], GRADES)
        grid = voting.Pool.build(pool, None, list(known["problem_id"]))
        found.append(strategy.stopping(grid, sorted(budgets), seed=spec["seed"]).assign(**names))
    columns = {column: "float" for column in ("difference", "low", "high")}
    tables.write("adaptive", pd.concat(found, ignore_index=True).astype(columns), args.output)


if __name__ == "__main__":
    steps.main(step)

"""Value of every method at every budget on every problem, for one benchmark and policy."""

from pathlib import Path

import pandas as pd

from ttstudy import outcomes, steps, tables

GRADES = ["problem_id", "sample", "canonical", "correct"]


def step() -> None:
    """Read the cell's grades and scores, value each method, write the outcomes."""
    parser = steps.parser(__doc__)
    parser.add_argument("--difficulty", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    spec, sources = args.spec, args.spec["sources"]
    difficulty = tables.read("difficulty", args.difficulty)
    problem_ids = list(difficulty["problem_id"])

    def grades(path: str) -> pd.DataFrame:
        return tables.read("grades", path, GRADES)

    def values() -> outcomes.Values:
        if "cot" in sources:
            yield from outcomes.of_cot(grades(sources["cot"]["grades"]), problem_ids)
        blocks = sources["samples"]
        if blocks:
            pool = steps.concat("grades", [block["grades"] for block in blocks], GRADES)
            scores = {
                prm: steps.concat("scores", [block["scores"][prm] for block in blocks]) for prm in blocks[0]["scores"]
            }
            yield from outcomes.of_pool(pool, scores, spec["budgets"], problem_ids, spec["seed"])
        for search in sources["searches"]:
            yield from outcomes.of_search(
                search["method"],
                search["prm"],
                search["budget"],
                grades(search["grades"]),
                tables.read("search_responses", search["answers"], ["problem_id", "sample", "tree", "step_scores"]),
                problem_ids,
                spec["budgets"][search["method"]],
                spec["beam_width"],
                spec["seed"],
            )

    tables.write("outcomes", outcomes.table(spec["benchmark"], spec["policy"], values(), difficulty), args.output)


if __name__ == "__main__":
    steps.main(step)

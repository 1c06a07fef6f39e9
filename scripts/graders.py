"""Where the study's grader and the other one differ, and what each accuracy would be under the other."""

from pathlib import Path

import pandas as pd

from ttstudy import graders, outcomes, steps, tables


def step() -> None:
    """Pair both graders' verdicts, value every method under the other grader, write three tables."""
    parser = steps.parser(__doc__)
    parser.add_argument("--outcomes", required=True, type=Path, help="the study's outcomes")
    parser.add_argument("--difficulty", required=True, type=Path)
    parser.add_argument("--tables", required=True, type=Path, help="folder of the study's tables")
    args = parser.parse_args()
    spec = args.spec
    difficulty = tables.read("difficulty", args.difficulty)
    golds = {
        name: tables.read("benchmark", path).set_index("problem_id")["answer"]
        for name, path in spec["benchmarks"].items()
    }
    counts, differing, others = [], [], []
    for cell in spec["cells"]:
        at = {"benchmark": cell["benchmark"], "policy": cell["policy"]}
        levels = difficulty[(difficulty["benchmark"] == at["benchmark"]) & (difficulty["policy"] == at["policy"])]
        pairs = []
        for source in cell["graded"]:
            both = (steps.concat("grades", source[kind]) for kind in ("grades", "other"))
            pairs.append(graders.paired(*both))
            counts.append(at | {key: source[key] for key in ("source", "prm", "budget")} | graders.counts(pairs[-1]))
        rows = graders.answers(pd.concat(pairs, ignore_index=True)).assign(**at)
        differing.append(rows.assign(gold=rows["problem_id"].map(golds[at["benchmark"]])))
        values = outcomes.of_files(
            cell["sources"], list(levels["problem_id"]), cell["budgets"], spec["beam_width"], spec["seed"]
        )
        others.append(outcomes.table(*at.values(), values, levels))
    names = {"grader": spec["grader"], "other": spec["other"]}
    accuracy = graders.accuracy(tables.read("outcomes", args.outcomes), pd.concat(others, ignore_index=True))
    tables.write("graders", pd.DataFrame(counts).assign(**names), args.tables / "graders.parquet")
    tables.write("grader_accuracy", accuracy, args.tables / "grader_accuracy.parquet")
    tables.write("grader_answers", pd.concat(differing, ignore_index=True), args.tables / "grader_answers.parquet")


if __name__ == "__main__":
    steps.main(step)

"""Where the study's grader and each other one differ, and what each accuracy would be under the other."""

from collections import defaultdict
from pathlib import Path

import pandas as pd

from ttstudy.analysis import graders
from ttstudy.dag.specs.analysis import GradersSpec
from ttstudy.data import tables
from ttstudy.methods import outcomes
from ttstudy.run import steps


def step(spec: GradersSpec, _log: Path | None) -> None:
    """Pair the verdicts of two graders, value every method under the other one, write three tables."""
    difficulty = tables.of("difficulty", spec.difficulty)
    golds = {
        name: tables.of("benchmark", file).set_index("problem_id")["answer"]
        for name, file in spec.benchmarks.items()
    }
    counts, differing = [], []
    others: defaultdict[str, list[pd.DataFrame]] = defaultdict(list)
    for cell in spec.cells:
        at = {"benchmark": cell.benchmark, "policy": cell.policy}
        levels = difficulty[(difficulty["benchmark"] == cell.benchmark) & (difficulty["policy"] == cell.policy)]
        pairs = []
        for source in cell.graded:
            pairs.append(graders.paired(*(tables.joined("grades", files) for files in (source.grades, source.other))))
            what = {"source": source.source, "prm": source.prm, "budget": source.budget}
            counts.append(at | what | {"other": cell.other} | graders.counts(pairs[-1]))
        rows = graders.answers(pd.concat(pairs, ignore_index=True)).assign(**at, against=cell.other)
        differing.append(rows.assign(gold=rows["problem_id"].map(golds[cell.benchmark])))
        values = outcomes.of_sources(
            cell.sources, list(levels["problem_id"]), cell.budgets, spec.beam_width, spec.seed
        )
        others[cell.other].append(outcomes.table(cell.benchmark, cell.policy, values, levels))
    ours = tables.of("outcomes", spec.outcomes)
    accuracy = [
        graders.accuracy(ours, pd.concat(found, ignore_index=True)).assign(against=other)
        for other, found in others.items()
    ]
    found = {
        "graders": pd.DataFrame(counts).assign(grader=spec.grader),
        "grader_accuracy": pd.concat(accuracy, ignore_index=True),
        "grader_answers": pd.concat(differing, ignore_index=True),
    }
    for name, frame in found.items():
        tables.write(name, frame, spec.outputs[name])


if __name__ == "__main__":
    steps.main(GradersSpec, step)

"""Score every step of a block of responses with a PRM, one pass per response."""

from functools import cache
from pathlib import Path

import pandas as pd

from ttstudy.dag.specs.generation import ScoreSpec
from ttstudy.data import tables
from ttstudy.models import environment
from ttstudy.prms import open_prm
from ttstudy.prms.protocol import check_scores
from ttstudy.run import steps
from ttstudy.run.progress import bar

RESPONSES_PER_PART = 8192


def step(spec: ScoreSpec, log_path: Path | None) -> None:
    """Score in parts; a response without a step gets no scores."""
    environment.enter(spec.judge.engine)
    columns = ["problem_id", "sample", "steps"]
    if spec.benchmark is not None:
        responses = tables.of("responses", spec.responses, columns)
        problems = tables.of("benchmark", spec.benchmark).set_index("problem_id")["problem"]
    else:
        responses = tables.of("labelled", spec.responses, [*columns, "problem"])
        problems = responses.groupby("problem_id")["problem"].first()
    output, folder = Path(spec.outputs["output"]), steps.folder(spec.judge.checkpoint)
    label = f"score {output.parent.name}/{output.stem}"
    clock = steps.stopwatch()
    with steps.log(log_path) as log, bar(label, len(responses), log) as progress:
        with steps.opening(folder):
            model = open_prm(folder, spec.judge)
        done = 0

        @cache  # many samples of a pool are the same response
        def length(problem: str, solution: tuple[str, ...]) -> int:
            return len(model.encode(problem, solution).ids)

        def compute(rows: list[int]) -> dict[str, pd.DataFrame]:
            nonlocal done
            part = responses.iloc[rows]
            items = [(problems[row.problem_id], list(row.steps)) for row in part.itertuples()]
            scored = [index for index, (_, solution) in enumerate(items) if solution]
            scores: list[list[float]] = [[] for _ in items]
            tokens = [0] * len(items)
            for index, values in zip(scored, model.score_batch([items[i] for i in scored]), strict=True):
                row = part.iloc[index]
                where = f"problem {row['problem_id']}, sample {row['sample']}"
                check_scores(model.name, values, items[index][1], where)
                scores[index] = values
                tokens[index] = length(items[index][0], tuple(items[index][1]))
            done += len(items)
            progress(done, model.tokens)
            frame = part[["problem_id", "sample"]].assign(step_scores=scores, prm_tokens=tokens)
            return {"scores": frame.reset_index(drop=True)}

        frames = steps.in_parts(output, list(range(len(responses))), RESPONSES_PER_PART, compute)
        tables.write("scores", frames["scores"], output)
        steps.took(tokens=frames["scores"]["prm_tokens"].sum())
        steps.finish(output)
        if log is not None:
            print(f"{label}: {model.tokens:,} tokens scored in {clock()}", file=log)


if __name__ == "__main__":
    steps.main(ScoreSpec, step)

"""Score every step of a block of responses with a PRM, one pass per response."""

import json
from functools import cache
from pathlib import Path

import pandas as pd

from ttstudy import steps, tables
from ttstudy.engines import environment
from ttstudy.progress import bar
from ttstudy.rewards import open_prm, scoring_engine
from ttstudy.rewards.protocol import check_scores

RESPONSES_PER_PART = 8192


def step() -> None:
    """Score in parts; a response without a step gets no scores."""
    parser = steps.parser(__doc__)
    parser.add_argument("--benchmark", type=Path, help="problems; by default the responses' own column `problem`")
    parser.add_argument("--responses", required=True, type=Path)
    parser.add_argument("--prm", required=True, type=Path, help="checkpoint folder")
    parser.add_argument("--machine", type=json.loads, default={}, help="engine options that change no byte (JSON)")
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    environment.enter(scoring_engine(args.spec))
    columns = ["problem_id", "sample", "steps"]
    if args.benchmark:
        responses = tables.read("responses", args.responses, columns)
        problems = tables.read("benchmark", args.benchmark).set_index("problem_id")["problem"]
    else:
        responses = tables.read("labelled", args.responses, [*columns, "problem"])
        problems = responses.groupby("problem_id")["problem"].first()
    label = f"score {args.output.parent.name}/{args.output.stem}"
    clock = steps.stopwatch()
    with steps.log(args.log) as log, bar(label, len(responses), log) as progress:
        with steps.opening(args.prm):
            model = open_prm(args.prm, args.spec, args.machine)
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

        frames = steps.in_parts(args.output, list(range(len(responses))), RESPONSES_PER_PART, compute)
        tables.write("scores", frames["scores"], args.output)
        steps.took(tokens=frames["scores"]["prm_tokens"].sum())
        steps.finish(args.output)
        if log is not None:
            print(f"{label}: {model.tokens:,} tokens scored in {clock()}", file=log)


if __name__ == "__main__":
    steps.main(step)

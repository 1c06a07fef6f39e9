"""Score every step of a block of responses with a PRM: one pass per response, or judgements that the PRM writes."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO

import pandas as pd

from ttstudy.dag.specs.generation import ScoreSpec
from ttstudy.data import tables
from ttstudy.prms import open_counter, open_prm
from ttstudy.prms.protocol import check_scores
from ttstudy.prms.scorer import StepScorer
from ttstudy.run import borrowing, sharing, steps
from ttstudy.run.progress import bar

RESPONSES_PER_PART, JUDGED_PER_PART = 8192, 512
"""What a killed job loses at most; a generative PRM takes a thousand times as long for a response."""


def step(spec: ScoreSpec, log_path: Path | None) -> None:
    """Score in parts; a response without a step gets no scores."""
    steps.enter(spec)
    responses, problems = _read(spec)
    responses = sharing.share(spec, responses)
    if sharing.idle(spec, responses):
        return
    output, folder = Path(spec.outputs["output"]), steps.folder(spec.judge.checkpoint)
    label = f"score {output.parent.name}/{output.stem}"
    clock = steps.stopwatch()
    known = borrowing.scores(spec, responses, problems)
    rest = len(responses) - len(known)
    with steps.log(log_path) as log, bar(label, rest, log) as progress:
        model = steps.prm(spec, folder, steps.seats(spec, prm=folder)[1], open_prm) if rest else None
        done = 0

        @cache  # many samples of a pool are the same response
        def counts(problem: str, solution: tuple[str, ...]) -> Mapping[str, float]:
            assert model is not None
            return model.counts(problem, solution)

        def compute(rows: list[int]) -> dict[str, pd.DataFrame]:
            nonlocal done
            part = borrowing.but_for(known, responses.iloc[rows])
            if model is None or part.empty:
                return {"scores": borrowing.like(responses.iloc[rows], [known])}
            items = [(problems[row.problem_id], list(row.steps)) for row in part.itertuples()]
            scored = [index for index, (_, solution) in enumerate(items) if solution]
            scores: list[list[float]] = [[] for _ in items]
            told: list[Mapping[str, float]] = [{} for _ in items]
            for index, values in zip(scored, model.score_batch([items[i] for i in scored]), strict=True):
                row = part.iloc[index]
                where = f"problem {row['problem_id']}, sample {row['sample']}"
                check_scores(model.name, values, items[index][1], where)
                scores[index] = values
                told[index] = counts(items[index][0], tuple(items[index][1]))
            done += len(items)
            progress(done, model.tokens)
            frame = part[["problem_id", "sample"]].assign(step_scores=scores).reset_index(drop=True)
            frame = frame.join(pd.DataFrame(told, columns=list(counted)).fillna(0).astype(counted))
            return {"scores": borrowing.like(responses.iloc[rows], [known, frame])}

        writes = spec.judge.verdicts is not None
        counted = {"prm_tokens": "int64", "overlong": "int64"}
        counted |= {"prm_positions": "float64", "no_verdict": "int64"} if writes else {}
        size = JUDGED_PER_PART if writes else RESPONSES_PER_PART
        frames = steps.in_parts(output, list(range(len(responses))), size, compute)
        scores = frames["scores"].drop(columns="prm_tokens_run", errors="ignore")
        if not writes:
            counter = model if isinstance(model, StepScorer) else open_counter(folder, spec.judge)
            scores["prm_tokens_run"] = _run(counter, responses, problems)
        tables.write("scores", scores, output)
        if tokens := scores["prm_tokens"].sum() - known["prm_tokens"].sum():
            steps.took(tokens=tokens)
        steps.finish(output)
        if log is not None:
            scored = 0 if model is None else model.tokens
            print(f"{label}: {scored:,} tokens scored in {clock()}{borrowing.words(known)}", file=log)
            _tell(scores, label, spec.judge.overflow, None if model is None else model.context, log)


def _read(spec: ScoreSpec) -> tuple[pd.DataFrame, pd.Series]:
    """Responses (problem_id, sample, steps), and the texts of their problems."""
    columns = ["problem_id", "sample", "steps"]
    if spec.benchmark is not None:
        problems = tables.of("benchmark", spec.benchmark).set_index("problem_id")["problem"]
        return tables.of("responses", spec.responses, columns), problems
    responses = tables.of("labelled", spec.responses, [*columns, "problem"])
    return responses, responses.groupby("problem_id")["problem"].first()


def _run(counter: StepScorer, responses: pd.DataFrame, problems: pd.Series) -> pd.Series:
    """Tokens that are run of each response, where all of a problem are scored together."""
    run = pd.Series(0, pd.RangeIndex(len(responses)))
    for name, same in responses.reset_index(drop=True).groupby("problem_id")["steps"]:
        run[same.index] = counter.run_of(problems[name], list(map(tuple, same)))
    return run


def _tell(scores: pd.DataFrame, label: str, overflow: str, context: int | None, log: IO[str]) -> None:
    """Tell the log of solutions that are too long, and of verdicts that say nothing."""
    if context and (over := (scores["overlong"] > 0).sum()):
        print(
            f"{label}: {over:,} of {len(scores):,} solutions are longer than the PRM's context, "
            f"{context:,} tokens; overflow: {overflow}",
            file=log,
        )
    if lost := scores.get("no_verdict", pd.Series([0])).sum():
        print(f"{label}: {lost:,} verdicts could not be read; each counts as a no", file=log)


if __name__ == "__main__":
    steps.main(ScoreSpec, step)

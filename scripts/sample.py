"""Draw a block of responses from a policy: pilot, greedy CoT, or part of the pool."""

import os
from pathlib import Path

import pandas as pd

from ttstudy.dag.specs.generation import SampleSpec
from ttstudy.data import tables
from ttstudy.policies.opening import open_policy
from ttstudy.policies.sampling import draw
from ttstudy.run import sharing, steps
from ttstudy.run.progress import bar

RESPONSES_PER_PART = int(os.environ.get("TTSTUDY_RESPONSES_PER_PART", 8192))


def step(spec: SampleSpec, log_path: Path | None) -> None:
    """Draw for blocks of problems, saving each; a killed run goes on from the last block."""
    steps.enter(spec)
    problems = sharing.share(spec, tables.of("benchmark", spec.benchmark))
    if sharing.idle(spec, problems):
        return
    samples = range(spec.block[0], spec.block[1] + 1)
    output, folder = Path(spec.outputs["output"]), steps.folder(spec.policy)
    label = f"sample {output.parent.parent.name} {output.parent.name}/{output.stem}"
    clock = steps.stopwatch()
    with steps.log(log_path) as log, bar(label, len(problems) * len(samples), log) as progress:
        engine = steps.policy(spec, folder, steps.seats(spec, policy=folder)[0], open_policy)
        before = [0, 0]

        def compute(rows: list[int]) -> dict[str, pd.DataFrame]:
            def onward(done: int, count: int) -> None:
                progress(before[0] + done, before[1] + count)

            frame = draw(engine, problems.iloc[rows], samples, spec, onward)
            before[0] += len(frame)
            before[1] += int(frame["response_tokens"].sum())
            return {"responses": frame}

        size = max(1, RESPONSES_PER_PART // len(samples))
        frames = steps.in_parts(output, list(range(len(problems))), size, compute)
        tables.write("responses", frames["responses"], output)
        steps.took(tokens=frames["responses"]["response_tokens"].sum())
        steps.finish(output)
        if log is not None:
            print(f"{label}: {before[1]:,} tokens drawn in {clock()}", file=log)


if __name__ == "__main__":
    steps.main(SampleSpec, step)

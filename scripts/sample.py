"""Draw a block of responses from a policy: pilot, greedy CoT, or part of the pool."""

import json
import os
from pathlib import Path

from ttstudy import steps, tables
from ttstudy.engines import environment, open_policy
from ttstudy.progress import bar
from ttstudy.sampling import draw

RESPONSES_PER_PART = int(os.environ.get("TTSTUDY_RESPONSES_PER_PART", 8192))


def step() -> None:
    """Draw for blocks of problems, saving each; a killed run goes on from the last block."""
    parser = steps.parser(__doc__)
    parser.add_argument("--benchmark", required=True, type=Path)
    parser.add_argument("--policy", required=True, type=Path, help="checkpoint folder")
    parser.add_argument("--machine", type=json.loads, default={}, help="engine options that change no byte (JSON)")
    parser.add_argument("--block", required=True, type=int, nargs=2, metavar=("FIRST", "LAST"))
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    environment.enter(args.spec["engine"])
    problems = tables.read("benchmark", args.benchmark)
    samples = range(args.block[0], args.block[1] + 1)
    label = f"sample {args.output.parent.parent.name} {args.output.parent.name}/{args.output.stem}"
    clock = steps.stopwatch()
    with steps.log(args.log) as log, bar(label, len(problems) * len(samples), log) as progress:
        with steps.opening(args.policy):
            engine = open_policy(args.policy, args.spec, args.machine)
        before = [0, 0]

        def compute(rows: list[int]) -> dict:
            def onward(done: int, count: int) -> None:
                progress(before[0] + done, before[1] + count)

            frame = draw(engine, problems.iloc[rows], samples, args.spec, onward)
            before[0] += len(frame)
            before[1] += int(frame["response_tokens"].sum())
            return {"responses": frame}

        size = max(1, RESPONSES_PER_PART // len(samples))
        frames = steps.in_parts(args.output, list(range(len(problems))), size, compute)
        tables.write("responses", frames["responses"], args.output)
        steps.took(tokens=frames["responses"]["response_tokens"].sum())
        steps.finish(args.output)
        if log is not None:
            print(f"{label}: {before[1]:,} tokens drawn in {clock()}", file=log)


if __name__ == "__main__":
    steps.main(step)

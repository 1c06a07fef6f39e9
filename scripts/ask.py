"""Draw a block of responses from a policy behind an endpoint: pilot, greedy CoT, or part of the pool."""

import fcntl
import json
from pathlib import Path

from ttstudy import steps, tables
from ttstudy.engines.openai_engine import Endpoint, Journal, ask
from ttstudy.progress import bar
from ttstudy.sampling import asked, requests


def step() -> None:
    """Ask for what the journal does not hold yet; then the journal becomes the table."""
    parser = steps.parser(__doc__)
    parser.add_argument("--benchmark", required=True, type=Path)
    parser.add_argument("--machine", type=json.loads, default={}, help="how the endpoint is asked (JSON)")
    parser.add_argument("--block", required=True, type=int, nargs=2, metavar=("FIRST", "LAST"))
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    spec = args.spec
    endpoint = Endpoint(policy=spec["seeds"][-1], **spec["endpoint"], **args.machine)
    problems = tables.read("benchmark", args.benchmark)
    samples = range(args.block[0], args.block[1] + 1)
    label = f"ask {args.output.parent.parent.name} {args.output.parent.name}/{args.output.stem}"
    args.output.parent.mkdir(parents=True, exist_ok=True)
    clock = steps.stopwatch()
    # One job at a time asks an endpoint, so that its limits hold for the whole study.
    with (args.output.parent.parent / ".asking.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        journal = Journal(args.output.with_name(f".{args.output.name}.journal"))
        with steps.log(args.log) as log, bar(label, len(problems) * len(samples), log) as progress:
            ask(endpoint, requests(endpoint, problems, samples, spec), journal, progress, log)
            frame = asked(journal.answers, problems, samples)
            tables.write("responses", frame, args.output)
            journal.close()
            journal.path.unlink()
            if not frame["response_tokens"].isna().any():
                steps.took(tokens=frame["response_tokens"].sum())
            if log is not None:
                models = sorted({answer.model for answer in journal.answers.values() if answer.model})
                print(f"{label}: {len(frame)} responses in {clock()}; answered by {', '.join(models)}", file=log)


if __name__ == "__main__":
    steps.main(step)

"""Draw a block of responses from a policy behind an endpoint: pilot, greedy CoT, or part of the pool."""

import fcntl
from pathlib import Path

from ttstudy.dag.specs.generation import AskSpec
from ttstudy.data import tables
from ttstudy.policies.openai import Endpoint, Journal, ask
from ttstudy.policies.sampling import asked, requests
from ttstudy.run import steps
from ttstudy.run.progress import bar


def step(spec: AskSpec, log_path: Path | None) -> None:
    """Ask for what the journal does not hold yet; then the journal becomes the table."""
    endpoint = Endpoint(policy=spec.seeds[-1], **spec.endpoint.model_dump())
    problems = tables.of("benchmark", spec.benchmark)
    samples = range(spec.block[0], spec.block[1] + 1)
    output = Path(spec.outputs["output"])
    label = f"ask {output.parent.parent.name} {output.parent.name}/{output.stem}"
    output.parent.mkdir(parents=True, exist_ok=True)
    clock = steps.stopwatch()
    # One job at a time asks an endpoint, so that its limits hold for the whole study.
    with (output.parent.parent / ".asking.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        steps.begin_to_count()
        journal = Journal(output.with_name(f".{output.name}.journal"))
        with steps.log(log_path) as log, bar(label, len(problems) * len(samples), log) as progress:
            ask(endpoint, requests(endpoint, problems, samples, spec), journal, progress, log)
            frame = asked(journal.answers, problems, samples, spec.confidence)
            tables.write("responses", frame, output)
            journal.close()
            journal.path.unlink()
            if not frame["response_tokens"].isna().any():
                steps.took(tokens=frame["response_tokens"].sum())
            if log is not None:
                models = sorted({answer.model for answer in journal.answers.values() if answer.model})
                print(f"{label}: {len(frame)} responses in {clock()}; answered by {', '.join(models)}", file=log)


if __name__ == "__main__":
    steps.main(AskSpec, step)

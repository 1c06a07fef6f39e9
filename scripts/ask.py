"""Draw a block of responses from a policy behind an endpoint: pilot, greedy CoT, or part of the pool."""

import fcntl
from pathlib import Path
from typing import Any

from ttstudy.dag.specs.generation import AskSpec
from ttstudy.data import tables
from ttstudy.policies import servers
from ttstudy.policies.openai import Endpoint, Journal, ask
from ttstudy.policies.sampling import asked, requests
from ttstudy.run import borrowing, steps
from ttstudy.run.probe import ENOUGH, Probe, first
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
        known = borrowing.responses(spec, problems)
        asked_for = borrowing.without(known, requests(endpoint, problems, samples, spec))
        journal = Journal(output.with_name(f".{output.name}.journal"))
        with steps.log(log_path) as log, bar(label, len(asked_for), log) as progress:
            _look(endpoint, asked_for, spec, len(samples), journal, log_path)
            ask(endpoint, asked_for, journal, progress, log)
            if log is not None and (left := servers.left(spec.endpoint.server)):
                print(f"{label}: the server was left to choose: {', '.join(left)}", file=log)
            frame = asked(journal.answers, [key for key, _ in asked_for], spec.confidence)
            whole = borrowing.ordered([known, frame], problems["problem_id"])
            tables.write("responses", whole, output)
            journal.close()
            journal.path.unlink()
            if len(frame) and not frame["response_tokens"].isna().any():
                steps.took(tokens=frame["response_tokens"].sum())
            counted = ["prompt_tokens", "response_tokens"]
            if not whole[counted].isna().any(axis=None):  # what was paid for all of them, here or by an earlier job
                steps.took(**{name: whole[name].sum() for name in counted})
            if log is not None:
                models = sorted({answer.model for answer in journal.answers.values() if answer.model})
                told = f"{len(frame)} responses in {clock()}{borrowing.words(known)}"
                print(f"{label}: {told}; answered by {', '.join(models)}", file=log)


def _look(
    endpoint: Endpoint, jobs: list[Any], spec: AskSpec, samples: int, journal: Journal, log_path: Path | None
) -> None:
    """Ask for the first responses by themselves, tell what they are like, and stop where a few more have no answer."""
    left = [place for place, (key, _) in enumerate(jobs) if key not in journal.answers]
    looked = first(samples, left)
    probe = Probe.of(spec, looked, len(left), log_path)
    drawn = 0
    for some in (looked, [place for place in left if place not in looked][: ENOUGH - len(looked)]) if probe else ():
        ask(endpoint, [jobs[place] for place in some], journal)
        for place in some:
            answer = journal.answers[jobs[place][0]]
            drawn += answer.tokens or 0
            assert probe is not None
            probe.saw(place, answer.text, answer.finish, answer.tokens, drawn)


if __name__ == "__main__":
    steps.main(AskSpec, step)

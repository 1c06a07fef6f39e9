"""Draw a block of responses from a policy: pilot, greedy CoT, or part of the pool."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ttstudy.dag.specs.generation import SampleSpec
from ttstudy.data import tables
from ttstudy.policies.opening import open_policy
from ttstudy.policies.sampling import columns, drawing, seen_by
from ttstudy.run import borrowing, sharing, steps
from ttstudy.run.probe import Probe, first
from ttstudy.run.progress import bar

RESPONSES_PER_PART = int(os.environ.get("TTSTUDY_RESPONSES_PER_PART", 8192))
SECONDS_PER_PART = 20
"""What has ended is kept at least so often: fast engines fill parts by number, slow ones by time."""


def step(spec: SampleSpec, log_path: Path | None) -> None:
    """Draw for blocks of problems, saving what has ended; a killed run draws the rest."""
    steps.enter(spec)
    problems = sharing.share(spec, tables.of("benchmark", spec.benchmark))
    if sharing.idle(spec, problems):
        return
    samples = range(spec.block[0], spec.block[1] + 1)
    output, folder = Path(spec.outputs["output"]), steps.folder(spec.policy)
    label = f"sample {output.parent.parent.name} {output.parent.name}/{output.stem}"
    clock = steps.stopwatch()
    count = len(problems) * len(samples)
    known, names = borrowing.responses(spec, problems), columns(spec.confidence)
    there = borrowing.by_place(known, problems, samples, names)
    with steps.log(log_path) as log, bar(label, count, log) as progress:
        lacking = len(there) < count
        engine = steps.policy(spec, folder, steps.seats(spec, policy=folder)[0], open_policy) if lacking else None
        if log is not None and engine is not None and spec.reading is not None:
            print(f"{label}: the first prompt, as the model sees it: {seen_by(engine, problems, spec)!r}", file=log)

        def work(places: list[int]) -> Iterator[tuple[int, dict[str, list[tuple[Any, ...]]]]]:
            tokens = 0

            def onward(done: int, drawn: int) -> None:
                nonlocal tokens
                tokens = drawn
                progress(count - len(places) + done, drawn)

            yield from ((place, {"responses": [there[place]]}) for place in places if place in there)
            left = [place for place in places if place not in there]
            if engine is None or not left:
                return
            looked = first(len(samples), left) if spec.reading is not None else []
            probe = Probe.of(spec, looked, len(left), log_path)
            order = [*looked, *sorted(set(left) - set(looked))]
            for place, row in drawing(engine, problems, samples, spec, order, onward, len(looked)):
                yield place, {"responses": [row]}
                if probe is not None:
                    seen = dict(zip(names, row, strict=True))
                    probe.saw(place, seen["response"], seen["finish"], seen["response_tokens"], tokens)

        kept = {"responses": names}
        frame = steps.as_they_end(output, count, RESPONSES_PER_PART, kept, work, SECONDS_PER_PART)["responses"]
        tables.write("responses", frame, output)
        if tokens := int(frame["response_tokens"].sum() - known["response_tokens"].sum()):
            steps.took(tokens=tokens)
        steps.finish(output)
        if log is not None:
            print(f"{label}: {tokens:,} tokens drawn in {clock()}{borrowing.words(known)}", file=log)


if __name__ == "__main__":
    steps.main(SampleSpec, step)

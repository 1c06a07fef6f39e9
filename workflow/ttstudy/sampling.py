"""Drawing pools of responses from a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ttstudy.engines.protocol import Engine, Progress, Request, Sampling
from ttstudy.prompts import messages, split_steps
from ttstudy.seeds import derive


def draw(
    engine: Engine,
    problems: pd.DataFrame,
    samples: Sequence[int],
    spec: Mapping[str, Any],
    progress: Progress | None = None,
) -> pd.DataFrame:
    """One response per problem and sample index: a `responses` table, problems in order, samples within.

    `spec` has `sampling` (see `Sampling`), `prompt` (a prompt family), `pool`, and `seeds`: the study's seed and
    the names of benchmark and policy. A response's seed is derived from those, the pool, the problem and the sample
    index, so it does not depend on blocks, order or machine load.
    """
    sampling = Sampling(**spec["sampling"])
    prompts = [tuple(engine.encode_chat(messages(spec["prompt"], problem))) for problem in problems["problem"]]
    keys = [
        (problem_id, prompt, sample)
        for problem_id, prompt in zip(problems["problem_id"], prompts, strict=True)
        for sample in samples
    ]
    requests = [
        Request(prompt, sampling, derive(*spec["seeds"], spec["pool"], problem_id, sample))
        for problem_id, prompt, sample in keys
    ]
    completions = engine.generate(requests, progress)
    return pd.DataFrame(
        {
            "problem_id": [key[0] for key in keys],
            "sample": [key[2] for key in keys],
            "response": [completion.text for completion in completions],
            "steps": [split_steps(completion.text) for completion in completions],
            "prompt_tokens": [completion.prompt_tokens for completion in completions],
            "response_tokens": [completion.tokens for completion in completions],
            "logprob": [float(sum(completion.logprobs)) for completion in completions],
            "finish": [completion.finish for completion in completions],
        }
    )

"""Drawing pools of responses from a policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ttstudy.data.prompts import messages, split_steps
from ttstudy.kinds.confidences import CONFIDENCES, STORED, Tokens
from ttstudy.policies.protocol import Engine, Progress, Request, Sampling, begins
from ttstudy.policies.seeds import derive
from ttstudy.policies.stream import drawn, stream_of

if TYPE_CHECKING:
    from ttstudy.dag.specs.generation import AskSpec, SampleSpec
    from ttstudy.policies.openai import Answer, Endpoint
    from ttstudy.study.sampling import TokenConfidence


TOGETHER = 8192
"""Responses that are submitted to an engine together."""
_DRAWN = ("problem_id", "sample", "response", "steps", "prompt_tokens", "response_tokens", "logprob", "finish")


def columns(confidence: TokenConfidence | None) -> list[str]:
    """Columns of the `responses` table that `drawing` gives rows of."""
    return [*_DRAWN, *(() if confidence is None else STORED)]


def draw(engine: Engine, problems: pd.DataFrame, samples: Sequence[int], spec: SampleSpec) -> pd.DataFrame:
    """The `responses` table of what `drawing` gives, in order."""
    rows = dict(drawing(engine, problems, samples, spec))
    return pd.DataFrame([rows[place] for place in sorted(rows)], columns=columns(spec.confidence))


def drawing(
    engine: Engine,
    problems: pd.DataFrame,
    samples: Sequence[int],
    spec: SampleSpec,
    wanted: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """(place, row of a `responses` table) as responses end; one per problem and sample index, in this order.

    `wanted`: places to draw for, by default all. A response's seed is derived from the spec's `seeds` and pool, the
    problem and the sample index, so it does not depend on blocks, order or machine load.
    """
    sampling = _sampling(spec)
    chats = [messages(spec.prompt, problem, spec.thinking) for problem in problems["problem"]]
    prompts = [tuple(engine.encode_chat(chat)) for chat in chats]
    every = [
        (problem_id, prompt, sample)
        for problem_id, prompt in zip(problems["problem_id"], prompts, strict=True)
        for sample in samples
    ]
    places = range(len(every)) if wanted is None else wanted
    requests = [
        Request(prompt, sampling, derive(*spec.seeds, spec.pool, problem_id, sample))
        for problem_id, prompt, sample in (every[place] for place in places)
    ]
    begun = {prompt: begins(engine, prompt) for prompt in prompts}
    for number, done in drawn(stream_of(engine), requests, progress, TOGETHER):
        problem_id, prompt, sample = every[places[number]]
        text = begun[prompt] + done.text
        kept = _kept(spec.confidence, [Tokens(done.certainties, done.peaks)])
        yield places[number], (
            *(problem_id, sample, text, split_steps(text), done.prompt_tokens, done.tokens),
            *(float(sum(done.logprobs)), done.finish, *(float(kept[name][0]) for name in kept)),
        )


def _sampling(spec: SampleSpec | AskSpec) -> Sampling:
    likeliest = 0 if spec.confidence is None else spec.confidence.likeliest
    return Sampling(**spec.sampling.model_dump(), likeliest=likeliest)


def _kept(settings: TokenConfidence | None, tokens: Sequence[Tokens]) -> dict[str, np.ndarray]:
    """Columns of confidences, where they are to be kept: one number per response, NaN where the engine cannot tell."""
    if settings is None:
        return {}
    found = {}
    for name in STORED:
        make = CONFIDENCES[name].of_tokens
        assert make is not None
        found[name] = np.array([make(each, settings.group) for each in tokens], dtype=float)
    return found


def requests(
    endpoint: Endpoint, problems: pd.DataFrame, samples: Sequence[int], spec: AskSpec
) -> list[tuple[tuple[str, int], dict[str, Any]]]:
    """((problem_id, sample), request body) of every response to ask an endpoint for; seeds as in `draw`.

    The spec's `system`, where it is not None, takes the place of the family's system message.
    """
    sampling = _sampling(spec)
    jobs = []
    for problem_id, problem in zip(problems["problem_id"], problems["problem"], strict=True):
        chat = messages(spec.prompt, problem)
        if spec.system is not None:
            chat = [{"role": "system", "content": spec.system}, *(m for m in chat if m["role"] != "system")]
        for sample in samples:
            seed = derive(*spec.seeds, spec.pool, problem_id, sample)
            jobs.append(((problem_id, sample), endpoint.body(chat, sampling, seed)))
    return jobs


def asked(
    answers: Mapping[tuple[str, int], Answer],
    keys: Sequence[tuple[str, int]],
    confidence: TokenConfidence | None = None,
) -> pd.DataFrame:
    """The `responses` table of an endpoint's answers to `keys`, each (problem_id, sample).

    Counts of tokens that it did not tell are missing.
    """
    found = [answers[key] for key in keys]
    frame = pd.DataFrame(
        {
            "problem_id": [key[0] for key in keys],
            "sample": [key[1] for key in keys],
            "response": [answer.text for answer in found],
            "steps": [split_steps(answer.text) for answer in found],
            "prompt_tokens": pd.array([answer.prompt_tokens for answer in found], dtype="Int64"),
            "response_tokens": pd.array([answer.tokens for answer in found], dtype="Int64"),
            "logprob": pd.array([answer.logprob for answer in found], dtype="Float64").to_numpy(float, na_value=np.nan),
            "finish": [answer.finish for answer in found],
        }
        | _kept(confidence, [Tokens(None, answer.peaks) for answer in found])
    )
    known = [column for column in ("prompt_tokens", "response_tokens") if not frame[column].isna().any()]
    return frame.astype(dict.fromkeys(known, "int64"))

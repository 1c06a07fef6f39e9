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


def _chat(problem: str, spec: SampleSpec) -> list[dict[str, str]]:
    return messages(spec.prompt, problem, spec.thinking, spec.system, spec.examples)


def seen_by(engine: Engine, problems: pd.DataFrame, spec: SampleSpec) -> str:
    """The first problem's prompt as the model sees it, special tokens too where the engine's tokenizer is here."""
    ids = engine.encode_chat(_chat(problems["problem"].iloc[0], spec))
    tokenizer = getattr(getattr(engine, "chat", None), "tokenizer", None)
    return str(tokenizer.decode(ids, skip_special_tokens=False)) if tokenizer is not None else engine.decode(ids)


def drawing(
    engine: Engine,
    problems: pd.DataFrame,
    samples: Sequence[int],
    spec: SampleSpec,
    wanted: Sequence[int] | None = None,
    progress: Progress | None = None,
    first: int = 0,
) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """(place, row of a `responses` table) as responses end; one per problem and sample index, in this order.

    `wanted`: places to draw for, by default all; so many as `first` are begun before the others. A response's seed is
    derived from the spec's `seeds` and pool, the problem and the sample index, so it does not depend on blocks, order
    or machine load.
    """
    sampling = _sampling(spec)
    prompts = [tuple(engine.encode_chat(_chat(problem, spec))) for problem in problems["problem"]]
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
    for number, done in drawn(stream_of(engine), requests, progress, TOGETHER, first):
        problem_id, prompt, sample = every[places[number]]
        text = begun[prompt] + done.text
        kept = _kept(spec.confidence, [Tokens(done.certainties, done.peaks)])
        yield places[number], (
            *(problem_id, sample, text, split_steps(text), done.prompt_tokens, done.tokens),
            *(float(sum(done.logprobs)), done.finish, *(float(kept[name][0]) for name in kept)),
        )


def _sampling(spec: SampleSpec | AskSpec) -> Sampling:
    likeliest = 0 if spec.confidence is None else spec.confidence.likeliest
    return Sampling(**spec.sampling.model_dump(), stop=spec.stop, likeliest=likeliest)


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
    """((problem_id, sample), request body) of every response to ask an endpoint for; seeds as in `drawing`."""
    sampling = _sampling(spec)
    jobs = []
    for problem_id, problem in zip(problems["problem_id"], problems["problem"], strict=True):
        chat = messages(spec.prompt, problem, system=spec.system, examples=spec.examples)
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

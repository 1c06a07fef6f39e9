"""A policy on a running vLLM server: token ids in and out, a seed per request, log-probabilities at temperature 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttstudy.errors import StudyError
from ttstudy.models.chat import Chatting, ChatTokenizer
from ttstudy.models.checkpoint import Checkpoint, parameters
from ttstudy.models.devices import Running
from ttstudy.policies.protocol import Completion, Finish, Progress, Request, check
from ttstudy.policies.server import Server

_SEEDS = (1 << 63) - 1  # vLLM keeps seeds as signed 64-bit numbers
_PLAIN = {"min_p": 0.0, "repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
"""What a server may otherwise take from the model's generation_config.json."""


class ServedEngine(Chatting):
    """A policy whose checkpoint folder is here and whose weights a server has loaded.

    The folder gives tokenizer, template and end-of-text ids, so that prompts and ends are those of every other engine.
    Options: see `ttstudy.kinds.engines.served`.
    """

    def __init__(
        self,
        path: str | Path,
        name: str | None = None,
        *,
        dtype: str = "float32",
        max_model_len: int | None = None,
        **options: Any,
    ) -> None:
        """Find the server; StudyError in one sentence where none answers, or it has another model or context."""
        self.path = Path(path)
        self.name = name or self.path.name
        checkpoint = Checkpoint(self.path, pickles=False)
        self.chat = ChatTokenizer(self.path)
        self.parameters = parameters(self.path)
        self.vocabulary = int(checkpoint.config["vocab_size"])
        self.eos = self.chat.ends(checkpoint.eos)
        self.server = Server(**options)
        self.context = max_model_len or self.server.context
        if self.context > self.server.context:
            raise StudyError(
                f"served.max_model_len: the server at {self.server.url} has a context of {self.server.context} tokens, "
                f"not {self.context}; lower it, or start the server with `--max-model-len {self.context}`"
            )
        self.running = Running(self.server.words, "elsewhere", dtype)

    def generate(self, requests: Sequence[Request], progress: Progress | None = None) -> list[Completion]:
        """Draw one completion per request, in their order; see `NativeEngine.generate`."""
        check(requests, self.vocabulary)
        rooms = [self.context - len(request.prompt) for request in requests]
        asked = [(request, room) for request, room in zip(requests, rooms, strict=True) if room > 0]
        finished, tokens = len(requests) - len(asked), 0

        def read(number: int, answer: Any) -> Completion:
            nonlocal finished, tokens
            completion = self._completion(asked[number][0], answer)
            finished, tokens = finished + 1, tokens + completion.tokens
            if progress is not None:
                progress(finished, tokens)
            return completion

        completions = iter(self.server.ask("/v1/completions", [self._body(*each) for each in asked], read))
        return [
            next(completions) if room > 0 else _full(request) for request, room in zip(requests, rooms, strict=True)
        ]

    def _body(self, request: Request, room: int) -> dict[str, Any]:
        sampling = request.sampling
        body = {
            "prompt": list(request.prompt),
            "max_tokens": min(sampling.max_tokens, room),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "stop": list(sampling.stop),
            "ignore_eos": True,
            "stop_token_ids": list(self.eos),  # so that an end of text is told from a stop text
            "logprobs": min(sampling.likeliest, self.vocabulary),
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,
        }
        seeds = {"seed": request.seed & _SEEDS} if sampling.temperature > 0 else {}
        return body | seeds | _PLAIN

    def _completion(self, request: Request, answer: Any) -> Completion:
        choice = answer["choices"][0]
        ids, told = tuple(map(int, choice["token_ids"])), choice["logprobs"]
        logprobs = tuple(map(float, told["token_logprobs"]))
        if len(logprobs) != len(ids):
            raise ValueError("another number of log-probabilities than of tokens")
        finish: Finish
        if choice["finish_reason"] == "stop":
            finish = "stop" if isinstance(choice["stop_reason"], str) else "eos"
        elif choice["finish_reason"] == "length":
            finish = "length" if len(ids) >= request.sampling.max_tokens else "context"
        else:
            raise StudyError(f"served: the server ended a request with {choice['finish_reason']!r}")
        count = request.sampling.likeliest
        likeliest = [sorted(each.values(), reverse=True)[:count] for each in told["top_logprobs"]] if count else []
        return Completion(
            ids=ids,
            text=self.chat.decode(ids[:-1] if finish == "eos" else ids),
            logprobs=logprobs,
            finish=finish,
            prompt_tokens=len(request.prompt),
            peaks=tuple(-sum(each) / len(each) for each in likeliest) if count else None,
        )

    def forget(self) -> None:
        """Nothing is kept between calls, and the server's cache is not this job's."""

    def close(self) -> None:
        """Nothing is kept open."""


def _full(request: Request) -> Completion:
    return Completion((), "", (), "context", len(request.prompt), peaks=())

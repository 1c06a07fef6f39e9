"""The CPU engine on ordinary Hugging Face checkpoints: batched, KV-cached, reproducible bit for bit."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ttstudy.models.architecture import Architecture, UnsupportedArchitectureError
from ttstudy.models.chat import Chatting, ChatTokenizer
from ttstudy.models.checkpoint import Checkpoint
from ttstudy.models.devices import Running, named
from ttstudy.models.network import Network, dtype_of
from ttstudy.policies.batch import TOLD, Batch
from ttstudy.policies.protocol import Completion, Finish, Progress, Request, check
from ttstudy.policies.stopping import Pieces, StopTexts
from ttstudy.policies.stream import AHEAD, Stream, draw_all

log = logging.getLogger(__name__)

_GIB = 1 << 30
_ONE_THREAD = 20_000_000
# Models of fewer parameters run on one thread: more only wait for each other, and how three or more threads
# share out products of some dozen columns changes their rounding.

_MOST_SLOTS, _SLOTS = 512, ((300_000_000, 16), (_ONE_THREAD, 32))
# What a slow model has in flight is lost when it is killed, and more rows make it little faster: laptop.md.


class NativeEngine(Chatting):
    """A policy loaded from a checkpoint folder (config.json, safetensors, tokenizer.json, chat template).

    Llama, Mistral, Qwen2 and Qwen3 run on our own batched forward pass; any other architecture runs one
    request at a time on transformers' own model. On a CPU, tokens and log-probabilities of a request are the
    same bits whatever else is in the batch, in whatever order, with any `slots` and any number of threads.

    `slots`: rows decoded together, by default as many as the model's size has use for; `dtype`: "float32",
    "bfloat16" or "float16"; `prefill_tokens`: prompt tokens, padding included, run at once; `cache_bytes`: bound on
    keys and values, which lowers `slots` where needed (16 at least); `context`: a smaller context than the model's own.
    """

    def __init__(
        self,
        path: str | Path,
        name: str | None = None,
        *,
        slots: int | None = None,
        dtype: str = "float32",
        device: str = "cpu",
        prefill_tokens: int = 8192,
        cache_bytes: int = _GIB,
        context: int | None = None,
    ) -> None:
        """Load the checkpoint; errors name the folder and what to do."""
        numbers = dtype_of(dtype)
        if (slots is not None and slots < 1) or prefill_tokens < 1:
            raise ValueError("slots and prefill_tokens must be at least 1.")
        self.path = Path(path)
        self.name = name or self.path.name
        self.prefill_tokens = prefill_tokens
        self.cache_bytes = cache_bytes
        checkpoint = Checkpoint(self.path, pickles=False)
        self.chat = ChatTokenizer(self.path)
        self.pieces = Pieces(self.chat)
        self.network: Network | None = None
        self._model: Any = None
        try:
            shape = Architecture.of(checkpoint.config, windows=False)
            with torch.inference_mode():
                self.network = Network(shape, checkpoint.weights(shape, head=True), numbers, torch.device(device))
            self.parameters, self.vocabulary, longest = self.network.parameters, shape.vocabulary, shape.context
        except UnsupportedArchitectureError as reason:
            from ttstudy.policies.hf import TransformersModel

            log.warning(
                "%s: %s is beyond the batched engine; it runs on transformers, one request at a time.",
                self.name,
                reason,
            )
            self._model = TransformersModel(self.path, checkpoint.config, numbers, device)
            self.parameters, self.vocabulary = self._model.parameters, self._model.vocabulary
            longest = self._model.context
        checkpoint.close()
        fewer = (count for least, count in _SLOTS if device == "cpu" and self.parameters >= least)
        self.slots = slots or next(fewer, _MOST_SLOTS)
        self.eos = self.chat.ends(checkpoint.eos)
        self.context = min(longest, context or longest)
        self.running = Running("transformers", named(device), dtype)

    def forget(self) -> None:
        """Nothing is kept between calls."""

    def generate(self, requests: Sequence[Request], progress: Progress | None = None) -> list[Completion]:
        """Draw one completion per request, in their order.

        ValueError for an empty prompt, an id outside the vocabulary or a setting out of its range. A prompt
        that fills the context gets a completion without tokens, finish "context". Text may run past a stop
        text by the rest of the token that completed it.
        """
        check(requests, self.vocabulary)
        return draw_all(self.stream(), requests, progress)

    def stream(self) -> Stream:
        """Requests in flight on this engine, which others may join; see `ttstudy.policies.stream`."""
        return NativeStream(self)

    def draw_alone(self, stream: NativeStream, number: int) -> None:
        """Draw one request of a stream to its end, where the model has no slots."""
        self._model.draw(stream, number)


class NativeStream:
    """Requests in flight on a `NativeEngine`; see `ttstudy.policies.stream.Stream`."""

    def __init__(self, engine: NativeEngine) -> None:
        """Start with none."""
        self.engine = engine
        self.requests: dict[int, Request] = {}
        """Those in flight, by number."""
        self.tokens = 0
        self._ended: list[tuple[int, Completion]] = []
        self._stops: dict[tuple[str, ...], StopTexts] = {}
        self._batch = None if engine.network is None else Batch(engine, engine.network, self)
        self.places = 1 if self._batch is None else engine.slots
        # A step costs by its rows, and a prompt is read anew by every request: whole rounds are the cheapest.
        self.ahead, self.slack = AHEAD * engine.slots, 1.0

    def submit(self, jobs: Sequence[tuple[int, Request]], lane: int = 0) -> None:
        """See `Stream.submit`."""
        for number, request in jobs:
            self.requests[number] = request
            if len(request.prompt) >= self.engine.context:
                self.finish(number, [], np.zeros((0, TOLD)), "context")
            elif self._batch is not None:
                self._batch.queue(number, request)

    @torch.inference_mode()
    def poll(self) -> list[tuple[int, Completion]]:
        """See `Stream.poll`: one token further in every slot, or one whole request where there are no slots."""
        if self.requests:
            threads = torch.get_num_threads()
            if one := self.engine.parameters < _ONE_THREAD and threads > 1:
                torch.set_num_threads(1)
            try:
                if self._batch is not None:
                    self._batch.step()
                else:
                    self.engine.draw_alone(self, next(iter(self.requests)))
            finally:
                if one:
                    torch.set_num_threads(threads)
        ended, self._ended = self._ended, []
        return ended

    def limit(self, request: Request) -> tuple[int, Finish]:
        """Most tokens a request may draw, and what its end is called if it draws them all."""
        room = self.engine.context - len(request.prompt)
        wanted = request.sampling.max_tokens
        return (wanted, "length") if wanted <= room else (room, "context")

    def stops(self, texts: tuple[str, ...]) -> StopTexts:
        """The checker of a set of stop texts, shared by the requests that have it."""
        if texts not in self._stops:
            engine = self.engine
            self._stops[texts] = StopTexts(texts, engine.pieces, engine.chat, engine.vocabulary)
        return self._stops[texts]

    def finish(self, number: int, ids: list[int], told: np.ndarray, finish: Finish) -> None:
        """Note a finished completion; `told` is [tokens, `TOLD`]."""
        request = self.requests.pop(number)
        shown = ids[:-1] if finish == "eos" else ids
        logprobs, certainties, peaks = (tuple(column) for column in told.T.tolist())
        sure = request.sampling.likeliest > 0
        completion = Completion(
            ids=tuple(ids),
            text=self.engine.chat.decode(shown) if shown else "",
            logprobs=logprobs,
            finish=finish,
            prompt_tokens=len(request.prompt),
            certainties=certainties if sure else None,
            peaks=peaks if sure else None,
        )
        self._ended.append((number, completion))

"""The CPU engine on ordinary Hugging Face checkpoints: batched, KV-cached, reproducible bit for bit."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ttstudy.models.architecture import Architecture, UnsupportedArchitectureError
from ttstudy.models.chat import Chatting, ChatTokenizer
from ttstudy.models.checkpoint import Checkpoint
from ttstudy.models.devices import Running, named
from ttstudy.models.network import ROWS, Cache, Network, dtype_of, pad
from ttstudy.policies.protocol import Completion, Finish, Progress, Request, check
from ttstudy.policies.sampler import choose, sureness, uniforms
from ttstudy.policies.stopping import Pieces, StopTexts

log = logging.getLogger(__name__)

_GIB = 1 << 30
_SPAN = 128  # rows that share an attention length
TOLD = 3  # numbers per token: log-probability, and where they are asked for certainty and peak
_ONE_THREAD = 20_000_000
# Models of fewer parameters run on one thread: more only wait for each other, and how three or more threads
# share out products of some dozen columns changes their rounding.


class NativeEngine(Chatting):
    """A policy loaded from a checkpoint folder (config.json, safetensors, tokenizer.json, chat template).

    Llama, Mistral, Qwen2 and Qwen3 run on our own batched forward pass; any other architecture runs one
    request at a time on transformers' own model. On a CPU, tokens and log-probabilities of a request are the
    same bits whatever else is in the batch, in whatever order, with any `slots` and any number of threads.

    `slots`: rows decoded together; `dtype`: "float32", "bfloat16" or "float16"; `prefill_tokens`: prompt
    tokens, padding included, run at once; `cache_bytes`: bound on keys and values, which lowers `slots` where
    needed (16 at least); `context`: a smaller context than the model's own.
    """

    def __init__(
        self,
        path: str | Path,
        name: str | None = None,
        *,
        slots: int = 512,
        dtype: str = "float32",
        device: str = "cpu",
        prefill_tokens: int = 8192,
        cache_bytes: int = _GIB,
        context: int | None = None,
    ) -> None:
        """Load the checkpoint; errors name the folder and what to do."""
        numbers = dtype_of(dtype)
        if slots < 1 or prefill_tokens < 1:
            raise ValueError("slots and prefill_tokens must be at least 1.")
        self.path = Path(path)
        self.name = name or self.path.name
        self.slots = slots
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
        self.eos = self.chat.ends(checkpoint.eos)
        self.context = min(longest, context or longest)
        self.running = Running("transformers", named(device), dtype)

    def forget(self) -> None:
        """Nothing is kept between calls."""

    @torch.inference_mode()
    def generate(self, requests: Sequence[Request], progress: Progress | None = None) -> list[Completion]:
        """Draw one completion per request, in their order.

        ValueError for an empty prompt, an id outside the vocabulary or a setting out of its range. A prompt
        that fills the context gets a completion without tokens, finish "context". Text may run past a stop
        text by the rest of the token that completed it.
        """
        check(requests, self.vocabulary)
        run = _Run(self, requests, progress)
        threads = torch.get_num_threads()
        if self.parameters < _ONE_THREAD:
            torch.set_num_threads(1)
        try:
            if self.network is None:
                self._model.generate(run)
            else:
                _Batch(self, self.network, run).work()
        finally:
            torch.set_num_threads(threads)
        run.report(final=True)
        return run.completions()


class _Run:
    """One call of `generate`: its requests, what has been finished, and who is told."""

    def __init__(
        self, engine: NativeEngine, requests: Sequence[Request], progress: Progress | None
    ) -> None:
        self.engine = engine
        self.requests = requests
        self._progress = progress
        self._reported = time.monotonic()
        self._done: list[Completion | None] = [None] * len(requests)
        self.finished = 0
        self.tokens = 0
        self._stops: dict[tuple[str, ...], StopTexts] = {}
        for number, request in enumerate(requests):
            if len(request.prompt) >= engine.context:
                self.finish(number, [], np.zeros((0, TOLD)), "context")

    def waiting(self) -> list[int]:
        """Numbers of the requests that still need tokens."""
        return [number for number, done in enumerate(self._done) if done is None]

    def limit(self, number: int) -> tuple[int, Finish]:
        """Most tokens a request may draw, and what its end is called if it draws them all."""
        request = self.requests[number]
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
        shown = ids[:-1] if finish == "eos" else ids
        logprobs, certainties, peaks = (tuple(column) for column in told.T.tolist())
        sure = self.requests[number].sampling.likeliest > 0
        self._done[number] = Completion(
            ids=tuple(ids),
            text=self.engine.chat.decode(shown) if shown else "",
            logprobs=logprobs,
            finish=finish,
            prompt_tokens=len(self.requests[number].prompt),
            certainties=certainties if sure else None,
            peaks=peaks if sure else None,
        )
        self.finished += 1

    def report(self, final: bool = False) -> None:
        """Tell the progress callback, ten times a second at most."""
        now = time.monotonic()
        if self._progress is not None and (final or now - self._reported >= 0.1):
            self._reported = now
            self._progress(self.finished, self.tokens)

    def completions(self) -> list[Completion]:
        """All completions, in the order of the requests."""
        return [done for done in self._done if done is not None]


class _Batch:
    """Slots that decode together and refill; the state of slot i is entry i of every array."""

    def __init__(self, engine: NativeEngine, network: Network, run: _Run) -> None:
        self.engine, self.network, self.run = engine, network, run
        waiting = run.waiting()
        groups: dict[tuple[int, ...], list[int]] = {}
        for number in waiting:
            groups.setdefault(run.requests[number].prompt, []).append(number)
        # Like lengths together waste no padding, and the longest first shrinks the attention as we go.
        self._groups = sorted(groups.items(), key=lambda item: -len(item[0]))
        self._next_group = 0
        self._ready: list[tuple[int, int]] = []  # (request, row of the prefilled prompts), in reverse
        self._prompts: Cache | None = None
        self._prompt_logits = torch.empty(0)

        self._worst = pad(
            max((len(run.requests[i].prompt) + run.limit(i)[0] for i in waiting), default=1),
            network.length_step,
        )
        affordable = engine.cache_bytes // (self._worst * network.bytes_per_token)
        self.size = pad(max(1, min(engine.slots, len(waiting), max(affordable // ROWS * ROWS, ROWS))))
        self.top = 0  # rows 0..top-1 compute; a multiple of 16
        self.busy = 0  # rows that hold a request
        self.cache: Cache | None = None
        size = self.size
        self.request = np.full(size, -1, np.int64)  # -1: free
        self.position = np.zeros(size, np.int64)  # where the last token goes in the cache
        self.token = np.zeros(size, np.int64)
        self.count = np.zeros(size, np.int64)
        self.limit = np.ones(size, np.int64)
        self.seed = np.zeros(size, np.uint64)
        self.temperature = np.ones(size)
        self.top_k = np.zeros(size, np.int64)
        self.top_p = np.ones(size)
        self.stop = np.full(size, -1, np.int64)
        self.likeliest = np.zeros(size, np.int64)
        self.ids = np.zeros((size, 64), np.int64)
        self.told = np.zeros((size, 64, TOLD), np.float32)
        self._state = (
            *(self.request, self.position, self.token, self.count, self.limit, self.seed),
            *(self.temperature, self.top_k, self.top_p, self.stop, self.likeliest),
        )
        self._stops: list[StopTexts] = []
        self._eos = np.zeros(engine.vocabulary, bool)
        self._eos[[token for token in engine.eos if token < engine.vocabulary]] = True

    def work(self) -> None:
        """Draw everything."""
        while True:
            self._admit()
            if self.top == 0:
                return
            self._step()
            self.run.report()

    @property
    def _pending(self) -> bool:
        return bool(self._ready) or self._next_group < len(self._groups)

    def _admit(self) -> None:
        """Put waiting requests into free slots, many at a time; with none waiting, shrink the batch."""
        while self._pending:
            free = self.size - self.busy
            # A refill costs some dozen small operations: wait until it is worth them.
            if free < max(1, self.size // 8):
                return
            self._close_gaps()
            if not self._ready:
                self._prefill()
            self._fill(np.arange(self.busy, self.busy + min(free, len(self._ready))))
        if pad(self.busy) <= self.top * 7 // 8:
            self._close_gaps()

    def _prefill(self) -> None:
        """Run the next prompts, of like length, within the token budget."""
        network, engine = self.network, self.engine
        longest = len(self._groups[self._next_group][0])
        length = pad(longest, network.length_step)
        budget = min(engine.prefill_tokens, engine.cache_bytes // 4 // network.bytes_per_token)
        count = max(ROWS, budget // length // ROWS * ROWS)
        chunk = self._groups[self._next_group : self._next_group + count]
        self._next_group += len(chunk)
        rows = pad(len(chunk))
        ids = np.zeros((rows, length), np.int64)
        lengths = np.ones(rows, np.int64)
        for row, (prompt, _) in enumerate(chunk):
            ids[row, : len(prompt)] = prompt
            lengths[row] = len(prompt)
        self._prompts, self._prompt_logits = network.prefill(self._tensor(ids), self._tensor(lengths))
        self._ready = [(number, row) for row, (_, numbers) in enumerate(chunk) for number in numbers][::-1]

    def _fill(self, slots: np.ndarray) -> None:
        """Start one ready request in each of `slots`: fork its prompt's cache and draw its first token."""
        taken = [self._ready.pop() for _ in range(slots.size)]
        sources = np.array([row for _, row in taken])
        assert self._prompts is not None
        self._reserve(self._prompts.length)
        assert self.cache is not None
        source_rows = self._tensor(sources)
        self.cache.fork(self._tensor(slots), self._prompts, source_rows)
        for slot, (number, _) in zip(slots.tolist(), taken, strict=True):
            request = self.run.requests[number]
            sampling = request.sampling
            self.request[slot] = number
            self.position[slot] = len(request.prompt)
            self.limit[slot] = self.run.limit(number)[0]
            self.seed[slot] = request.seed & 0xFFFFFFFFFFFFFFFF
            self.temperature[slot], self.top_k[slot] = sampling.temperature, sampling.top_k
            self.top_p[slot], self.likeliest[slot] = sampling.top_p, sampling.likeliest
            self.stop[slot] = self._stop_index(sampling.stop)
        self.count[slots] = 0
        self.busy += slots.size
        self.top = pad(self.busy)
        self._draw(self._prompt_logits.index_select(0, source_rows), slots)

    def _step(self) -> None:
        """One token further in every slot."""
        top = self.top
        spans = []
        for start in range(0, top, _SPAN):
            stop = min(top, start + _SPAN)
            length = pad(int(self.position[start:stop].max()) + 1, self.network.length_step)
            spans.append((start, stop, length))
        self._reserve(max(length for _, _, length in spans))
        assert self.cache is not None
        logits = self.network.decode(
            self.cache, self._tensor(self.token[:top]), self._tensor(self.position[:top]), spans
        )
        self.position[:top] += 1
        self._draw(logits, np.arange(top))

    def _draw(self, logits: torch.Tensor, slots: np.ndarray) -> None:
        """Draw a token from each row of `logits` for the slot beside it, and end those that are through."""
        chosen, logprobs = choose(
            logits,
            uniforms(self.seed[slots], self.count[slots]),
            self.temperature[slots],
            self.top_k[slots],
            self.top_p[slots],
        )
        told = [logprobs, *(sureness(logits, self.likeliest[slots]) if self.likeliest[slots].any() else ())]
        tokens, values = chosen.cpu().numpy(), torch.stack(told, -1).cpu().numpy()
        alive = self.request[slots] >= 0
        if not alive.all():
            slots, tokens, values = slots[alive], tokens[alive], values[alive]
        count = self.count[slots]
        if count.size and int(count.max()) >= self.ids.shape[1]:
            self.ids = np.pad(self.ids, ((0, 0), (0, self.ids.shape[1])))
            self.told = np.pad(self.told, ((0, 0), (0, self.told.shape[1]), (0, 0)))
        self.ids[slots, count] = tokens
        self.told[slots, count, : len(told)] = values
        self.token[slots] = tokens
        self.count[slots] = count = count + 1
        self.run.tokens += slots.size
        eos = self._eos[tokens]
        through = eos | (count >= self.limit[slots])
        stop = self.stop[slots]
        for index, texts in enumerate(self._stops):
            through |= (stop == index) & texts.may_end(tokens)
        for at in np.flatnonzero(through).tolist():
            self._end(int(slots[at]), bool(eos[at]))

    def _end(self, slot: int, eos: bool) -> None:
        """Finish the request of a slot and free it, unless it only looked like a stop text."""
        number, count = int(self.request[slot]), int(self.count[slot])
        ids = self.ids[slot, :count].tolist()
        finish: Finish
        if eos:
            finish = "eos"
        elif self.stop[slot] >= 0 and self._stops[self.stop[slot]].ended(ids):
            finish = "stop"
        elif count >= self.limit[slot]:
            finish = self.run.limit(number)[1]
        else:
            return
        self.run.finish(number, ids, self.told[slot, :count], finish)
        self.busy -= 1
        self.request[slot] = -1
        self.position[slot] = self.token[slot] = 0
        self.temperature[slot], self.top_k[slot], self.top_p[slot], self.likeliest[slot] = 1.0, 0, 1.0, 0

    def _close_gaps(self) -> None:
        """Move the busy rows to the front, oldest first, so that the rows of a span are of like age."""
        busy = np.flatnonzero(self.request >= 0)
        first = int(np.count_nonzero(busy == np.arange(busy.size)))
        movers = busy[first:]
        if movers.size:
            assert self.cache is not None
            length = int(self.position[movers].max()) + 1
            self.cache.close_gaps(self._tensor(movers), first, min(length, self.cache.length))
            for state in self._state:
                state[first : busy.size] = state[movers]
            self.ids[first : busy.size] = self.ids[movers]
            self.told[first : busy.size] = self.told[movers]
            self.request[busy.size :] = -1
            self.position[busy.size :] = self.token[busy.size :] = 0
        self.top = pad(busy.size)

    def _reserve(self, length: int) -> None:
        """Make the cache hold `length` tokens in each row, with some to spare."""
        if self.cache is None:
            self.cache = self.network.new_cache(self.size, min(pad(length + 48), max(length, self._worst)))
        elif self.cache.length < length:
            self.cache.grow(max(length, min(self._worst, pad(length * 3 // 2))))

    def _stop_index(self, texts: tuple[str, ...]) -> int:
        if not texts:
            return -1
        stops = self.run.stops(texts)
        if stops not in self._stops:
            self._stops.append(stops)
        return self._stops.index(stops)

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.network.device)

"""Slots of the CPU engine: rows of one cache that decode together, emptied and filled again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ttstudy.models.network import ROWS, Cache, Network, pad
from ttstudy.policies.protocol import Finish, Request
from ttstudy.policies.sampler import choose, sureness, uniforms
from ttstudy.policies.stopping import StopTexts

if TYPE_CHECKING:
    from ttstudy.policies.native import NativeEngine, NativeStream

TOLD = 3
"""Numbers per token: log-probability, and where they are asked for certainty and peak."""
_SPAN = 128  # rows that share an attention length
_FREE = {
    **{"request": -1, "position": 0, "token": 0, "count": 0, "limit": 1, "longest": 0, "seed": 0},
    **{"temperature": 1, "top_k": 0, "top_p": 1, "stop": -1, "likeliest": 0, "ids": 0, "told": 0},
}
"""The arrays of a batch, and what stands in them for a free slot."""
_CLEARED = ("request", "position", "token", "temperature", "top_k", "top_p", "likeliest")
"""Those of them that are read of free slots, too."""


class Batch:
    """Slots that decode together and refill; the state of slot i is entry i of every array."""

    def __init__(self, engine: NativeEngine, network: Network, stream: NativeStream) -> None:
        """Start with no slot; there are as many as are wanted."""
        self.engine, self.network, self.stream = engine, network, stream
        self._waiting: dict[tuple[int, ...], list[int]] = {}  # by prompt
        self._groups: list[tuple[tuple[int, ...], list[int]]] = []  # those prompts, the longest last
        self._unfilled = 0  # requests that wait, those of prefilled prompts included
        self._longest_waiting = 0  # tokens that one of them may come to hold
        self._worst = 0  # the same, of those that run, too
        self._ready: list[tuple[int, int]] = []  # (request, row of the prefilled prompts), in reverse
        self._prompts: Cache | None = None
        self._prompt_logits = torch.empty(0)

        self.size = 0  # rows that there are
        self.top = 0  # rows 0..top-1 compute; a multiple of 16
        self.busy = 0  # rows that hold a request
        self.cache: Cache | None = None
        self.request = np.full(0, -1, np.int64)  # -1: free
        self.position = np.zeros(0, np.int64)  # where the last token goes in the cache
        self.token = np.zeros(0, np.int64)
        self.count = np.zeros(0, np.int64)
        self.limit = np.ones(0, np.int64)
        self.longest = np.zeros(0, np.int64)  # tokens, prompt and completion, that a row may come to hold
        self.seed = np.zeros(0, np.uint64)
        self.temperature = np.ones(0)
        self.top_k = np.zeros(0, np.int64)
        self.top_p = np.ones(0)
        self.stop = np.full(0, -1, np.int64)
        self.likeliest = np.zeros(0, np.int64)
        self.ids = np.zeros((0, 64), np.int64)
        self.told = np.zeros((0, 64, TOLD), np.float32)
        self._stops: list[StopTexts] = []
        self._eos = np.zeros(engine.vocabulary, bool)
        self._eos[[token for token in engine.eos if token < engine.vocabulary]] = True

    def queue(self, number: int, request: Request) -> None:
        """Have a request wait for a slot."""
        if self._groups:  # they are sorted anew when the next slot is filled
            self._waiting, self._groups = dict(self._groups), []
        self._waiting.setdefault(request.prompt, []).append(number)
        self._unfilled += 1
        self._longest_waiting = max(self._longest_waiting, len(request.prompt) + self.stream.limit(request)[0])

    def step(self) -> None:
        """Fill free slots, then draw one token in every slot."""
        self._admit()
        if self.top:
            self._step()

    def _admit(self) -> None:
        """Put waiting requests into free slots, many at a time; with none waiting, shrink the batch."""
        if self._waiting:
            # Like lengths together waste no padding, and the longest first shrinks the attention as we go.
            self._groups, self._waiting = sorted(self._waiting.items(), key=lambda item: len(item[0])), {}
        while self._unfilled:
            places = self._places()
            free = places - self.busy
            # A refill costs some dozen small operations: wait until it is worth them, or the last.
            if free < min(self._unfilled, max(1, min(places, self.size) // 8)):
                return
            self._close_gaps()
            if places != self.size:
                self._resize(places)
            if not self._ready:
                self._prefill()
            self._fill(np.arange(self.busy, self.busy + min(free, len(self._ready))))
        if pad(self.busy) <= self.top * 7 // 8:
            self._close_gaps()

    def _places(self) -> int:
        """Rows that there may be while what waits is run, and no more than are wanted: a multiple of 16."""
        engine, network = self.engine, self.network
        running = int(self.longest[self.request >= 0].max(initial=0))
        self._worst = pad(max(self._longest_waiting, running), network.length_step)
        affordable = engine.cache_bytes // (self._worst * network.bytes_per_token) // ROWS * ROWS
        most, wanted = pad(min(engine.slots, max(affordable, ROWS))), pad(self.busy + self._unfilled)
        return min(most, self.size if wanted <= self.size else max(wanted, 2 * self.size))

    def _resize(self, size: int) -> None:
        """As many rows as `size`; those beyond it are free."""

        def sized(state: np.ndarray, fill: float) -> np.ndarray:
            new = np.full((size, *state.shape[1:]), fill, state.dtype)
            new[: len(state)] = state[:size]
            return new

        for name, free in _FREE.items():
            setattr(self, name, sized(getattr(self, name), free))
        if self.cache is not None:
            self.cache.resize(size)
        self.size = size

    def _prefill(self) -> None:
        """Run the next prompts, of like length, within the token budget."""
        network, engine = self.network, self.engine
        length = pad(len(self._groups[-1][0]), network.length_step)
        budget = min(engine.prefill_tokens, engine.cache_bytes // 4 // network.bytes_per_token)
        count = max(ROWS, budget // length // ROWS * ROWS)
        chunk = self._groups[: -count - 1 : -1]
        del self._groups[-count:]
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
            request = self.stream.requests[number]
            sampling = request.sampling
            self.request[slot] = number
            self.position[slot] = len(request.prompt)
            self.limit[slot] = self.stream.limit(request)[0]
            self.longest[slot] = len(request.prompt) + self.limit[slot]
            self.seed[slot] = request.seed & 0xFFFFFFFFFFFFFFFF
            self.temperature[slot], self.top_k[slot] = sampling.temperature, sampling.top_k
            self.top_p[slot], self.likeliest[slot] = sampling.top_p, sampling.likeliest
            self.stop[slot] = self._stop_index(sampling.stop)
        self.count[slots] = 0
        self.busy += slots.size
        self._unfilled -= slots.size
        if not self._unfilled:
            self._longest_waiting = 0
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
        self.stream.tokens += slots.size
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
            finish = self.stream.limit(self.stream.requests[number])[1]
        else:
            return
        self.stream.finish(number, ids, self.told[slot, :count], finish)
        self.busy -= 1
        for name in _CLEARED:
            getattr(self, name)[slot] = _FREE[name]

    def _close_gaps(self) -> None:
        """Move the busy rows to the front, oldest first, so that the rows of a span are of like age."""
        busy = np.flatnonzero(self.request >= 0)
        first = int(np.count_nonzero(busy == np.arange(busy.size)))
        movers = busy[first:]
        if movers.size:
            assert self.cache is not None
            length = int(self.position[movers].max()) + 1
            self.cache.close_gaps(self._tensor(movers), first, min(length, self.cache.length))
            for name in _FREE:
                state = getattr(self, name)
                state[first : busy.size] = state[movers]
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
        stops = self.stream.stops(texts)
        if stops not in self._stops:
            self._stops.append(stops)
        return self._stops.index(stops)

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.network.device)

"""Sequences as tensors of one forward pass: tokens in rows without padding, attention in grids of like size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from ttstudy.models.network import pad

QUERIES = 8
"""Queries of a grid are padded to a multiple of this."""
_SAVED = 2**13
"""Attention weights of a head that a further grid must save to be worth its calls."""


@dataclass(frozen=True, slots=True)
class Segment:
    """New tokens of a sequence that continues known states.

    `wanted`: indices into `ids` of the tokens whose hidden states are asked for. `known`: slots of all the tokens
    before them, which may be new in this call, too. `slots`: where the states of the new tokens go.
    """

    ids: Sequence[int]
    wanted: Sequence[int]
    slots: np.ndarray
    known: Sequence[int] | np.ndarray = ()


@dataclass(frozen=True, slots=True)
class Grid:
    """Queries of some sequences side by side, and the keys they may meet.

    `at` [sequences * queries] rows, `keys_at` [sequences * keys] slots, `masked` [sequences, queries, keys] what the
    queries do not see.
    """

    at: Tensor
    keys_at: Tensor
    masked: Tensor


@dataclass(frozen=True, slots=True)
class Grids:
    """All queries of a pass. `back` [rows]: where each row's query is in the grids, one after the other.

    `count` rows are not padding.
    """

    parts: list[Grid]
    back: Tensor
    count: int


@dataclass(frozen=True, slots=True)
class Packed:
    """Tensors of one forward pass: per row its id (`rows`) and position, the rest as in `Segment`."""

    rows: Tensor
    positions: Tensor
    slots: Tensor
    wanted: Tensor
    width: int
    every: Grids
    asked: Grids | None


@dataclass(frozen=True, slots=True)
class _Queries:
    """Queries of a segment: their rows `[start, stop)` among all, and slots of the keys they may meet."""

    start: int
    stop: int
    keys: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Queries and keys, with their padding."""
        return pad(self.stop - self.start, QUERIES), pad(len(self.keys))


def pack(segments: Sequence[Segment], window: int | None, device: torch.device) -> Packed:
    """Index tensors of a batch."""
    lengths = [len(segment.ids) for segment in segments]
    ends = np.cumsum(lengths)
    rows, positions = np.zeros((2, pad(ends[-1])), dtype=np.int64)
    slots = np.concatenate([segment.slots for segment in segments])
    keys: list[np.ndarray] = []
    for segment, length, end in zip(segments, lengths, ends, strict=True):
        rows[end - length : end] = segment.ids
        positions[end - length : end] = np.arange(len(segment.known), len(segment.known) + length)
        new = slots[end - length : end]
        keys.append(np.concatenate([segment.known, new]).astype(np.int64) if len(segment.known) else new)
    counts = [len(segment.wanted) for segment in segments]
    wanted = np.zeros(pad(sum(counts)), dtype=np.int64)
    wanted[: sum(counts)] = np.concatenate(
        [np.asarray(s.wanted, dtype=np.int64) + end - n for s, end, n in zip(segments, ends, lengths, strict=True)]
    )

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device)

    def grid(side: Sequence[_Queries], where: np.ndarray) -> tuple[Grid, np.ndarray]:
        """Some side by side, padded to the largest; and where the queries of each are. Padding reads row 0."""
        queries, width = (max(sizes) for sizes in zip(*(each.size for each in side), strict=True))
        at, keys_at = np.zeros((len(side), queries), np.int64), np.full((len(side), width), slots[0])
        at_position = np.zeros((len(side), queries, 1), np.int64)
        places = []
        for number, each in enumerate(side):
            count = each.stop - each.start
            at[number, :count] = np.arange(each.start, each.stop)
            at_position[number, :count, 0] = where[each.start : each.stop]
            keys_at[number, : len(each.keys)] = each.keys
            places.append(np.arange(count) + number * queries)
        distance = at_position - np.arange(width)
        masked = distance < 0 if window is None else (distance < 0) | (distance >= window)
        return Grid(tensor(at.ravel()), tensor(keys_at.ravel()), tensor(masked)), np.concatenate(places)

    def grids(counts: Sequence[int], where: np.ndarray) -> Grids:
        """All queries: `counts` of each segment, at positions `where` of their sequences."""
        spans = zip(accumulate(counts, initial=0), accumulate(counts), keys, strict=False)
        queries = [_Queries(start, stop, seen[: where[stop - 1] + 1]) for start, stop, seen in spans if start < stop]
        parts, back, begun = [], np.zeros(len(where), dtype=np.int64), 0
        for side in _alike(queries):
            part, places = grid(side, where)
            back[np.concatenate([np.arange(each.start, each.stop) for each in side])] = begun + places
            begun += len(part.at)
            parts.append(part)
        return Grids(parts, tensor(back), sum(counts))

    return Packed(
        rows=tensor(rows),
        positions=tensor(positions),
        slots=tensor(slots),
        wanted=tensor(wanted),
        width=pad(max(map(len, keys))),
        every=grids(lengths, positions),
        asked=grids(counts, positions[wanted]) if sum(counts) else None,
    )


def _alike(queries: list[_Queries]) -> Iterator[list[_Queries]]:
    """Queries in groups of like size: a group ends where going on would cost more than a grid of its own."""
    queries.sort(key=lambda each: each.size)
    group: list[_Queries] = []
    height = width = 0
    for each in queries:
        own = each.size
        higher, wider = max(height, own[0]), max(width, own[1])
        wasted = len(group) * (higher * wider - height * width) + higher * wider - own[0] * own[1]
        if group and wasted > _SAVED:
            yield group
            group, (higher, wider) = [], own
        group.append(each)
        height, width = higher, wider
    if group:
        yield group

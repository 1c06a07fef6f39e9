"""Keys and values of token prefixes that search comes back to, in a bounded pool."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_ID = np.dtype(np.int32)
_START = 4096


def key_of(ids: Sequence[int]) -> bytes:
    """Key of a token prefix; the key of a shorter prefix is a slice of it (see `cut`)."""
    return bytes(np.asarray(ids, dtype=_ID).tobytes())


def cut(key: bytes, length: int) -> bytes:
    """Key of the first `length` tokens."""
    return key[: length * _ID.itemsize]


@dataclass(slots=True)
class Node:
    """A prefix that was run: slots of all its tokens, of which the last `own` are its own, and its score."""

    parent: bytes | None
    slots: np.ndarray
    own: int
    score: float | None = None


class PrefixStates:
    """Pool of token states and the prefixes they belong to; the least recently used go first.

    Args:
        layers, heads, size: of keys and values.
        capacity: tokens kept by `trim`.
    """

    def __init__(
        self, layers: int, heads: int, size: int, capacity: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        """Make an empty pool; it grows with what is written."""
        self.capacity, self.layers = capacity, layers
        self._pools = [[torch.zeros(0, heads, size, device=device, dtype=dtype) for _ in "kv"] for _ in range(layers)]
        self._free = np.empty(0, dtype=np.int64)
        self._nodes: OrderedDict[bytes, Node] = OrderedDict()
        self.used = 0

    def allocate(self, count: int) -> np.ndarray:
        """Slots for `count` new tokens."""
        if count > len(self._free):
            self._grow(count - len(self._free))
        taken, self._free = self._free[:count], self._free[count:]
        self.used += count
        return taken

    def _grow(self, missing: int) -> None:
        size = len(self._pools[0][0])
        larger = max(size + missing, min(2 * size, self.capacity), _START)
        for pair in self._pools:
            for side, pool in enumerate(pair):
                pair[side] = pool.new_zeros(larger, *pool.shape[1:])
                pair[side][:size] = pool
        self._free = np.concatenate([self._free, np.arange(size, larger)])

    def release(self, slots: np.ndarray) -> None:
        """Give slots back."""
        self._free = np.concatenate([slots, self._free])
        self.used -= len(slots)

    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> None:
        """Keep keys and values [n, heads, size] in slots [n]."""
        for pool, new in zip(self._pools[layer], (keys, values), strict=True):
            pool.index_copy_(0, slots, new)

    def read(self, layer: int, slots: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [n, heads, size] of slots [n]."""
        keys, values = self._pools[layer]
        return keys.index_select(0, slots), values.index_select(0, slots)

    def get(self, key: bytes) -> Node | None:
        """The prefix's node, marked as used."""
        node = self._nodes.get(key)
        at: bytes | None = key
        while node is not None and at is not None:  # ancestors after descendants: they are evicted later
            self._nodes.move_to_end(at)
            at = self._nodes[at].parent
        return node

    def put(self, key: bytes, parent: bytes | None, new: np.ndarray, score: float | None = None) -> Node:
        """Add a prefix: the slots of `parent`'s tokens and then `new`."""
        slots = np.concatenate([self._nodes[parent].slots, new]) if parent is not None else new
        self._nodes[key] = Node(parent, slots, len(new), score)
        self.get(key)
        return self._nodes[key]

    def put_in_pieces(
        self, key: bytes, parent: bytes | None, new: np.ndarray, cuts: Sequence[int], score: float | None = None
    ) -> None:
        """`put`, with a prefix of its own at each length in `cuts` of what is new."""
        before = len(self._nodes[parent].slots) if parent is not None else 0
        last = 0
        for length in cuts:
            beginning = cut(key, before + length)
            if beginning not in self._nodes:
                self.put(beginning, parent, new[last:length])
                parent, last = beginning, length
        self.put(key, parent, new[last:], score)

    def trim(self) -> None:
        """Forget prefixes, the least recently used first, until `capacity` tokens are left."""
        gone, excess = [], self.used - self.capacity
        while excess > 0:
            _, node = self._nodes.popitem(last=False)
            gone.append(node.slots[len(node.slots) - node.own :])
            excess -= node.own
        if gone:
            self.release(np.concatenate(gone))

"""Scoring on our own forward pass: packed batches, and prefixes that are run once.

In a search however often it returns to them, of whole solutions those of each problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

import numpy as np

from ttstudy.kinds.formats import Encoded
from ttstudy.models import memory
from ttstudy.models.devices import Running, named
from ttstudy.prms import heads
from ttstudy.prms.backbone import Backbone
from ttstudy.prms.engine import Siblings, batches, shared
from ttstudy.prms.packing import Segment
from ttstudy.prms.states import Node, PrefixStates, cut, key_of


@dataclass(slots=True)
class _New:
    """A sequence to be run after a known prefix, for those who asked for its score.

    `cuts`: lengths in `ids` of beginnings that are remembered by themselves, too.
    """

    key: bytes
    parent: bytes | None
    ids: list[int]
    asked: list[tuple[int, int]] = field(default_factory=list)
    """(group, place in it) of those; the first pays."""
    cuts: Sequence[int] = ()


class NativeScoring:
    """Scores of encoded steps by a backbone and a head.

    Args:
        backbone, head: on the same device.
        batch_tokens: tokens of one forward pass (a longer sequence goes alone).
        cache_gib: memory for states of prefixes that search may come back to; None: by what is free.
    """

    def __init__(self, backbone: Backbone, head: heads.Head, batch_tokens: int, cache_gib: float | None) -> None:
        """Start with no prefix known."""
        self.backbone, self.head, self.batch_tokens = backbone, head, batch_tokens
        self.parameters = backbone.parameters + sum(weight.numel() for weight in head.weights.values())
        self.context = backbone.config.context
        self.tokens: int
        # The first GPUs are the policy's (see `ttstudy.prms.open_reward_model`); a process has one CPU for both.
        self.apart = backbone.device.type == "cuda" and bool(backbone.device.index)
        self.shares = True
        self.taken: list[int] = []
        """Tokens run for each group of the last `run_last`."""
        self.running = Running("transformers", named(str(backbone.device)), str(backbone.dtype).removeprefix("torch."))
        gib = memory.for_prefixes(str(backbone.device)) if cache_gib is None else cache_gib
        self.capacity = int(gib * 2**30) // backbone.bytes_per_token
        self.forget()

    def forget(self) -> None:
        """See `ScoringEngine.forget`."""
        backbone, layout = self.backbone, self.backbone.config
        self.tokens = 0
        self._states = PrefixStates(
            layout.layers,
            layout.kv_heads,
            layout.head_dim,
            capacity=self.capacity,
            device=backbone.device,
            dtype=backbone.dtype,
        )

    def run(self, batch: Sequence[Encoded], problems: Sequence[int]) -> list[list[float]]:
        """Score at each position of each sequence, in order; what those of a problem begin with alike is run once."""
        order, known = shared(batch, problems)
        scores: list[list[float]] = [[] for _ in batch]
        last, found = np.empty(0, dtype=np.int64), dict[int, float]()
        new = [len(batch[i].ids) - length for i, length in zip(order, known, strict=True)]
        # the states of all that a pass runs are held, as those of a search are
        for places in batches(range(len(order)), new, min(self.batch_tokens, self.capacity)):
            chosen = [(batch[order[place]], known[place]) for place in places]
            paths = self._pass(chosen, last, found)
            for place, path in zip(places, paths, strict=True):
                each = batch[order[place]]
                scores[order[place]] = [found[slot] for slot in path[each.positions].tolist()]
            gone = np.setdiff1d(np.concatenate([last, *paths]), paths[-1])
            self._states.release(gone)
            last = paths[-1]
            found = {slot: found[slot] for slot in last.tolist() if slot in found}
        self._states.release(last)
        return scores

    def _pass(
        self, chosen: Sequence[tuple[Encoded, int]], last: np.ndarray, found: dict[int, float]
    ) -> list[np.ndarray]:
        """Run sequences, each but for what it has in common with the one before: slots of each one's tokens.

        `chosen`: each with the number of its first ids that it has in common; the first with the one of the slots
        `last`. Scores go into `found`, by slot.
        """
        begun = [0, *accumulate(len(each.ids) - known for each, known in chosen)]
        new = self._states.allocate(begun[-1])
        paths, segments, asked = [last], [], []
        for (each, known), (start, stop) in zip(chosen, pairwise(begun), strict=True):
            before, own = paths[-1][:known], new[start:stop]
            wanted = [position - known for position in each.positions if position >= known]
            paths.append(np.concatenate([before, own]))
            segments.append(Segment(each.ids[known:], wanted, known=before, slots=own))
            asked += own[wanted].tolist()
        found |= zip(asked, heads.score(self.head, self.backbone(segments, self._states)), strict=True)
        self.tokens += begun[-1]
        return paths[1:]

    def run_last(self, groups: Sequence[Siblings]) -> list[list[float]]:
        """Score of each candidate of each group: only tokens whose states are not known are run."""
        scores = [[0.0] * len(group.suffixes) for group in groups]
        self.taken = [0] * len(groups)
        order = sorted(range(len(groups)), key=lambda i: len(groups[i].ids))
        costs = [len(groups[i].ids) + sum(map(len, groups[i].suffixes)) for i in order]
        for chosen in batches(order, costs, self.batch_tokens):
            keys = {i: key_of(groups[i].ids) for i in chosen}
            self._run_prefixes({keys[i]: i for i in chosen}, groups)
            new: dict[bytes, _New] = {}
            for i in chosen:
                for j, suffix in enumerate(groups[i].suffixes):
                    key = keys[i] + key_of(suffix)
                    node = self._states.get(key)
                    if node is not None and node.score is not None:
                        scores[i][j] = node.score
                    else:
                        new.setdefault(key, _New(key, keys[i], suffix)).asked.append((i, j))
            for one, score in zip(new.values(), self._run_new(list(new.values()), scored=True), strict=True):
                for i, j in one.asked:
                    scores[i][j] = score
            self._states.trim()
        return scores

    def _run_prefixes(self, chosen: dict[bytes, int], groups: Sequence[Siblings]) -> None:
        """Make the states of the common ids of each chosen group known; what several begin with is run once."""
        pending = [(key, i) for key, i in chosen.items() if self._states.get(key) is None]
        while pending:
            new, later, coming = [], [], set[bytes]()
            for key, i in pending:
                group = groups[i]
                known = [length for length in group.cuts if self._states.get(cut(key, length)) is not None]
                start = known[-1] if known else 0
                pieces = {cut(key, length) for length in group.cuts if length > start}
                if not pieces.isdisjoint(coming):
                    later.append((key, i))  # once that has been run
                    continue
                coming |= pieces
                cuts = [length - start for length in group.cuts if start < length < len(group.ids)]
                new.append(_New(key, cut(key, start) if start else None, group.ids[start:], [(i, 0)], cuts))
            self._run_new(new, scored=False)
            pending = later

    def _run_new(self, new: list[_New], scored: bool) -> list[float]:
        """Run sequences and remember their states; their last tokens' scores where `scored`."""
        if not new:
            return []
        segments, places = [], []
        for one in new:
            parent = self._states.get(one.parent) if one.parent is not None else None
            slots = self._states.allocate(len(one.ids))
            wanted = [len(one.ids) - 1] if scored else []
            segments.append(Segment(one.ids, wanted, known=parent.slots if parent else (), slots=slots))
            places.append(slots)
        hidden = self.backbone(segments, self._states)
        for one in new:
            self.tokens += len(one.ids)
            self.taken[one.asked[0][0]] += len(one.ids)
        scores = heads.score(self.head, hidden) if scored else []
        for number, (one, slots) in enumerate(zip(new, places, strict=True)):
            score = scores[number] if scored else None
            known: Node | None = self._states.get(one.key)
            if known is None:
                self._states.put_in_pieces(one.key, one.parent, slots, one.cuts, score)
            else:  # it had been run as a prefix, without a score
                known.score = score
                self._states.release(slots)
        return scores

"""Scoring on our own forward pass: packed batches, and prefixes that are run once however often search returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ttstudy.kinds.formats import Encoded
from ttstudy.models import memory
from ttstudy.models.devices import Running, named
from ttstudy.prms import heads
from ttstudy.prms.backbone import Backbone, Segment
from ttstudy.prms.engine import Siblings, batches, in_batches
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

    def run(self, batch: Sequence[Encoded]) -> list[list[float]]:
        """Score at each position of each sequence, in order, one pass per sequence."""
        return in_batches(batch, self.batch_tokens, self._scores)

    def _scores(self, batch: list[Encoded]) -> list[float]:
        hidden = self.backbone([Segment(each.ids, each.positions) for each in batch])
        scores: list[float] = heads.score(self.head, hidden)
        self.tokens += sum(len(each.ids) for each in batch)
        return scores

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

"""Scoring on the backbones of transformers, for architectures that our own forward pass does not know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ttstudy.kinds.formats import Encoded
from ttstudy.models import memory
from ttstudy.models.checkpoint import Checkpoint
from ttstudy.models.devices import Running, named
from ttstudy.prms import heads
from ttstudy.prms.engine import Siblings, in_batches
from ttstudy.prms.states import PrefixStates, cut, key_of

if TYPE_CHECKING:
    from transformers import DynamicCache


class TransformersScoring:
    """Scores of encoded steps by `transformers.AutoModel` and a head; code of the checkpoint is never run.

    Args:
        checkpoint: of any architecture that transformers has itself.
        head, head_keys: the head and the names of its tensors.
        device, dtype: of the backbone.
        batch_tokens: padded tokens of one forward pass.
        cache_gib: memory for states of prefixes that search may come back to; None: by what is free.
    """

    shares = False

    def __init__(
        self,
        checkpoint: Checkpoint,
        head: heads.Head,
        head_keys: Sequence[str],
        device: str,
        dtype: torch.dtype,
        batch_tokens: int,
        cache_gib: float | None,
    ) -> None:
        """Load the backbone; ValueError where a tensor is missing or one is there that belongs to nothing."""
        from transformers import AutoModel
        from transformers.utils import logging

        verbosity = logging.get_verbosity()
        logging.set_verbosity_error()  # its report of head tensors as unexpected would only alarm
        try:
            with TemporaryDirectory() as folder:
                checkpoint.link(Path(folder))
                self.model, info = AutoModel.from_pretrained(
                    folder, trust_remote_code=False, use_safetensors=True, dtype=dtype, output_loading_info=True
                )
        finally:
            logging.set_verbosity(verbosity)
        lost = sorted([*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])])
        if lost:
            raise ValueError(f"{checkpoint.folder} lacks the tensor {lost[0]}, or its shape is another.")
        if strange := sorted(set(info["unexpected_keys"]) - {*head_keys, heads.LM_KEY}):
            raise ValueError(f"{checkpoint.folder} has the tensor {strange[0]}, which this kind of PRM has not.")
        self.model.to(device).eval()
        self.head, self.batch_tokens, self.cache_gib = head, batch_tokens, cache_gib
        self._states: PrefixStates | None = None
        self._whole = False
        backbone = sum(weight.numel() for weight in self.model.parameters())
        self.parameters = backbone + sum(weight.numel() for weight in head.weights.values())
        self.context = getattr(self.model.config, "max_position_embeddings", None) or 2**31
        self.tokens = 0
        self.running = Running("transformers", named(device), str(dtype).removeprefix("torch."))

    def forget(self) -> None:
        """See `ScoringEngine.forget`."""
        self.tokens = 0
        self._states = None

    @torch.inference_mode()
    def run(self, batch: Sequence[Encoded], problems: Sequence[int]) -> list[list[float]]:
        """Score at each position of each sequence, in order, one pass per sequence."""
        return in_batches(batch, self.batch_tokens, self._scores)

    def _scores(self, batch: list[Encoded]) -> list[float]:
        hidden = self.model(input_ids=self._right_padded([each.ids for each in batch]), use_cache=False)[0]
        wanted = [hidden[row, each.positions] for row, each in enumerate(batch)]
        scores: list[float] = heads.score(self.head, torch.cat(wanted))
        self.tokens += sum(len(each.ids) for each in batch)
        return scores

    @torch.inference_mode()
    def run_last(self, groups: Sequence[Siblings]) -> list[list[float]]:
        """Score of each candidate: what was run before is not run again, nor are equal candidates."""
        if self._states is None and not self._whole:
            self._states = self._make_states()
            self._whole = self._states is None
        scores = []
        for group in groups:
            by_suffix = self._of_group(self._states, group) if self._states else self._of_whole(group)
            scores.append([by_suffix[tuple(suffix)] for suffix in group.suffixes])
        return scores

    def _make_states(self) -> PrefixStates | None:
        """An empty pool for keys and values; None for a model that keeps something else, or not alike in its layers."""
        from transformers import cache_utils as kinds

        cache = kinds.DynamicCache(config=self.model.config)
        self.model(input_ids=self._right_padded([[0]]), past_key_values=cache, use_cache=True)
        if not {type(layer) for layer in cache.layers} <= {kinds.DynamicLayer, kinds.DynamicSlidingWindowLayer}:
            return None
        keys = cache.layers[0].keys
        if any(side.shape != keys.shape for layer in cache.layers for side in (layer.keys, layer.values)):
            return None
        _, heads, _, size = keys.shape
        each = 2 * len(cache.layers) * heads * size * keys.element_size()
        gib = memory.for_prefixes(str(keys.device)) if self.cache_gib is None else self.cache_gib
        capacity = int(gib * 2**30) // each
        return PrefixStates(len(cache.layers), heads, size, capacity, keys.device, keys.dtype)

    def _of_whole(self, group: Siblings) -> dict[tuple[int, ...], float]:
        """Scores by suffix, with nothing kept."""
        distinct = sorted({tuple(suffix) for suffix in group.suffixes}, key=len)
        sequences = [[*group.ids, *suffix] for suffix in distinct]
        hidden = self.model(input_ids=self._right_padded(sequences), use_cache=False)[0]
        self.tokens += sum(map(len, sequences))
        ends = [hidden[row, len(ids) - 1] for row, ids in enumerate(sequences)]
        return dict(zip(distinct, heads.score(self.head, torch.stack(ends)), strict=True))

    def _of_group(self, states: PrefixStates, group: Siblings) -> dict[tuple[int, ...], float]:
        """Scores by suffix; the states of the group's common ids and of its candidates are kept."""
        key, found, new = key_of(group.ids), {}, set()
        if group.ids and states.get(key) is None:
            start = max((length for length in group.cuts if states.get(cut(key, length)) is not None), default=0)
            parent = cut(key, start) if start else None
            cache, _ = self._run(states, parent, [group.ids[start:]])
            cuts = [length - start for length in group.cuts if start < length < len(group.ids)]
            self._keep(states, cache, 0, key, parent, group.ids[start:], cuts)
        for suffix in map(tuple, group.suffixes):
            node = states.get(key + key_of(suffix))
            if node is not None and node.score is not None:
                found[suffix] = node.score
            else:
                new.add(suffix)
        if new:
            order = sorted(new, key=lambda suffix: (len(suffix), suffix))
            cache, hidden = self._run(states, key or None, order)
            ends = [hidden[row, len(suffix) - 1] for row, suffix in enumerate(order)]
            found |= zip(order, heads.score(self.head, torch.stack(ends)), strict=True)
            for row, suffix in enumerate(order):
                self._keep(states, cache, row, key + key_of(suffix), key or None, suffix, score=found[suffix])
        states.trim()
        return found

    def _run(
        self, states: PrefixStates, parent: bytes | None, sequences: Sequence[Sequence[int]]
    ) -> tuple[DynamicCache, Tensor]:
        """Run sequences after one known prefix: keys and values of prefix and sequences, and hidden states."""
        from transformers import DynamicCache

        # Without the configuration no layer forgets what its window has passed: others may go on from earlier.
        cache = DynamicCache()
        node = states.get(parent) if parent is not None else None
        if node is not None:
            slots = torch.from_numpy(node.slots).to(self.model.device)
            for layer in range(states.layers):
                keys, values = (side.transpose(0, 1)[None] for side in states.read(layer, slots))
                shape = (len(sequences), -1, -1, -1)
                cache.update(keys.expand(shape), values.expand(shape), layer)
        hidden = self.model(input_ids=self._right_padded(sequences), past_key_values=cache, use_cache=True)[0]
        self.tokens += sum(map(len, sequences))
        return cache, hidden

    def _keep(
        self,
        states: PrefixStates,
        cache: DynamicCache,
        row: int,
        key: bytes,
        parent: bytes | None,
        ids: Sequence[int],
        cuts: Sequence[int] = (),
        score: float | None = None,
    ) -> None:
        """Remember one sequence of `ids` that was run after `parent`; see `PrefixStates.put_in_pieces`."""
        if (known := states.get(key)) is not None:  # it had been run as a prefix, without a score
            known.score = score
            return
        before = states.get(parent) if parent is not None else None
        start = len(before.slots) if before is not None else 0
        slots = states.allocate(len(ids))
        at = torch.from_numpy(slots).to(self.model.device)
        for number, layer in enumerate(cache.layers):
            keys, values = (side[row, :, start : start + len(ids)] for side in (layer.keys, layer.values))
            states.write(number, at, keys.transpose(0, 1), values.transpose(0, 1))
        states.put_in_pieces(key, parent, slots, cuts, score)

    def _right_padded(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        """Ids [batch, longest]; a causal model's states never depend on what pads them on the right."""
        width = max(map(len, sequences))
        rows = [[*sequence, *[0] * (width - len(sequence))] for sequence in sequences]
        return torch.tensor(rows, device=self.model.device)

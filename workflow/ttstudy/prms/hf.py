"""Scoring on the backbones of transformers, for architectures that our own forward pass does not know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from ttstudy.kinds.formats import Encoded
from ttstudy.models.checkpoint import Checkpoint
from ttstudy.models.devices import Running, named
from ttstudy.prms import heads
from ttstudy.prms.engine import Siblings, in_batches


class TransformersScoring:
    """Scores of encoded steps by `transformers.AutoModel` and a head; code of the checkpoint is never run.

    Args:
        checkpoint: of any architecture that transformers has itself.
        head, head_keys: the head and the names of its tensors.
        device, dtype: of the backbone.
        batch_tokens: padded tokens of one forward pass.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        head: heads.Head,
        head_keys: Sequence[str],
        device: str,
        dtype: torch.dtype,
        batch_tokens: int,
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
        self.head, self.batch_tokens = head, batch_tokens
        backbone = sum(weight.numel() for weight in self.model.parameters())
        self.parameters = backbone + sum(weight.numel() for weight in head.weights.values())
        self.context = getattr(self.model.config, "max_position_embeddings", None) or 2**31
        self.tokens = 0
        self.running = Running("transformers", named(device), str(dtype).removeprefix("torch."))

    def forget(self) -> None:
        """See `ScoringEngine.forget`."""
        self.tokens = 0

    @torch.inference_mode()
    def run(self, batch: Sequence[Encoded]) -> list[list[float]]:
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
        """Score of each candidate: the common ids of a group are run once, equal candidates too."""
        from transformers import DynamicCache

        scores = []
        for group in groups:
            distinct = sorted({tuple(suffix) for suffix in group.suffixes}, key=len)
            cache = DynamicCache(config=self.model.config)
            if group.ids:
                self.model(input_ids=self._right_padded([group.ids]), past_key_values=cache, use_cache=True)
                cache.batch_repeat_interleave(len(distinct))
            hidden = self.model(input_ids=self._right_padded(distinct), past_key_values=cache, use_cache=True)[0]
            ends = [hidden[row, len(suffix) - 1] for row, suffix in enumerate(distinct)]
            by_suffix = dict(zip(distinct, heads.score(self.head, torch.stack(ends)), strict=True))
            scores.append([by_suffix[tuple(suffix)] for suffix in group.suffixes])
            self.tokens += len(group.ids) + sum(map(len, distinct))
        return scores

    def _right_padded(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        """Ids [batch, longest]; a causal model's states never depend on what pads them on the right."""
        width = max(map(len, sequences))
        rows = [[*sequence, *[0] * (width - len(sequence))] for sequence in sequences]
        return torch.tensor(rows, device=self.model.device)

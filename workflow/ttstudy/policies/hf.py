"""Any causal language model that transformers knows, one request at a time: slow, same protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ttstudy.policies.protocol import Finish
from ttstudy.policies.sampler import choose, sureness, uniforms

if TYPE_CHECKING:
    from ttstudy.policies.native import NativeStream


class TransformersModel:
    """A transformers model stepped token by token, each request alone, so that nothing depends on a batch."""

    def __init__(self, path: Path, config: dict[str, Any], dtype: torch.dtype, device: str) -> None:
        """Load with transformers; ValueError in one sentence where it cannot."""
        from transformers import AutoModelForCausalLM

        try:
            self.model = AutoModelForCausalLM.from_pretrained(
                path, dtype=dtype, use_safetensors=True, trust_remote_code=False, local_files_only=True
            ).to(device)
        except (ValueError, KeyError, OSError) as error:
            raise ValueError(
                f"transformers cannot load {path} (model type {config.get('model_type')!r}): {error}"
            ) from error
        self.model.eval()
        text = self.model.config.get_text_config()
        self.device = torch.device(device)
        self.parameters = sum(tensor.numel() for tensor in self.model.parameters())
        self.vocabulary = text.vocab_size
        self.context = getattr(text, "max_position_embeddings", None) or 2048

    def draw(self, stream: NativeStream, number: int) -> None:
        """Draw one of a stream's requests to its end."""
        request = stream.requests[number]
        sampling = request.sampling
        limit, at_limit = stream.limit(request)
        stops = stream.stops(sampling.stop) if sampling.stop else None
        settings = (
            np.array([sampling.temperature]),
            np.array([sampling.top_k]),
            np.array([sampling.top_p]),
        )
        seed = np.array([request.seed & 0xFFFFFFFFFFFFFFFF], np.uint64)
        ids: list[int] = []
        told: list[list[float]] = []
        feed, past = list(request.prompt), None
        finish: Finish | None = None
        while finish is None:
            step = torch.tensor([feed], device=self.device)
            out = self.model(input_ids=step, past_key_values=past, use_cache=True)
            past = out.past_key_values
            uniform = uniforms(seed, np.array([len(ids)]))
            logits = out.logits[:, -1].float()
            chosen, logprob = choose(logits, uniform, *settings)
            sure = sureness(logits, np.array([sampling.likeliest])) if sampling.likeliest else (0.0, 0.0)
            token = int(chosen)
            ids.append(token)
            told.append([float(value) for value in (logprob, *sure)])
            stream.tokens += 1
            feed = [token]
            if token in stream.engine.eos:
                finish = "eos"
            elif stops is not None and stops.may_end(np.array([token]))[0] and stops.ended(ids):
                finish = "stop"
            elif len(ids) >= limit:
                finish = at_limit
        stream.finish(number, ids, np.array(told), finish)

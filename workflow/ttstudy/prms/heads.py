"""Heads of process reward models: from hidden states at score positions to a score in [0, 1], in fp32."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import linear

if TYPE_CHECKING:
    from ttstudy.models.loading import Checkpoint
    from ttstudy.prms.formats import Format

Head = Callable[[Tensor], Tensor]
"""[n, hidden] to [n]."""

_ROWS = 16
MLP_KEYS = ("score.0.weight", "score.0.bias", "score.2.weight", "score.2.bias")
SIGMOID_KEYS = ("v_head.summary.weight", "v_head.summary.bias")
LM_KEY = "lm_head.weight"


class TwoWay:
    """Probability of `good` among the logits of two tokens: softmax(h W[[good, bad]].T)[0]."""

    def __init__(self, good_and_bad: Tensor) -> None:
        """`good_and_bad` [2, hidden]: rows of the language-model head."""
        self.weights = {"good_and_bad": good_and_bad.float()}

    def __call__(self, hidden: Tensor) -> Tensor:
        """Scores [n] of hidden states [n, hidden]."""
        return linear(hidden, self.weights["good_and_bad"]).softmax(-1)[:, 0]


class Sigmoid:
    """sigmoid(h w + b)."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """`weight` [1, hidden], `bias` [1]."""
        self.weights = {"weight": weight.float(), "bias": bias.float()}

    def __call__(self, hidden: Tensor) -> Tensor:
        """Scores [n] of hidden states [n, hidden]."""
        # Not torch.sigmoid: its vector body and its scalar tail round differently.
        return 1 / (1 + torch.exp(-linear(hidden, self.weights["weight"], self.weights["bias"])[:, 0]))


class Mlp:
    """Probability of class 1 of two: softmax(W2 relu(W0 h + b0) + b2)[1]."""

    def __init__(self, weight_0: Tensor, bias_0: Tensor, weight_2: Tensor, bias_2: Tensor) -> None:
        """`weight_0` [hidden, hidden], `weight_2` [2, hidden]."""
        parts = {"weight_0": weight_0, "bias_0": bias_0, "weight_2": weight_2, "bias_2": bias_2}
        self.weights = {name: part.float() for name, part in parts.items()}

    def __call__(self, hidden: Tensor) -> Tensor:
        """Scores [n] of hidden states [n, hidden]."""
        w = self.weights
        inner = linear(hidden, w["weight_0"], w["bias_0"]).relu()
        return linear(inner, w["weight_2"], w["bias_2"]).softmax(-1)[:, 1]


HEAD_KEYS: Mapping[str, tuple[str, ...]] = {
    "math_shepherd": (LM_KEY,),
    "rlhflow": (LM_KEY,),
    "skywork": SIGMOID_KEYS,
    "qwen": MLP_KEYS,
}
"""Tensors that the head of each format is made of."""


def load_head(name: str, format: Format, checkpoint: Checkpoint, device: str) -> TwoWay | Sigmoid | Mlp:
    """Head of format `name`; ValueError where the checkpoint lacks one of its tensors or a shape is wrong."""
    hidden = checkpoint.config["hidden_size"]
    if name in ("math_shepherd", "rlhflow"):
        return TwoWay(checkpoint.vocabulary_rows([format.good, format.bad]).to(device))
    shapes = {
        "skywork": ((1, hidden), (1,)),
        "qwen": ((hidden, hidden), (hidden,), (2, hidden), (2,)),
    }[name]
    head = {"skywork": Sigmoid, "qwen": Mlp}[name]
    parts = [checkpoint.tensor(key, shape) for key, shape in zip(HEAD_KEYS[name], shapes, strict=True)]
    return head(*(part.to(device) for part in parts))


@torch.inference_mode()
def score(head: Head, hidden: Tensor) -> list[float]:
    """Scores of hidden states [n, hidden] of any precision.

    Rows are padded to a multiple of 16: a matrix product of few rows takes another path and rounds differently.
    """
    count = len(hidden)
    padded = torch.zeros(-(-count // _ROWS) * _ROWS, hidden.shape[1], device=hidden.device)
    padded[:count] = hidden
    return head(padded)[:count].tolist()

"""Skywork-o1-Open-PRM (SkyworkAI/skywork-o1-prm-inference)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ttstudy.kinds.formats._parts import Encoded, Head, HeadFormat, Pooling, Published, Tokenizer, checked

if TYPE_CHECKING:
    from torch import Tensor


class Skywork:
    """`BOS {problem}\\n` and each step with a line break, tokenised one by one; scored at the line breaks.

    A line break inside a step becomes a space: one score per step.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Look the tokens up."""
        self.tokenizer, self._text = tokenizer, tokenizer.encode
        self.bos, self.tag = tokenizer.bos, tokenizer.find("Ċ", "\n")

    def encode(self, problem: str, steps: Sequence[str]) -> Encoded:
        """See `Encoder.encode`."""
        ids, positions = self.stem(problem), []
        for step in checked(steps):
            ids += (*self._text(step.replace("\n", " ")), self.tag)
            positions.append(len(ids) - 1)
        return Encoded(ids, positions)

    def stem(self, problem: str) -> list[int]:
        """See `Encoder.stem`."""
        return [self.bos, *self._text(problem + "\n")]


class Sigmoid(Head):
    """sigmoid(h w + b)."""

    keys = ("v_head.summary.weight", "v_head.summary.bias")

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """`weight` [1, hidden], `bias` [1]."""
        self.weights = {"weight": weight.float(), "bias": bias.float()}

    def __call__(self, hidden: Tensor) -> Tensor:
        """See `Head.__call__`."""
        from torch.nn.functional import linear

        # Not torch.sigmoid: its vector body and its scalar tail round differently.
        return 1 / (1 + (-linear(hidden, self.weights["weight"], self.weights["bias"])[:, 0]).exp())

    @classmethod
    def shapes(cls, hidden: int) -> tuple[tuple[int, ...], ...]:
        """See `Head.shapes`."""
        return (1, hidden), (1,)


SKYWORK = HeadFormat(
    label="Skywork-o1-Open-PRM",
    architectures=("Qwen2ForPrmModel",),
    published={
        "Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B": Published(),
        "Skywork/Skywork-o1-Open-PRM-Qwen-2.5-7B": Published(),
    },
    encoder=Skywork,
    head=Sigmoid,
    # The class is not known to vLLM; the same weights under the names of a Qwen2 token classifier are.
    vllm=Pooling(
        renamed=dict(zip(Sigmoid.keys, ("score.weight", "score.bias"), strict=True)),
        config={
            "architectures": ["Qwen2ForTokenClassification"],
            "id2label": {"0": "right"},
            "label2id": {"right": 0},
        },
    ),
)

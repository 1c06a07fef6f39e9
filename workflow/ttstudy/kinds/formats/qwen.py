"""Qwen2.5-Math-PRM (arXiv 2501.07301), and models that are read as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ttstudy.kinds.formats._parts import Encoded, Head, HeadFormat, Pooling, Published, Tokenizer, checked

if TYPE_CHECKING:
    from torch import Tensor

TAG = "<extra_0>"
SYSTEM = r"Please reason step by step, and put your final answer within \boxed{}."
"""System message of Qwen2.5-Math-PRM (its model card)."""


class Qwen:
    """A chat by the folder's template: system, user `{problem}`, assistant `{step}<extra_0>{step}<extra_0>...`.

    Scored at each `<extra_0>`. `system=None` leaves the system message out.
    """

    def __init__(self, tokenizer: Tokenizer, system: str | None = SYSTEM) -> None:
        """Look the tag up and cut the chat template around the problem and the answer."""
        self.tokenizer, self._text = tokenizer, tokenizer.encode
        self._template = tokenizer.encode_template
        self.tag = tokenizer.protect(TAG)
        chat = [{"role": "user", "content": tokenizer.hole(0)}, {"role": "assistant", "content": tokenizer.hole(1)}]
        if system is not None:
            chat.insert(0, {"role": "system", "content": system})
        self._head, self._answer, _ = tokenizer.chat_pieces(chat, 2)

    def encode(self, problem: str, steps: Sequence[str]) -> Encoded:
        """See `Encoder.encode`."""
        first, *others = checked(steps)
        ids = [*self._template([self._head, self._answer, ""], [problem, first]), self.tag]
        positions = [len(ids) - 1]
        for step in others:
            ids += (*self._text(step), self.tag)
            positions.append(len(ids) - 1)
        return Encoded(ids, positions)

    def stem(self, problem: str) -> list[int]:
        """See `Encoder.stem`."""
        return self._template([self._head, self._answer], [problem])


class Mlp(Head):
    """Probability of class 1 of two: softmax(W2 relu(W0 h + b0) + b2)[1]."""

    keys = ("score.0.weight", "score.0.bias", "score.2.weight", "score.2.bias")

    def __init__(self, weight_0: Tensor, bias_0: Tensor, weight_2: Tensor, bias_2: Tensor) -> None:
        """`weight_0` [hidden, hidden], `weight_2` [2, hidden]."""
        parts = {"weight_0": weight_0, "bias_0": bias_0, "weight_2": weight_2, "bias_2": bias_2}
        self.weights = {name: part.float() for name, part in parts.items()}

    def __call__(self, hidden: Tensor) -> Tensor:
        """See `Head.__call__`."""
        from torch.nn.functional import linear

        w = self.weights
        inner = linear(hidden, w["weight_0"], w["bias_0"]).relu()
        return linear(inner, w["weight_2"], w["bias_2"]).softmax(-1)[:, 1]

    @classmethod
    def shapes(cls, hidden: int) -> tuple[tuple[int, ...], ...]:
        """See `Head.shapes`."""
        return (hidden, hidden), (hidden,), (2, hidden), (2,)


QWEN = HeadFormat(
    label="Qwen2.5-Math-PRM",
    architectures=("Qwen2ForProcessRewardModel",),
    published={
        "Qwen/Qwen2.5-Math-PRM-7B": Published(),
        "Qwen/Qwen2.5-Math-PRM-72B": Published(),
        "Qwen/Qwen2.5-Math-7B-PRM800K": Published(),
        "Gen-Verse/ReasonFlux-PRM-7B": Published({"system": None}),
    },
    encoder=Qwen,
    head=Mlp,
    vllm=Pooling(column=1),  # vLLM's own class
)

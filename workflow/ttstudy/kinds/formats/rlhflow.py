"""RLHFlow's PRMs (RLHFlow/RLHF-Reward-Modeling, math-rm)."""

from __future__ import annotations

from collections.abc import Sequence

from ttstudy.kinds.formats._parts import Encoded, HeadFormat, Pooling, Published, Tokenizer, TwoWay, checked


class RLHFlow:
    """A chat: user `{problem} {step}`, assistant `+`, user `{step}`, assistant `+`, ... by the folder's template.

    The score stands at the token before each `+`.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Look the tokens up and cut the chat template into what stands before, within and between turns."""
        self.tokenizer, self._text = tokenizer, tokenizer.encode
        self._template = tokenizer.encode_template
        self.good, self.bad = tokenizer.find("+"), tokenizer.find("-")
        turns = [{"role": ("user", "assistant")[i % 2], "content": tokenizer.hole(i)} for i in range(6)]
        head, answer, *rest, _ = tokenizer.chat_pieces(turns, len(turns))
        if rest != [rest[0], answer] * 2:
            raise ValueError(f"The chat template in {tokenizer.folder} does not write every turn alike.")
        self._head, self._answer, self._next = head, answer, rest[0]
        turns[0]["content"] = " " + tokenizer.hole(0)
        self._trims = tokenizer.chat_pieces(turns, len(turns))[0] == head
        if self._template([answer + "+"], []) != [*self._template([answer], []), self.good]:
            raise ValueError(f"The tokenizer in {tokenizer.folder} joins '+' with what stands before it.")

    def encode(self, problem: str, steps: Sequence[str]) -> Encoded:
        """See `Encoder.encode`."""
        ids: list[int] = []
        positions = []
        for number, step in enumerate(checked(steps)):
            if number:
                ids += [self.good, *self._template([self._next, self._answer], [step])]
            else:
                ids += self._template([self._head, " ", self._answer], [self._opening(problem), step])
            positions.append(len(ids) - 1)
        return Encoded(ids, positions)

    def stem(self, problem: str) -> list[int]:
        """See `Encoder.stem`."""
        return self._template([self._head, ""], [self._opening(problem)])

    def _opening(self, problem: str) -> str:
        """The problem as the template writes it: blanks around a turn may be trimmed, those after a problem never."""
        return problem.lstrip() if self._trims else problem


RLHFLOW = HeadFormat(
    label="RLHFlow",
    version=2,
    published={
        "RLHFlow/Llama3.1-8B-PRM-Mistral-Data": Published(),
        "RLHFlow/Llama3.1-8B-PRM-Deepseek-Data": Published(),
    },
    encoder=RLHFlow,
    head=TwoWay,
    vllm=Pooling(two_tokens=("-", "+")),
    markup=11,  # of Llama 3.1's template
    between=6,
)

"""Math-Shepherd (arXiv 2312.08935)."""

from __future__ import annotations

from collections.abc import Sequence

from ttstudy.kinds.formats._parts import Encoded, HeadFormat, Pooling, Published, Tokenizer, TwoWay, checked


class MathShepherd:
    """`BOS {problem} {step} ки\\n{step} ки ...`, scored at each `ки`."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Look the tokens up, and make sure that a line break keeps two steps apart."""
        self.tokenizer, self._text = tokenizer, tokenizer.encode
        self.bos, self.tag = tokenizer.bos, tokenizer.find("▁ки")
        self.good, self.bad = tokenizer.find("▁+"), tokenizer.find("▁-")
        self._lead = len(self._text("\n")) - 1  # the space that SentencePiece sets before a text
        whole = [self.bos, *self._text("1 + 1 = 2 ки\nSo 2 - 1 = 1 ки")]
        if self.encode("1 + 1", ["= 2", "So 2 - 1 = 1"]).ids != whole:
            raise ValueError(f"The tokenizer in {tokenizer.folder} does not keep steps and their tags apart.")

    def encode(self, problem: str, steps: Sequence[str]) -> Encoded:
        """See `Encoder.encode`."""
        ids, positions = [self.bos], []
        for number, step in enumerate(checked(steps)):
            ids += self._text("\n" + step)[self._lead :] if number else self._text(f"{problem} {step}")
            ids.append(self.tag)
            positions.append(len(ids) - 1)
        return Encoded(ids, positions)

    def stem(self, problem: str) -> list[int]:
        """See `Encoder.stem`."""
        return [self.bos, *self._text(problem)]


MATH_SHEPHERD = HeadFormat(
    label="Math-Shepherd",
    published={
        "peiyi9979/math-shepherd-mistral-7b-prm": Published(
            tokens={"<s>": 1, "</s>": 2, "▁ки": 12902, "▁+": 648, "▁-": 387},
        ),
    },
    encoder=MathShepherd,
    head=TwoWay,
    vllm=Pooling(two_tokens=("▁-", "▁+")),
    markup=2,
)

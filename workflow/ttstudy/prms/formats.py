"""Input formats of process reward models: token ids, and the position that carries each step's score.

Pure encoders: they need a tokenizer, no torch. Positions come from how the ids are put together, never from a
search for a tag, so that no text can add or move one. The published scoring code of each family is the source of
its format; what that code does by accident (tags found inside a step, dropped problems) is not kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ttstudy.models.catalogue import FORMATS, QWEN_SYSTEM
from ttstudy.models.text import TextTokenizer, hole
from ttstudy.prms.protocol import Encoded

QWEN_TAG = "<extra_0>"


class Format(Protocol):
    """How a problem and its steps become token ids."""

    tokenizer: TextTokenizer

    def encode(self, problem: str, steps: Sequence[str]) -> Encoded:
        """Ids and positions of at least one step, none of them blank; ValueError otherwise."""

    def stem(self, problem: str) -> list[int]:
        """Ids that this problem's encodings begin with, whatever the steps (save for tokens at the seam)."""


def checked(steps: Sequence[str]) -> list[str]:
    """Steps without surrounding whitespace; ValueError for no steps or a blank one."""
    if isinstance(steps, str):
        raise ValueError("Steps must be a list of texts, not one text.")
    stripped = [step.strip() for step in steps]
    if not stripped:
        raise ValueError("There are no steps to score.")
    if not all(stripped):
        raise ValueError(f"Step {stripped.index('') + 1} of {len(stripped)} is blank.")
    return stripped


class MathShepherd:
    """`BOS {problem} {step} ки\\n{step} ки ...`, scored at each `ки` (arXiv 2312.08935)."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        """Look the tokens up, and make sure that a line break keeps two steps apart."""
        self.tokenizer, self._text = tokenizer, tokenizer.encode
        self.bos, self.tag = tokenizer.bos, tokenizer.find("▁ки")
        self.good, self.bad = tokenizer.find("▁+"), tokenizer.find("▁-")
        self._lead = len(self._text("\n")) - 1  # the space that SentencePiece sets before a text
        whole = [self.bos, *self._text("1 + 1 = 2 ки\nSo 2 - 1 = 1 ки")]
        if self.encode("1 + 1", ["= 2", "So 2 - 1 = 1"]).ids != whole:
            raise ValueError(f"The tokenizer in {tokenizer.folder} does not keep steps and their tags apart.")

    def encode(self, problem: str, steps: Sequence[str]) -> Encoded:
        """See `Format.encode`."""
        ids, positions = [self.bos], []
        for number, step in enumerate(checked(steps)):
            ids += self._text("\n" + step)[self._lead :] if number else self._text(f"{problem} {step}")
            ids.append(self.tag)
            positions.append(len(ids) - 1)
        return Encoded(ids, positions)

    def stem(self, problem: str) -> list[int]:
        """See `Format.stem`."""
        return [self.bos, *self._text(problem)]


class RLHFlow:
    """A chat: user `{problem} {step}`, assistant `+`, user `{step}`, assistant `+`, ... by the folder's template.

    The score stands at the token before each `+` (RLHFlow/RLHF-Reward-Modeling, math-rm).
    """

    def __init__(self, tokenizer: TextTokenizer) -> None:
        """Look the tokens up and cut the chat template into what stands before, within and between turns."""
        self.tokenizer, self._text = tokenizer, tokenizer.encode
        self._template = tokenizer.encode_template
        self.good, self.bad = tokenizer.find("+"), tokenizer.find("-")
        turns = [{"role": ("user", "assistant")[i % 2], "content": hole(i)} for i in range(6)]
        head, answer, *rest, _ = tokenizer.chat_pieces(turns, len(turns))
        if rest != [rest[0], answer] * 2:
            raise ValueError(f"The chat template in {tokenizer.folder} does not write every turn alike.")
        self._head, self._answer, self._next = head, answer, rest[0]
        turns[0]["content"] = " " + hole(0)
        self._trims = tokenizer.chat_pieces(turns, len(turns))[0] == head
        if self._template([answer + "+"], []) != [*self._template([answer], []), self.good]:
            raise ValueError(f"The tokenizer in {tokenizer.folder} joins '+' with what stands before it.")

    def encode(self, problem: str, steps: Sequence[str]) -> Encoded:
        """See `Format.encode`."""
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
        """See `Format.stem`."""
        return self._template([self._head, ""], [self._opening(problem)])

    def _opening(self, problem: str) -> str:
        """The problem as the template writes it: blanks around a turn may be trimmed, those after a problem never."""
        return problem.lstrip() if self._trims else problem


class Skywork:
    """`BOS {problem}\\n` and each step with a line break, tokenised one by one; scored at the line breaks.

    A line break inside a step becomes a space: one score per step (Skywork-o1-Open-PRM).
    """

    def __init__(self, tokenizer: TextTokenizer) -> None:
        """Look the tokens up."""
        self.tokenizer, self._text = tokenizer, tokenizer.encode
        self.bos, self.tag = tokenizer.bos, tokenizer.find("Ċ", "\n")

    def encode(self, problem: str, steps: Sequence[str]) -> Encoded:
        """See `Format.encode`."""
        ids, positions = self.stem(problem), []
        for step in checked(steps):
            ids += (*self._text(step.replace("\n", " ")), self.tag)
            positions.append(len(ids) - 1)
        return Encoded(ids, positions)

    def stem(self, problem: str) -> list[int]:
        """See `Format.stem`."""
        return [self.bos, *self._text(problem + "\n")]


class Qwen:
    """A chat by the folder's template: system, user `{problem}`, assistant `{step}<extra_0>{step}<extra_0>...`.

    Scored at each `<extra_0>` (Qwen2.5-Math-PRM). `system=None` leaves the system message out.
    """

    def __init__(self, tokenizer: TextTokenizer, system: str | None = QWEN_SYSTEM) -> None:
        """Look the tag up and cut the chat template around the problem and the answer."""
        self.tokenizer, self._text = tokenizer, tokenizer.encode
        self._template = tokenizer.encode_template
        self.tag = tokenizer.protect(QWEN_TAG)
        chat = [{"role": "user", "content": hole(0)}, {"role": "assistant", "content": hole(1)}]
        if system is not None:
            chat.insert(0, {"role": "system", "content": system})
        self._head, self._answer, _ = tokenizer.chat_pieces(chat, 2)

    def encode(self, problem: str, steps: Sequence[str]) -> Encoded:
        """See `Format.encode`."""
        first, *others = checked(steps)
        ids = [*self._template([self._head, self._answer, ""], [problem, first]), self.tag]
        positions = [len(ids) - 1]
        for step in others:
            ids += (*self._text(step), self.tag)
            positions.append(len(ids) - 1)
        return Encoded(ids, positions)

    def stem(self, problem: str) -> list[int]:
        """See `Format.stem`."""
        return self._template([self._head, self._answer], [problem])


def make_format(name: str, tokenizer: TextTokenizer, **options: str | None) -> Format:
    """Format by name; `options` are its own, e.g. `system` of qwen. ValueError for an unknown name or option."""
    classes = {"math_shepherd": MathShepherd, "rlhflow": RLHFlow, "skywork": Skywork, "qwen": Qwen}
    if name not in classes:
        raise ValueError(f"Unknown PRM format {name!r}; there are {', '.join(FORMATS)}.")
    if options and name != "qwen":
        raise ValueError(f"The format {name} has no option {next(iter(options))!r}.")
    return classes[name](tokenizer, **options)

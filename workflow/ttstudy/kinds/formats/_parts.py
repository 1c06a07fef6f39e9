"""What every PRM format is made of that a head scores. Source of each: the published scoring code of its family.

What that code does by accident (tags found inside a step, dropped problems) is not kept. Positions come from how ids
are put together, never from a search for a tag, so that no text can add or move one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from torch import Tensor

LM_KEY = "lm_head.weight"


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of a problem with its steps, cut right after the last scored position.

    `positions[k]` is the index in `ids` of the hidden state that carries step k's score. The ids of the first
    k steps are a strict prefix of the ids of the first k + 1.
    """

    ids: list[int]
    positions: list[int]


class Tokenizer(Protocol):
    """What a format asks of a checkpoint's tokenizer; `ttstudy.models.text.TextTokenizer` is one."""

    folder: Any

    @property
    def encode(self) -> Callable[[str], tuple[int, ...]]:
        """Ids of plain text, never of a control token."""

    @property
    def bos(self) -> int:
        """Id of the token that begins a text; ValueError where there is none."""

    def find(self, *names: str) -> int:
        """Id of the first of the names that is a token; ValueError where none is."""

    def protect(self, tag: str) -> int:
        """Id of a tag that no text can write from now on."""

    def hole(self, number: int) -> str:
        """What stands for text `number` in a chat that is cut into pieces."""

    def chat_pieces(self, messages: Sequence[dict[str, str]], holes: int) -> list[str]:
        """What the folder's template writes before, between and after the holes."""

    def encode_template(self, pieces: Sequence[str], texts: Sequence[str]) -> list[int]:
        """Ids of pieces[0] + texts[0] + pieces[1] + ..., control tokens in the pieces only."""


class Encoder(Protocol):
    """How a problem and its steps become token ids; opened with a tokenizer."""

    tokenizer: Any

    def encode(self, problem: str, steps: Sequence[str]) -> Encoded:
        """Ids and positions of at least one step, none of them blank; ValueError otherwise."""

    def stem(self, problem: str) -> list[int]:
        """Ids that this problem's encodings begin with, whatever the steps (save for tokens at the seam)."""


class Tensors(Protocol):
    """What a head asks of a checkpoint; `ttstudy.models.checkpoint.Checkpoint` is one."""

    def tensor(self, key: str, shape: tuple[int, ...]) -> Tensor:
        """A tensor; ValueError where it is missing or its shape is another."""

    def vocabulary_rows(self, ids: Sequence[int]) -> Tensor:
        """Rows [n, hidden] of the language-model head."""


class Head:
    """From hidden states [n, hidden] at score positions to scores [n] in [0, 1], in fp32."""

    keys: ClassVar[tuple[str, ...]]
    """Tensors of the checkpoint that it is made of."""
    weights: dict[str, Tensor]

    def __init__(self, *parts: Tensor) -> None:
        """With the parts that `parts` reads, on a device."""
        raise NotImplementedError

    def __call__(self, hidden: Tensor) -> Tensor:
        """Scores [n] of hidden states [n, hidden] in fp32."""
        raise NotImplementedError

    @classmethod
    def shapes(cls, hidden: int) -> tuple[tuple[int, ...], ...]:
        """Shape of each tensor of `keys`, at a hidden size."""
        raise NotImplementedError

    @classmethod
    def parts(cls, checkpoint: Tensors, hidden: int, encoder: Encoder) -> list[Tensor]:
        """Its tensors; ValueError where the checkpoint lacks one or a shape is wrong."""
        return [checkpoint.tensor(key, shape) for key, shape in zip(cls.keys, cls.shapes(hidden), strict=True)]


class TwoTokens(Protocol):
    """An encoder whose head compares two tokens."""

    good: int
    bad: int


class TwoWay(Head):
    """Probability of `good` among the logits of two tokens: softmax(h W[[good, bad]].T)[0]."""

    keys = (LM_KEY,)

    def __init__(self, good_and_bad: Tensor) -> None:
        """`good_and_bad` [2, hidden]: rows of the language-model head."""
        self.weights = {"good_and_bad": good_and_bad.float()}

    def __call__(self, hidden: Tensor) -> Tensor:
        """See `Head.__call__`."""
        from torch.nn.functional import linear

        return linear(hidden, self.weights["good_and_bad"]).softmax(-1)[:, 0]

    @classmethod
    def parts(cls, checkpoint: Tensors, hidden: int, encoder: TwoTokens) -> list[Tensor]:  # type: ignore[override]
        """See `Head.parts`."""
        return [checkpoint.vocabulary_rows([encoder.good, encoder.bad])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooling:
    """How vLLM's pooling engine, which runs no code of a checkpoint, gives a format's scores.

    It pools the row of a classifier, or two rows of the vocabulary made one, at every token.
    """

    two_tokens: tuple[str, str] | None = None
    """Tokens of a two-token head, bad and good. It becomes one row, good less bad, of which vLLM takes the sigmoid."""
    renamed: Mapping[str, str] | None = None
    """Names of head tensors in a class that vLLM has itself, where the format's own is none; `config` names it."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """What config.json says beside the renamed tensors."""
    column: int = 0
    """Of the score in a row."""


@dataclass(frozen=True, slots=True)
class Published:
    """A model on the Hugging Face hub that is read in a format, with options of the format that are its own.

    `revision`: the commit that was checked; None where none is recorded yet, and then the caller names one.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    revision: str | None = None
    tokens: Mapping[str, int] = field(default_factory=dict)
    """Ids of tokens as its family's published code has them: a tokenizer that is built here must have them there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PRMFormat:
    """A format of process reward models."""

    label: str
    """As a text names the family."""
    version: int = 1
    """Raise it when token ids or scores change: what the format's PRMs scored is made again, and nothing else."""
    architectures: tuple[str, ...] = ()
    """In config.json, those that tell the format: no other model has them."""
    published: Mapping[str, Published] = field(default_factory=dict)
    """By id of the hub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadFormat(PRMFormat):
    """A format whose scores a head reads off hidden states: one pass over a solution gives all of them."""

    encoder: Callable[..., Encoder]
    """Opened with a tokenizer and the format's options; ValueError where the tokenizer lacks what the format needs."""
    head: type[Head]
    vllm: Pooling | None = None
    """None: vLLM cannot score in it."""
    markup: int = 1
    """Tokens that it writes around each step."""
    between: int = 0
    """Of those that it writes before a step, how many follow the last one's score: siblings share them."""

    @property
    def options(self) -> list[str]:
        """Names of the encoder's options."""
        return list(signature(self.encoder).parameters)[1:]


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

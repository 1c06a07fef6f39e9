"""What every generation engine offers: token ids in, token ids out, one seed per request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from ttstudy.data.prompts import THINK
from ttstudy.models.devices import Running

Finish = Literal["eos", "stop", "length", "context"]
"""Why a completion ended: end-of-text token, a stop text, `max_tokens`, or the model's context is full."""

Progress = Callable[[int, int], None]
"""Called with (requests finished so far, tokens generated so far)."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. Temperature 0 is greedy decoding."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    """Keep only the `top_k` likeliest tokens; 0 keeps all."""
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    """Generation ends when one of these texts is complete; the text stays in the completion."""
    likeliest: int = 0
    """Tell how sure the model was at each token, too: of all tokens, and of the `likeliest` ones. 0: do not."""


@dataclass(frozen=True, slots=True)
class Request:
    """One completion to draw.

    `seed` is an unsigned 64-bit number; the token at completion position `p` is a pure function of
    (prompt, seed, p, the tokens before it), whatever else is in the batch.
    """

    prompt: tuple[int, ...]
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """What was drawn: `ids` (with the end-of-text token, when that ended it) and their log-probabilities.

    `text` is the decoded completion without special tokens, the stop text included.
    `logprobs[i]` is the log-probability (nats, temperature 1) of `ids[i]`.
    """

    ids: tuple[int, ...]
    text: str
    logprobs: tuple[float, ...]
    finish: Finish
    prompt_tokens: int
    certainties: tuple[float, ...] | None = None
    peaks: tuple[float, ...] | None = None
    """As `ttstudy.kinds.confidences.Tokens` has them, where they were asked for; None where the engine has none."""

    @property
    def tokens(self) -> int:
        """Number of generated tokens, the end-of-text token included."""
        return len(self.ids)


def check(requests: Sequence[Request], vocabulary: int) -> None:
    """ValueError for an empty prompt, an id outside the vocabulary or a setting out of its range."""
    for number, request in enumerate(requests):
        sampling = request.sampling
        if not request.prompt:
            raise ValueError(f"Request {number} has an empty prompt; a prompt needs at least one token.")
        if min(request.prompt) < 0 or max(request.prompt) >= vocabulary:
            raise ValueError(f"Request {number} has a token id outside 0..{vocabulary - 1}.")
        if sampling.max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, not {sampling.max_tokens}.")
        if not sampling.temperature >= 0:
            raise ValueError(f"temperature must be 0 or more, not {sampling.temperature}.")
        if not 0 < sampling.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, not {sampling.top_p}.")
        if sampling.top_k < 0:
            raise ValueError(f"top_k must be 0 (all) or more, not {sampling.top_k}.")
        if sampling.likeliest < 0:
            raise ValueError(f"likeliest must be 0 (not told) or more, not {sampling.likeliest}.")
        if "" in sampling.stop:
            raise ValueError("A stop text must not be empty.")


class Engine(Protocol):
    """A loaded policy. Completions come back in the order of the requests."""

    name: str
    parameters: int
    context: int
    """Largest number of tokens, prompt and completion together."""
    running: Running

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Token ids of the chat prompt, with exactly one BOS where the model has one, ready for the answer."""

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, special tokens left out."""

    def generate(self, requests: Sequence[Request], progress: Progress | None = None) -> list[Completion]:
        """Draw one completion per request."""


def begins(engine: Engine, prompt: Sequence[int]) -> str:
    """What of the response stands in the prompt already: the mark that begins a reasoning model's thoughts, or nothing.

    Responses tell it, so that whoever reads one can tell thoughts from the answer.
    """
    return f"{THINK}\n" if engine.decode(prompt[-16:]).rstrip().endswith(THINK) else ""

"""What a generative PRM's format is made of: it is asked in text, thinks in text, and says yes or no.

A format tells what to ask and how what was written is read (`judge`). Who draws, how often and with which seeds is no
matter of the format: see `ttstudy.prms.judging`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

from ttstudy.kinds.formats._parts import PRMFormat

Chat = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Ask:
    """What the judge is to write next.

    `chat`: messages of a chat that it is to answer; None: it goes on from all that it has written. `begin`: what its
    answer begins, or goes on, with, which is given to it. It ends before one of the texts of `stop`.
    """

    begin: str
    chat: Chat | None = None
    stop: tuple[str, ...] = ()
    most: int | None = None
    """Tokens; None: as the study asks for."""
    plain: bool = False
    """Drawn from the model's own distribution, at temperature 1 with no token left out; else as the study asks for."""


Judgement = Generator[Ask, str, list[bool | None]]
"""Of one solution: yields what to ask, is sent what the judge wrote, returns a verdict on each step, None for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictFormat(PRMFormat):
    """A format of generative PRMs. A step's score is the share of judgements that say yes to it.

    A judgement that says nothing of a step (it was cut, or what it wrote cannot be read) says no yes.
    """

    judge: Callable[[str, Sequence[str]], Judgement]
    """Begins the judgement of (problem, steps); ValueError for no steps or a blank one."""
    temperature: float
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int
    """Of one answer; all four as published, where the study says nothing else."""
    per_step: bool = False
    """Whether each step is asked about by itself, after those before it; else one answer is about all of them."""

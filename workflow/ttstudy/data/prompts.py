"""Prompts: the instruction of each model family, where it is put, and how a response is cut into steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ttstudy.study.fields import Thinking

SEPARATOR = "\n\n"
"""What parts two steps of a solution (paper, section 4.1)."""


def split_steps(response: str, separator: str = SEPARATOR) -> list[str]:
    """Steps of a response: parts between separators, stripped, blank ones left out; lines may end as on Windows."""
    return [step.strip() for step in response.replace("\r\n", "\n").split(separator) if step.strip()]


_QWEN = "Please reason step by step, and put your final answer within \\boxed{}."
_LLAMA = """Solve the following math problem efficiently and clearly:

- For simple problems (2 steps or fewer):
Provide a concise solution with minimal explanation.

- For complex problems (3 steps or more):
Use this step-by-step format:

## Step 1: [Concise description]
[Brief explanation and calculations]

## Step 2: [Concise description]
[Brief explanation and calculations]

...

Regardless of the approach, always conclude with:

Therefore, the final answer is: $\\boxed{answer}$. I hope it is correct.

Where [answer] is just the final number or expression that solves the problem."""


class Family(NamedTuple):
    """How a family of models is asked: a system message (None: none), and text after the problem."""

    system: str | None
    after: str = ""


FAMILIES = {
    "plain": Family(None),
    "llama": Family(_LLAMA),
    "qwen": Family(_QWEN),
    "deepseek-r1": Family(None, f"\n{_QWEN}"),
    "boxed": Family(None, f"\n{_QWEN}"),
}
"""Instructions by family, to the letter (paper, tables 7 and 8; the official code, `evaluate.py` and `base_env.py`).

`boxed` is our own, for any chat model: it asks for a box after the problem; the system text stays the template's.
"""


THINK = "<think>"
"""What a reasoning model's thoughts begin with."""

_ANSWER: dict[Thinking, list[dict[str, str]]] = {
    "template": [],
    "open": [{"role": "assistant", "content": f"{THINK}\n"}],
    "none": [{"role": "assistant", "content": ""}],  # as the official code asks: the answer is begun with nothing
}


def messages(
    family: str,
    problem: str,
    thinking: Thinking = "template",
    system: str | None = None,
    examples: Sequence[tuple[str, str]] = (),
) -> list[dict[str, str]]:
    """Chat messages of a problem; a last one of the assistant is the beginning of the answer, to be continued.

    `plain` gives the problem alone; R1-Distill takes no system message. `system`, where it is not None, takes the place
    of the family's, "" of any. `examples`: problems with responses, as earlier turns.
    """
    own, after = FAMILIES[family]
    told = own if system is None else system or None
    instruction = [] if told is None else [{"role": "system", "content": told}]
    turns = [
        {"role": role, "content": text}
        for asked, answered in examples
        for role, text in (("user", asked + after), ("assistant", answered))
    ]
    return [*instruction, *turns, {"role": "user", "content": problem + after}, *_ANSWER[thinking]]

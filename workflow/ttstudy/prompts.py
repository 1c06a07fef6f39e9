"""Prompts: the instruction of each model family, where it is put, and how a response is cut into steps."""

from __future__ import annotations

SEPARATOR = "\n\n"
"""What parts two steps of a solution (paper, section 4.1)."""


def split_steps(response: str, separator: str = SEPARATOR) -> list[str]:
    """Steps of a response: parts between separators, stripped, blank ones left out."""
    return [step.strip() for step in response.split(separator) if step.strip()]

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
SYSTEM = {"llama": _LLAMA, "qwen": _QWEN}
"""System message by family, to the letter (paper, tables 7 and 8)."""


def messages(family: str, problem: str) -> list[dict[str, str]]:
    """Chat messages of a problem. `plain` gives the problem alone; R1-Distill takes no system message."""
    if family == "deepseek-r1":
        return [{"role": "user", "content": f"{problem}\n{_QWEN}"}]
    system = [{"role": "system", "content": SYSTEM[family]}] if family in SYSTEM else []
    return [*system, {"role": "user", "content": problem}]

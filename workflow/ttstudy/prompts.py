"""Prompts: the instruction of each model family, where it is put, and how a response is cut into steps."""

from __future__ import annotations

SEPARATOR = "\n\n"
"""What parts two steps of a solution (paper, section 4.1)."""


def split_steps(response: str, separator: str = SEPARATOR) -> list[str]:
    """Steps of a response: parts between separators, stripped, blank ones left out."""
    return [step.strip() for step in response.split(separator) if step.strip()]

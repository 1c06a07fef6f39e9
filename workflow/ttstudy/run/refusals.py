"""Where the examination of the data says what it refused: a log of its own, which the end of a run quotes."""

from __future__ import annotations


def log(folder: str, benchmark: str, policy: str) -> str:
    """Log of a cell's examination."""
    return f"{folder}/logs/{benchmark}/{policy}.examine.log"

"""Mistakes told to people: one printable line, whatever text of others is quoted in it."""

from __future__ import annotations

import re

_LONGEST = 2000
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def one_line(text: str, longest: int = _LONGEST) -> str:
    r"""The text on one line of at most so many characters, control characters spelled out (\x1b)."""
    if len(text) > longest:
        text = text[: longest - 3] + "..."
    return _UNPRINTABLE.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), text)


class StudyError(ValueError):
    """A mistake in configuration or data, told in one sentence that names the key, or the file and its line."""

    def __init__(self, message: str) -> None:
        """`message` may quote text that others wrote."""
        super().__init__(one_line(message))

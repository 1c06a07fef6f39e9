"""What the rows of files that people give have in common: JSON objects a line, and ids of problems."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

LONGEST_ID = 200
"""Characters of a problem's id."""


class KeyTwiceError(ValueError):
    """A JSON object gives a key twice; the text says which."""


def json_value(text: str | bytes) -> Any:
    """The value of a JSON text; KeyTwiceError where an object in it gives a key twice, else as `json.loads`."""
    return json.loads(text, object_pairs_hook=unique)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs; KeyTwiceError where a key is given twice."""
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise KeyTwiceError(f"key {next(name for name in names if names.count(name) > 1)!r} is given twice")
    return row


def odd_id(text: str) -> str | None:
    """What is wrong with a problem's id, which is seen in tables and told apart from others; None: nothing."""
    if len(text) > LONGEST_ID or any(mark in text for mark in "\n\r\t"):
        return f"must be one line of at most {LONGEST_ID} characters"
    odd = next((mark for mark in text if unicodedata.category(mark) in ("Cc", "Cf", "Cs", "Zl", "Zp")), None)
    return None if odd is None else f"has the character {odd!a}; write it as plain text"


def same_id(text: str) -> str:
    """What two ids have in common that look the same: how their accents are composed makes no difference."""
    return unicodedata.normalize("NFC", text)

"""Columns by name or by path: `question`, `doc.question`, `resps[0]`, `choices[*].message.content`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

_PART = re.compile(r"\.?([^.\[\]]+)|\[(-?\d{1,6}|\*)\]")
SHOWN = 24
"""Columns that a message names."""


def pick(row: Mapping[str, Any], path: str) -> Any:
    """What stands under a name, or at the end of a path; None where nothing does.

    A name with dots in it goes before a path. A text on the way that holds JSON is read, as tables keep nested values.
    `[*]` gives the list of what the rest of the path has in each item of a list.
    """
    if path in row:
        return row[path]
    parts = list(_PART.finditer(path))
    return _at(row, parts) if "".join(part[0] for part in parts) == path else None


def _at(value: Any, parts: Sequence[re.Match[str]]) -> Any:
    """What stands at the end of a path's parts."""
    if value is None or not parts:
        return value
    if isinstance(value, str) and value[:1] in "{[":
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    (name, index), rest = parts[0].groups(), parts[1:]
    if name is not None:
        return _at(value.get(name), rest) if isinstance(value, Mapping) else None
    if not isinstance(value, list):
        return None
    if index == "*":
        found = [_at(item, rest) for item in value]
        return None if all(item is None for item in found) else found
    place = int(index)
    return _at(value[place], rest) if -len(value) <= place < len(value) else None


def columns(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names that rows have, each once, with those within objects as paths."""
    found: dict[str, None] = {}
    for row in rows:
        for name, value in row.items():
            found.setdefault(str(name))
            if isinstance(value, Mapping):
                found |= {f"{name}.{inner}": None for inner in value}
    return list(found)


def told(names: Iterable[str]) -> str:
    """Names of columns as a message has them."""
    names = list(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "none") + more

"""Columns by name or by path: `question`, `doc.question`, `resps[0]`, `choices[0].message.content`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

_PART = re.compile(r"\.?([^.\[\]]+)|\[(-?\d{1,6})\]")
SHOWN = 24
"""Columns that a message names."""


def pick(row: Mapping[str, Any], path: str) -> Any:
    """What stands under a name, or at the end of a path; None where nothing does.

    A name with dots in it goes before a path. A text on the way that holds JSON is read, as tables keep nested values.
    """
    if path in row:
        return row[path]
    value: Any = row
    end = 0
    for found in _PART.finditer(path):
        if found.start() != end:
            return None
        end = found.end()
        if isinstance(value, str) and value[:1] in "{[":
            with suppress(ValueError, RecursionError):
                value = json.loads(value)
        if found[1] is not None:
            value = value.get(found[1]) if isinstance(value, Mapping) else None
        else:
            index = int(found[2])
            value = value[index] if isinstance(value, list) and -len(value) <= index < len(value) else None
        if value is None:
            return None
    return value if end == len(path) else None


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

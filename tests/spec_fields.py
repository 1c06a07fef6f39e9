"""Every field that decides a result, and its default: `python tests/spec_fields.py` writes spec_fields.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, get_args

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "workflow")]

from pydantic import BaseModel  # noqa: E402

from ttstudy.dag.specs.kinds import KINDS  # noqa: E402
from ttstudy.dag.specs.records import File, deciding  # noqa: E402
from ttstudy.study.fields import Mark  # noqa: E402


def fields() -> dict[str, dict[str, Any]]:
    """By class: field, and its default (`required`); with ` (own)` behind the name where it is not its folder's."""
    found: dict[str, dict[str, Any]] = {}
    todo: list[type[BaseModel]] = list(KINDS.values())
    while todo:
        kind = todo.pop()
        if kind.__name__ in found or kind is File:
            continue
        mine = found[kind.__name__] = {}
        for name, field in kind.model_fields.items():
            if Mark.FREE in field.metadata:
                continue
            default = "required" if field.is_required() else deciding(field.get_default(call_default_factory=True))
            mine[f"{name} (own)" if Mark.OWN in field.metadata else name] = default
            todo.extend(_records(field.annotation))
    return {name: dict(sorted(found[name].items())) for name in sorted(found)}


def _records(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [kind for part in get_args(annotation) for kind in _records(part)]


if __name__ == "__main__":
    text = json.dumps(fields(), indent=1, sort_keys=True) + "\n"
    Path(__file__).with_suffix(".json").write_text(text)

"""Keys of the schema that runs set off their defaults and that reached a report: noted where studies are run.

`tests/reached.json` tells them by the test that ran the study, each key once. A run that reaches less than it says of
its test fails. With TTSTUDY_NOTE_KEYS=1 a run writes down what no other one reaches, instead.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from ttstudy.study import Study

FILE = Path(__file__).with_suffix(".json")
NOTE = "TTSTUDY_NOTE_KEYS"
_RUNS: Counter[str] = Counter()


def keys(study: Study) -> set[str]:
    """`Class.key`, as the schema has them, of everything that a study gives another value than its default."""
    return set(_told(study))


def _told(value: object) -> Iterator[str]:
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            item = getattr(value, name)
            if field.is_required() or item != field.get_default(call_default_factory=True):
                yield f"{type(value).__name__}.{field.alias or name}"
                yield from _told(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _told(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _told(item)


def known() -> dict[str, list[str]]:
    """By `file::test`: keys that its run reached. A second run of a test has ` #2` behind its name."""
    found: dict[str, list[str]] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def note(study: Study, by: str | None = None, based: bool = False) -> None:
    """Hold what a run reached against what is known of who ran it, by default the current test; or write it down.

    `based`: the study is a variation of another one's file.
    """
    name = by or Path(os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]).name
    if not name:
        return
    _RUNS[name] += 1
    who = name if by or _RUNS[name] == 1 else f"{name} #{_RUNS[name]}"
    reached = keys(study) | ({"Study.base"} if based else set())
    if not os.environ.get(NOTE):
        lost = sorted(set(known().get(who, ())) - reached)
        assert not lost, f"{who} does not reach {', '.join(lost)} any more; see tests/reached.py"
        return
    with FILE.open("r+", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        whole = json.load(stream)
        elsewhere = {key for other, those in whole.items() if other != who for key in those}
        whole[who] = sorted(reached - elsewhere)
        text = json.dumps({other: those for other, those in sorted(whole.items()) if those}, indent=1) + "\n"
        stream.seek(0)
        stream.truncate()
        stream.write(text)

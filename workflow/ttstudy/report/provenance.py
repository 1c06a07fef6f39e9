"""Where a report's numbers come from, as sentences and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ttstudy.report.cells import Column, Table


@dataclass(frozen=True)
class Made:
    """When, with what and how a report was made; "" where it is not known."""

    date: str
    version: str
    commit: str
    changed: bool
    """Whether the checkout had changes that its commit does not have."""
    command: str
    rerun: list[str]


def made(context: Mapping[str, Any]) -> Made:
    """From the report's context."""
    commit = str(context.get("commit") or "")
    known = commit.removesuffix("+changes").replace("unknown", "")
    command = str(context.get("command") or "ttstudy run config.yaml")
    return Made(
        str(context.get("date") or ""),
        str((context.get("versions") or {}).get("ttstudy") or ""),
        known,
        commit.endswith("+changes"),
        command,
        [*([f"git checkout {known}"] if known else []), command],
    )


_STEPS = (
    "Jobs behind this report by rule, and what they took when they ran. Cached ones were found ready. A checkpoint "
    "that comes with the software took next to nothing here"
)


def of(context: Mapping[str, Any]) -> dict[str, Any]:
    """Where the numbers come from, as tables and text; what the context lacks is left out."""
    tables = []
    versions = context.get("versions") or {}
    if versions:
        frame = pd.DataFrame({"name": list(versions), "version": [str(v) for v in versions.values()]})
        tables.append(
            Table("versions-data", "Versions", [Column("name", "Program"), Column("version", "Version")], frame)
        )
    steps = pd.DataFrame(list(context.get("steps") or []))
    if len(steps):
        libraries = context.get("libraries") or {}
        steps["libraries"] = [_plain(libraries.get(rule, "")) for rule in steps["rule"]]
        columns = [
            Column("rule", "Rule"), Column("jobs", "Jobs", "count"), Column("cached", "of them cached", "count"),
            Column("unrecorded", "without record", "count"), Column("seconds", "Seconds", "seconds"),
            Column("cpu_seconds", "CPU seconds", "seconds"), Column("tokens", "Tokens", "count"),
            Column("peak_bytes", "Peak memory", "bytes"), Column("libraries", "Drawn or scored with"),
        ]  # fmt: skip
        tables.append(Table("steps-data", _STEPS, [c for c in columns if c.name in steps], steps))
    checksums = context.get("checksums") or {}
    if checksums:
        frame = pd.DataFrame({"path": list(checksums), "sha256": [str(v) for v in checksums.values()]})
        columns = [Column("path", "File"), Column("sha256", "SHA-256")]
        tables.append(Table("checksums-data", "Checksums", columns, frame, folded=True))
    facts = [(label, _plain(context.get(key))) for key, label in (
        ("study", "Study"), ("commit", "Commit"), ("seeds", "Seeds"), ("hardware", "Hardware"),
    ) if context.get(key) not in (None, "", {}, [])]  # fmt: skip
    return {"facts": facts, "tables": tables, "config": context.get("config") or ""}


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

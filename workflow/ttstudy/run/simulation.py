"""Simulated GPUs of a rehearsal: jobs take them through the real locks and run on the CPU; who held which is kept.

A rehearsal states the devices, and how many each pair of models takes at full size, in a file of one folder.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ttstudy.dag.specs import files as specs
from ttstudy.run import gpus, provenance

FOLDER = gpus.SIMULATED
_BOX, _HELD = "box.json", "held.jsonl"


class Hold(NamedTuple):
    """A job that held devices: the file of its spec, and from when to when, in seconds since 1970."""

    spec: str
    devices: tuple[str, ...]
    start: float
    end: float | None
    """None: it left no record of its end."""


def set_up(folder: Path, devices: Iterable[str], wanted: Mapping[tuple[str, str], int]) -> None:
    """Write what jobs are told: the devices, and how many each (policy, PRM) takes, "" for none of the two."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"devices": list(devices), "gpus": {"|".join(pair): count for pair, count in wanted.items()}}
    (folder / _BOX).write_text(json.dumps(told, indent=1), encoding="utf-8")
    (folder / _HELD).touch()


def here(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Folder of the simulated box that this process is in; None where GPUs are real."""
    found = environment.get(FOLDER)
    return Path(found) if found else None


def wanted(folder: Path, policy: str | None, prm: str | None) -> int:
    """Devices that a job with these models takes."""
    told = json.loads((folder / _BOX).read_text(encoding="utf-8"))
    return int(told["gpus"].get(f"{policy or ''}|{prm or ''}", 0))


def take(folder: Path, count: int, spec: str) -> None:
    """Wait for simulated devices, hold them as real ones are held, and note it."""
    devices = ",".join(json.loads((folder / _BOX).read_text(encoding="utf-8"))["devices"])
    held = gpus.take(count, {"CUDA_VISIBLE_DEVICES": devices}, folder / "locks")
    if held:
        line = json.dumps({"spec": str(Path(spec).resolve()), "devices": held.split(","), "start": time.time()})
        with (folder / _HELD).open("a", encoding="utf-8") as stream:
            stream.write(f"{line}\n")


def holds(folder: Path, root: Path) -> list[Hold]:
    """Who held which devices, by start; a job's end is when it wrote its record. `root`: where the jobs ran."""
    found = []
    for line in (folder / _HELD).read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        product = next(iter(specs.content(told["spec"])["spec"]["outputs"].values()))
        record = provenance.beside(root / product)
        end = record.stat().st_mtime if record.exists() else None
        found.append(Hold(told["spec"], tuple(told["devices"]), told["start"], end))
    return sorted(found, key=lambda hold: hold.start)


def overlaps(found: Iterable[Hold]) -> list[tuple[str, Hold, Hold]]:
    """Devices that two jobs held at one time, with both; none where the locks do what they are for."""
    last: dict[str, Hold] = {}
    both = []
    for hold in sorted(found, key=lambda hold: hold.start):
        for device in hold.devices:
            before = last.get(device)
            if before is not None and before.end is not None and before.end > hold.start:
                both.append((device, before, hold))
            last[device] = hold
    return both

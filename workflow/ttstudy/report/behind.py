"""What the page says of the jobs and problems behind it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from ttstudy.run.provenance import RUN, beside, read


def jobs(products: Iterable[tuple[str, Path]]) -> list[dict[str, Any]]:
    """What the jobs behind a study took, by step, from (step, first output) pairs; a record knows its step better.

    Per step (column `rule`): jobs, cached (not made by the run that asks), unrecorded (left no record), seconds,
    cpu_seconds, tokens (summed) and peak_bytes (largest). A step none of whose jobs left a record has None in
    their place.
    """
    rules: dict[str, dict[str, Any]] = {}
    sums = ("seconds", "cpu_seconds", "tokens")
    for rule, product in products:
        known = read(beside(product))
        rule = known["step"] if known and "step" in known else rule
        row = rules.setdefault(rule, {"rule": rule, "jobs": 0, "cached": 0, "unrecorded": 0} | dict.fromkeys(
            (*sums, "peak_bytes")))  # fmt: skip
        row["jobs"] += 1
        row["cached"] += known is None or known.get("run") != os.environ.get(RUN, "")
        row["unrecorded"] += known is None
        for name in sums:
            if known and name in known:
                row[name] = round((row[name] or 0) + known[name], 2)
        if known:
            row["peak_bytes"] = max(row["peak_bytes"] or 0, known.get("peak_bytes", 0))
    return list(rules.values())


def machines(products: Iterable[tuple[str, Path]]) -> list[str]:
    """Hardware of the jobs that left a record, each once, in the order met."""
    found = (read(beside(product)) for _, product in products)
    return list(dict.fromkeys(str(known["hardware"]) for known in found if known and "hardware" in known))


def drawn_with(products: Iterable[tuple[str, Path]]) -> dict[str, dict[str, str]]:
    """Libraries of the jobs behind a study by step, then distribution: their version, or all in the order met."""
    met: dict[str, dict[str, dict[str, None]]] = {}
    for rule, product in products:
        known = read(beside(product)) or {}
        for name, used in dict(known.get("libraries", {})).items():
            met.setdefault(str(known.get("step", rule)), {}).setdefault(name, {})[str(used)] = None
    return {rule: {name: ", ".join(found) for name, found in names.items()} for rule, names in met.items()}


def problems(frame: pd.DataFrame) -> dict[str, str]:
    """Twelve hexadecimal characters for the text and the key of each problem, by id."""
    pairs = zip(frame["problem_id"], frame["problem"], frame["answer"], strict=True)
    return {key: sha256(f"{text}\0{answer}".encode("utf-8", "replace")).hexdigest()[:12] for key, text, answer in pairs}

"""What the page says of the jobs and problems behind it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ttstudy.dag import places
from ttstudy.kinds.methods import GREEDY, METHODS, POOLED, SEARCHES, growth_of
from ttstudy.run.provenance import RUN, beside, read
from ttstudy.study.policies import Price


class Done(NamedTuple):
    """A job behind the page: its step, its first output, and the record that it left, if it left one."""

    step: str
    product: Path
    record: dict[str, Any] | None


def records(products: Iterable[tuple[str, Path]]) -> list[Done]:
    """Jobs with their records, each read once, from (step, first output) pairs."""
    return [Done(step, product, read(beside(product))) for step, product in products]


def jobs(done: Iterable[Done]) -> list[dict[str, Any]]:
    """What the jobs behind a study took, by step; a record knows its step better.

    Per step (column `rule`): jobs, cached (not made by the run that asks), unrecorded (left no record), seconds,
    cpu_seconds, tokens (summed) and peak_bytes (largest). A step none of whose jobs left a record has None in
    their place.
    """
    rules: dict[str, dict[str, Any]] = {}
    sums = ("seconds", "cpu_seconds", "tokens")
    for rule, _, known in done:
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


def charged(done: Iterable[Done], policies: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What endpoints with a price charged, by policy: jobs, unrecorded ones, tokens in and out, price, currency.

    By what the jobs' records say of the responses that they gave: each once, pilot and all, whichever job asked for it
    first. `policies`: those of the study's configuration.
    """
    priced = {name: Price.model_validate(item["price"]) for name, item in policies.items() if item.get("price")}
    rows: dict[str, dict[str, Any]] = {
        name: {"policy": name, "jobs": 0, "unrecorded": 0, "input": 0, "output": 0, "currency": price.currency}
        for name, price in priced.items()
    }
    for step, product, known in done:
        if step != "ask" or (row := rows.get(product.parents[1].name)) is None:
            continue
        row["jobs"] += 1
        row["unrecorded"] += "prompt_tokens" not in (known or {})
        row["input"] += int((known or {}).get("prompt_tokens", 0))
        row["output"] += int((known or {}).get("response_tokens", 0))
    return [row | {"price": priced[name].of(row["input"], row["output"])} for name, row in rows.items()]


TIMED = ("sample", "ask", "score", "search")
"""Steps whose time is a method's."""
TIME = ("seconds", "cpu_seconds", "gpu_seconds")
Time = dict[str, float]
"""`TIME` of the jobs of something."""


def _time(known: dict[str, Any] | None) -> Time | None:
    """What a job's record tells of its time; None where it tells none. An earlier version told no GPU seconds."""
    told = {"gpu_seconds": 0.0} | (known or {})
    return {name: float(told[name]) for name in TIME} if all(name in told for name in TIME) else None


def _scaled(time: Time, factor: float) -> Time:
    return {name: factor * amount for name, amount in time.items()}


def _sum(times: Sequence[Time]) -> Time:
    return {name: sum(time[name] for time in times) for name in times[0]}


def times(
    done: Iterable[Done], cells: pd.DataFrame, problems: Mapping[str, int], results: str
) -> list[dict[str, Any]]:
    """Time per problem of every method at every N, from the records of the jobs that drew, scored and searched.

    Products of `done` lie below the folder `results`; `cells` names (benchmark, policy, prm, method, budget);
    `problems` counts those of each benchmark. A response of a pool costs its block's share, N responses N times as
    much; independent trees at a smaller N a share of theirs, and several runs their mean: the conventions of the
    ledger. Cells of which a job left no record, or whose responses or scores were recorded elsewhere, are left out.
    `hardware` of a cell is that of its jobs, each once; "" where no record tells it.
    """
    drawn: dict[tuple[str, ...], list[Time]] = {}
    machines: dict[tuple[str, ...], dict[str, None]] = {}
    sizes: dict[tuple[str, ...], int] = {}
    gone: set[tuple[str, ...]] = set()
    for step, product, record in done:
        if step not in TIMED:
            continue
        for kind, pattern in (("drawn", places.RESPONSES), ("scored", places.SCORES), ("searched", places.SEARCH)):
            if (found := places.names(pattern, str(product), results=results)) is None:
                continue
            pool = found.get("pool", found.get("method", "")) if kind != "searched" else found["method"]
            key = (found["benchmark"], found["policy"], kind, pool, found.get("prm", "none"), found.get("budget", ""))
            if (time := _time(record)) is None:
                gone.add(key)
            else:
                drawn.setdefault(key, []).append(time)
                machines.setdefault(key, {})[str((record or {}).get("hardware", ""))] = None
                size = int(found["last"]) - int(found["first"]) + 1 if "last" in found else 1
                sizes[key] = sizes.get(key, 0) + size
    rows = []
    for cell in cells.drop_duplicates().itertuples(index=False):
        parts = _parts(cell, drawn)
        if not parts or any(key in gone or key not in drawn for key, _ in parts):
            continue
        whole = _sum([_scaled(_sum(drawn[key]), factor / sizes[key]) for key, factor in parts])
        ran_on = dict.fromkeys(name for key, _ in parts for name in machines[key] if name)
        told = {"hardware": "; ".join(ran_on)}
        rows.append(cell._asdict() | _scaled(whole, 1 / problems[cell.benchmark]) | told)
    return rows


def _parts(cell: Any, drawn: Mapping[tuple[str, ...], Any]) -> list[tuple[tuple[str, ...], float]]:
    """The jobs behind a cell, each with how many of what it made (responses, or a search) the cell takes."""
    method, place = METHODS[cell.method], (cell.benchmark, cell.policy)
    if cell.method == GREEDY:
        return [((*place, "drawn", GREEDY, "none", ""), 1.0)]  # its pool has its name
    if cell.method in POOLED:
        scored = [((*place, "scored", "samples", cell.prm, ""), float(cell.budget))] if method.judged == "prm" else []
        return [((*place, "drawn", "samples", "none", ""), float(cell.budget)), *scored]
    if cell.method not in SEARCHES:
        return []
    mine = (*place, "searched", cell.method, cell.prm)
    run = [int(key[-1]) for key in drawn if key[:-1] == mine]
    budget = max(run, default=0) if growth_of(cell.method).independent else cell.budget
    return [((*mine, places.number(budget)), cell.budget / budget)] if budget in run else []


def machines(done: Iterable[Done]) -> list[str]:
    """Hardware of the jobs that left a record, each once, in the order met."""
    return list(dict.fromkeys(str(job.record["hardware"]) for job in done if job.record and "hardware" in job.record))


def drawn_with(done: Iterable[Done]) -> dict[str, dict[str, str]]:
    """Libraries of the jobs behind a study by step, then distribution: their version, or all in the order met."""
    met: dict[str, dict[str, dict[str, None]]] = {}
    for rule, _, record in done:
        known = record or {}
        for name, used in dict(known.get("libraries", {})).items():
            met.setdefault(str(known.get("step", rule)), {}).setdefault(name, {})[str(used)] = None
    return {rule: {name: ", ".join(found) for name, found in names.items()} for rule, names in met.items()}


def problems(frame: pd.DataFrame) -> dict[str, str]:
    """Twelve hexadecimal characters for the text and the key of each problem, by id."""
    pairs = zip(frame["problem_id"], frame["problem"], frame["answer"], strict=True)
    return {key: sha256(f"{text}\0{answer}".encode("utf-8", "replace")).hexdigest()[:12] for key, text, answer in pairs}

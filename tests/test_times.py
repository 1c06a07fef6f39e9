"""Time per problem of every method, from what jobs left beside their results; no time is asserted of this machine."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tests import report_world
from ttstudy.analysis.definitions import StudyTables, per_problem
from ttstudy.analysis.matched import timed
from ttstudy.dag import places
from ttstudy.report import behind
from ttstudy.report.blocks import Results
from ttstudy.report.sections import SECTIONS
from ttstudy.run import provenance, sharing
from ttstudy.run.provenance import beside

NAMES = {"benchmark": "b.1", "policy": "p-1", "pool": "samples", "prm": "good", "method": "dvts", "first": "0000",
         "last": "0063", "budget": "0064", "spec": "0a1b2c3d", "drawn": "4d5e6f70", "table": "answers"}  # fmt: skip


@pytest.mark.parametrize("pattern", [places.RESPONSES, places.SCORES, places.SEARCH])
def test_a_path_tells_the_names_that_it_was_made_of_and_is_of_one_kind_alone(pattern):
    path = pattern.format(results="some/results", **NAMES)
    found = places.names(pattern, path, results="some/results")
    assert found == {name: NAMES[name] for name in found} and len(found) > 4
    others = {places.RESPONSES, places.SCORES, places.SEARCH} - {pattern}
    assert all(places.names(other, path, results="some/results") is None for other in others)
    assert places.names(pattern, path, results="results") is None


def left(folder: Path, step: str, pattern: str, seconds: float | None, **names: str) -> tuple[str, Path]:
    """A job's product and, where `seconds` are given, its record: CPU half as much, on two GPUs."""
    product = Path(pattern.format(**{**NAMES, "results": "results", **names}))
    (folder / product.parent).mkdir(parents=True, exist_ok=True)
    if seconds is not None:
        record = {"step": step, "seconds": seconds, "cpu_seconds": seconds / 2, "gpu_seconds": 2 * seconds}
        record["hardware"] = "a machine" if step == "sample" else "another"
        (folder / beside(product)).write_text(json.dumps(record))
    return step, product


def cells(*rows: tuple[str, str, int]) -> pd.DataFrame:
    columns = ["benchmark", "policy", "prm", "method", "budget"]
    return pd.DataFrame([("b.1", "p-1", *row) for row in rows], columns=columns)


def test_each_method_costs_what_its_jobs_took_by_the_conventions_of_the_ledger(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    products = [
        left(tmp_path, "sample", places.RESPONSES, 3, pool="cot", last="0000"),
        left(tmp_path, "sample", places.RESPONSES, 500, pool="pilot"),
        left(tmp_path, "sample", places.RESPONSES, 20),
        left(tmp_path, "sample", places.RESPONSES, 44, first="0064", last="0127"),
        left(tmp_path, "score", places.SCORES, 60),
        left(tmp_path, "score", places.SCORES, 68, first="0064", last="0127"),
        left(tmp_path, "score", places.SCORES, 10, prm="lost"),
        left(tmp_path, "score", places.SCORES, None, prm="lost", first="0064", last="0127"),
        left(tmp_path, "search", places.SEARCH, 100),
        left(tmp_path, "search", places.SEARCH, 300, spec="11111111"),  # another run of it
        left(tmp_path, "search", places.SEARCH, 7, method="beam_search", budget="0004"),
        left(tmp_path, "recorded_responses", places.RESPONSES, 1, pool="cot", policy="logged", last="0000"),
        left(tmp_path, "grade", places.RESPONSES, 9, pool="cot", policy="other", last="0000"),
    ]
    wanted = cells(
        ("none", "cot", 1), ("none", "majority", 4), ("none", "majority", 4), ("good", "best_of_n", 8),
        ("lost", "best_of_n", 8), ("good", "dvts", 64), ("good", "dvts", 16), ("good", "beam_search", 4),
        ("good", "beam_search", 16), ("none", "coverage", 4),
    )  # fmt: skip
    wanted = pd.concat([wanted, wanted[:1].assign(policy="logged"), wanted[:1].assign(policy="other")])
    found = behind.times(behind.records(products), wanted, {"b.1": 10}, "results")
    times = {(row["policy"], row["prm"], row["method"], row["budget"]): row for row in found}
    seconds = {key[1:]: row["seconds"] for key, row in times.items() if key[0] == "p-1"}
    assert seconds == {
        ("none", "cot", 1): pytest.approx(0.3),
        ("none", "majority", 4): pytest.approx(4 * 64 / 128 / 10),
        ("good", "best_of_n", 8): pytest.approx(8 * (64 + 128) / 128 / 10),
        ("good", "dvts", 64): pytest.approx(200 / 10),
        ("good", "dvts", 16): pytest.approx(50 / 10),
        ("good", "beam_search", 4): pytest.approx(0.7),
    }
    assert len(times) == len(seconds)  # neither a record that is lost nor a response drawn elsewhere is a time
    best = times["p-1", "good", "best_of_n", 8]
    assert best["cpu_seconds"] == pytest.approx(best["seconds"] / 2)
    assert best["gpu_seconds"] == pytest.approx(best["seconds"] * 2)
    assert best["hardware"] == "a machine; another" and times["p-1", "none", "cot", 1]["hardware"] == "a machine"


def test_a_record_that_tells_no_time_is_as_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    step, product = left(tmp_path, "sample", places.RESPONSES, 3, pool="cot", last="0000")
    found = behind.times(behind.records([(step, product)]), cells(("none", "cot", 1)), {"b.1": 1}, "results")
    assert len(found) == 1
    beside(product).write_text(json.dumps({"step": step, "seconds": 3.0}))
    done = behind.records([(step, product)])
    assert behind.times(done, cells(("none", "cot", 1)), {"b.1": 1}, "results") == []
    assert behind.jobs(done)[0]["seconds"] == 3.0


def test_what_shards_took_adds_up_and_is_not_told_where_one_left_no_record(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole, *parts = (SimpleNamespace(product=f"{name}.parquet") for name in ("whole", "one", "two"))
    for part, seconds, gpus in zip(parts, (100, 10), (1, 4), strict=True):
        provenance.write(Path(part.product), {"seconds": seconds, "cpu_seconds": 1, "gpu_seconds": seconds * gpus})
    sharing._record(whole, parts)
    told = provenance.read(beside(Path(whole.product)))
    assert (told["seconds"], told["gpu_seconds"], told["shards"]) == (110, 140, 2)
    beside(Path(parts[1].product)).unlink()
    sharing._record(whole, parts)
    assert not [name for name in provenance.read(beside(Path(whole.product))) if name.endswith("seconds")]


@cache
def study() -> StudyTables:
    world = report_world.world(problems=30, policies={"mini-60k": 61_440}, budgets=(4, 16, 64))
    return StudyTables(world, order=report_world.CONTEXT["order"])


def seconds_of(told: StudyTables) -> dict:
    frame = told.table("accuracy")[["benchmark", "policy", "prm", "method", "budget"]].drop_duplicates()
    slow = {"beam_search": 4.0, "dvts": 1.0}
    rows = frame.itertuples(index=False, name=None)
    return {key: key[4] * slow.get(key[3], 1.0) for key in rows if key[3] != "coverage"}


def test_in_the_time_of_best_of_n_a_method_stands_where_it_has_taken_as_long():
    found = timed(study(), seconds_of(study())).set_index(["prm", "method", "budget"])
    assert set(found["match"]) == {"seconds"}
    row = found.loc["prm-good", "beam_search", 64]
    assert row["spent"] == pytest.approx(16) and row["cost"] == row["base_cost"] == 64  # four times as slow
    assert ("prm-good", "beam_search", 4) not in found.index  # its smallest N takes longer
    assert found.loc[("prm-good", "dvts", 16), "spent"] == 16
    assert timed(study(), {}).empty


def test_the_report_tells_times_where_jobs_left_them_and_has_no_such_section_else():
    told, seconds = study(), seconds_of(study())
    names = ["benchmark", "policy", "prm", "method", "budget"]
    spent = ("seconds", "cpu_seconds", "gpu_seconds")
    times = [dict(zip(names, key, strict=True)) | dict.fromkeys(spent, amount) | {"hardware": "a box"}
             for key, amount in seconds.items()]  # fmt: skip
    given = {"times": times, "timed": timed(told, seconds)}
    section = SECTIONS["time"].on_page("time", Results.of(told), given)
    assert section is not None and len(section.blocks) == 3 and "one kind of machine: a box." in section.finding
    assert section.finding.startswith("The dearest method took 256 seconds a problem (mini-60k, Beam search, N = 64).")
    largest = section.blocks[0].table
    assert {"seconds", "speed", "flops_total"} <= {column.name for column in largest.columns}
    assert "hardware" in {column.name for column in section.blocks[1].table.columns}
    row = largest.frame.query("method == 'Beam search'").iloc[0]
    rule = "method == 'beam_search' and budget == 64 and prm == @row.prm"
    (paid,) = per_problem(told.table("ledger")).query(rule).to_dict("records")
    assert row["flops_total"] == paid["flops_total"] and row["speed"] == pytest.approx(paid["response_tokens"] / 256)
    shown = section.blocks[1].table.frame
    assert set(shown["seconds"]) <= set(seconds.values()) and {1, 64} <= set(shown["budget"])
    assert not np.isnan(shown["accuracy"].to_numpy(dtype=float)).any()
    assert SECTIONS["time"].on_page("time", Results.of(told), {}) is None

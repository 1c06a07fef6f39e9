"""Steps: parts survive a kill, damage is computed again, mistakes are one sentence."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.studies import given_file, step_command
from ttstudy.analysis.sizes import describe
from ttstudy.dag import stamps
from ttstudy.dag.specs import files as specs
from ttstudy.dag.specs.analysis import GradersSpec, Sized, TrainingSpec
from ttstudy.dag.specs.generation import GradeSpec
from ttstudy.dag.specs.kinds import KINDS
from ttstudy.dag.specs.records import File
from ttstudy.errors import StudyError
from ttstudy.models.checkpoint import parameters
from ttstudy.run import steps

ROOT = Path(__file__).resolve().parent.parent


def squares(calls: list[list[int]]):
    def compute(items: list[int]) -> dict[str, pd.DataFrame]:
        calls.append(items)
        return {"squares": pd.DataFrame({"item": items, "square": [item**2 for item in items]})}

    return compute


def test_parts_are_computed_once_and_joined_in_order(tmp_path):
    output, calls = tmp_path / "out.parquet", []
    first = steps.in_parts(output, list(range(5)), 2, squares(calls))["squares"]
    again = steps.in_parts(output, list(range(5)), 2, squares(calls))["squares"]
    assert calls == [[0, 1], [2, 3], [4]]
    assert first["square"].tolist() == again["square"].tolist() == [0, 1, 4, 9, 16]
    steps.finish(output)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_or_half_written_part_is_computed_again(tmp_path):
    output, calls = tmp_path / "out.parquet", []
    steps.in_parts(output, list(range(4)), 2, squares(calls))
    folder = tmp_path / ".out.parquet.parts"
    (folder / "000000-000001" / "squares.parquet").write_bytes(b"PAR1 broken")
    (folder / ".000002-000003.99.tmp").mkdir()
    calls.clear()
    frame = steps.in_parts(output, list(range(4)), 2, squares(calls))["squares"]
    assert calls == [[0, 1]] and frame["square"].tolist() == [0, 1, 4, 9]


def test_another_block_size_never_takes_one_part_for_another(tmp_path):
    output, calls = tmp_path / "out.parquet", []
    steps.in_parts(output, list(range(6)), 2, squares(calls))
    frame = steps.in_parts(output, list(range(6)), 3, squares(calls))["squares"]
    assert frame["item"].tolist() == list(range(6))


COLUMNS = {"squares": ["item_squared"], "names": ["name", "letters"]}


def ending(calls: list[list[int]], order=lambda items: items, stop: int = 10**6):
    """Work whose items end in another order, and which is killed after `stop` of them."""

    def work(items: list[int]):
        calls.append(items)
        for place, item in enumerate(order(items)):
            if place == stop:
                raise KeyboardInterrupt
            yield item, {"squares": [(item**2,)], "names": [(f"n{item}", ["a"] * item)] * 2}

    return work


def test_items_that_end_in_any_order_are_kept_as_they_end_and_joined_in_theirs(tmp_path):
    output, calls = tmp_path / "out.parquet", []
    backwards = ending(calls, lambda items: items[::-1], stop=5)
    with pytest.raises(KeyboardInterrupt):
        steps.as_they_end(output, 9, 2, COLUMNS, backwards)
    for size in (3, 2):  # another block size goes on from the same parts; a finished step computes nothing
        frames = steps.as_they_end(output, 9, size, COLUMNS, ending(calls))
        assert calls == [[*range(9)], [0, 1, 2, 3, 4]]
        assert frames["squares"]["item_squared"].tolist() == [item**2 for item in range(9)]
        assert frames["names"].columns.tolist() == COLUMNS["names"]
        assert frames["names"]["name"].tolist() == [f"n{item}" for item in range(9) for _ in range(2)]
        assert [len(letters) for letters in frames["names"]["letters"][::2]] == [*range(9)]
    steps.finish(output)
    assert list(tmp_path.iterdir()) == []


def test_what_ended_before_the_work_refused_to_go_on_is_kept(tmp_path):
    output, calls = tmp_path / "out.parquet", []

    def refusing(items: list[int]):
        yield from ending([], stop=10)(items[:3])
        raise StudyError("no answer in any of them")

    with pytest.raises(StudyError, match="no answer"):
        steps.as_they_end(output, 9, 100, COLUMNS, refusing)
    steps.as_they_end(output, 9, 100, COLUMNS, ending(calls))
    assert calls == [[3, 4, 5, 6, 7, 8]]


def test_what_ended_is_kept_after_some_seconds_however_few_it_is(tmp_path):
    output = tmp_path / "out.parquet"
    with pytest.raises(KeyboardInterrupt):
        steps.as_they_end(output, 9, 100, COLUMNS, ending([], stop=5), seconds=0)
    assert len([*(tmp_path / ".out.parquet.parts").glob("0*")]) == 5


def test_a_damaged_part_of_what_ended_is_computed_again(tmp_path):
    output, calls = tmp_path / "out.parquet", []
    whole = steps.as_they_end(output, 6, 2, COLUMNS, ending(calls))
    folder = tmp_path / ".out.parquet.parts"
    (folder / "000001" / "squares.parquet").write_bytes(b"PAR1 broken")
    (folder / ".000003.99.tmp").mkdir()
    calls.clear()
    again = steps.as_they_end(output, 6, 2, COLUMNS, ending(calls))
    assert calls == [[2, 3]]
    pd.testing.assert_frame_equal(whole["squares"], again["squares"])


def test_a_step_that_meets_bad_data_ends_with_one_sentence(tmp_path):
    missing = given_file(tmp_path / "no.parquet")
    spec = GradeSpec(
        code="0", graders=("strict",), extraction="boxed", benchmark=missing, responses=missing,
        outputs={"strict": str(tmp_path / "o.parquet")},
    )  # fmt: skip
    run = subprocess.run(
        step_command(spec, tmp_path),
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert run.stderr.startswith("error: ") and "no.parquet" in run.stderr and run.stderr.count("\n") == 1


def test_a_checkpoint_is_described_from_its_headers(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(3, 4), "b": torch.zeros(5)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    assert parameters(tmp_path) == 17
    model = Sized(kind="policy", checkpoint=given_file(tmp_path / "config.json"), parameters=20, pretraining_tokens=100)
    assert describe(model)["flops"] == 6 * 17 * 100
    assert describe(model.model_copy(update={"pretraining_tokens": None}))["flops"] is None
    assert describe(model.model_copy(update={"checkpoint": None, "active_parameters": 5}))["flops"] == 6 * 5 * 100
    (tmp_path / "model.safetensors").write_bytes(b"\x00\x01")
    with pytest.raises(StudyError, match="not a whole safetensors file"):
        parameters(tmp_path)


def test_a_command_line_carries_a_path_however_long_the_spec(tmp_path):
    paths = [f"results/MATH-500/policy-{k}/samples-{k:08x}/0000-0255.parquet" for k in range(8000)]
    given = [File(path=path, digest=f"{k:032x}") for k, path in enumerate(paths)]
    known = {"code": "0", "grader": "strict", "seed": 0, "beam_width": 4, "cells": []}
    files = {str(k): file for k, file in enumerate(given)}
    long = GradersSpec(**known, benchmarks=files, outcomes=given[0], difficulty=given[1], outputs={"graders": "g"})
    short = TrainingSpec(code="0", models={}, outputs={"training": "t"})
    for spec in (long, short):
        _, script, *arguments = step_command(spec, tmp_path)
        path = tmp_path / f"{spec.step}.json"
        assert Path(script).is_file() and arguments == ["--spec", str(path), "--log", str(tmp_path / "log")]
        read = specs.read(path, type(spec))
        assert read == spec and read.digest == spec.digest and list(read.outputs) == list(spec.outputs)
    assert (tmp_path / "graders.json").stat().st_size > 131_072  # more than Linux takes as one argument


def test_every_rule_tells_its_step_a_spec_and_a_log_and_nothing_else():
    found = []
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        found += re.findall(r'"\$SCRIPTS/(\w+)\.py"(?! \{resources| python)([^\n\']*)', path.read_text())
    told = {step: arguments.strip() for step, arguments in found}
    apart = {"plan", "where", "join"}  # they take the study itself; the last, the specs of what it joins as well
    assert set(KINDS) <= set(told) and set(told) - apart <= set(KINDS)
    assert {told.pop(step) for step in KINDS if step != "compare"} == {"--spec {params.spec:q} --log {log:q}"}
    assert told["compare"] == "--spec {params.spec:q}"


def test_parts_of_what_has_been_made_anew_since_are_not_gone_on_from(tmp_path, monkeypatch):
    output, calls = tmp_path / "out.parquet", []
    for origin, expected in (("a 1", 2), ("a 1", 2), ("a 2", 4)):
        monkeypatch.setattr(stamps, "origin", lambda origin=origin: origin)
        steps.in_parts(output, list(range(4)), 2, squares(calls))
        assert len(calls) == expected

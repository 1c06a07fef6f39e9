"""Steps: parts survive a kill, damage is computed again, mistakes are one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from ttstudy import specs, steps
from ttstudy.checkpoints import describe, parameters
from ttstudy.errors import StudyError

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


def test_a_step_that_meets_bad_data_ends_with_one_sentence(tmp_path):
    run = subprocess.run(
        [sys.executable, ROOT / "scripts/grade.py", "--spec", '{"graders":["strict"],"extraction":"boxed"}',
         "--benchmark", tmp_path / "no.parquet", "--responses", tmp_path / "no.parquet", "--output", tmp_path / "o"],
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
    model = {"path": str(tmp_path / "config.json"), "parameters": 20, "active_parameters": None}
    assert describe(model | {"pretraining_tokens": 100})["flops"] == 6 * 17 * 100
    assert describe(model | {"pretraining_tokens": None})["flops"] is None
    assert describe(model | {"path": None, "pretraining_tokens": 100, "active_parameters": 5})["flops"] == 6 * 5 * 100
    (tmp_path / "model.safetensors").write_bytes(b"\x00\x01")
    with pytest.raises(StudyError, match="not a whole safetensors file"):
        parameters(tmp_path)


def test_a_spec_too_long_for_one_argument_is_packed_and_reads_the_same():
    paths = [f"results/MATH-500/policy-{k}/samples-{k:08x}/0000-0255.parquet" for k in range(8000)]
    for spec in ({"step": "short"}, {"step": "graders", "cells": paths}):
        text = specs.argument(specs.canonical(spec))
        assert len(text) < 131_072 and specs.parse(text) == spec
        # Linux itself takes it, with the shell's command around it.
        command = [sys.executable, "-c", "import sys; print(len(sys.argv[1]))", text]
        assert int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) == len(text)

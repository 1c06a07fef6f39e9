"""The smoke study again: a step that is killed goes on and ends in the same bytes; two runs at once.

Whole runs, killed at any moment or in other blocks, are in `test_faults.py`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests import paths
from tests.studies import command, environment, fresh, smoke, snakemake, step_command
from ttstudy.dag.layout import open_layout
from ttstudy.study import from_mapping


@pytest.mark.parametrize("victim", ["sample", "search"])
def test_a_killed_step_goes_on_after_its_last_finished_part(finished, tmp_path, victim):
    layout = open_layout(from_mapping(smoke()), finished)
    if victim == "sample":
        spec = paths.blocks(layout, "sums", "smoke-40k", "samples")[0]
    else:
        spec = paths.searches(layout, "sums", "smoke-40k", "smoke-good", "beam_search")[8]
        # One problem at a time, so that the parts do not all come at once.
        blocks = spec.options.model_copy(update={"problems_per_block": 2, "max_live": spec.budget})
        spec = spec.model_copy(update={"options": blocks})
    made = list(spec.outputs.values())
    copies = [str(tmp_path / Path(path).name) for path in made]
    assert len(copies) == (1 if victim == "sample" else 3)
    line = step_command(spec.named(**dict(zip(spec.outputs, copies, strict=True))), tmp_path)
    env = environment() | {"TTSTUDY_RESPONSES_PER_PART": "16"}
    run = subprocess.Popen(line, cwd=finished, env=env, stdout=subprocess.DEVNULL)

    def parts() -> dict[str, int]:
        # Hidden names are parts still being written.
        try:
            return {part.name: part.stat().st_ino for part in tmp_path.glob(".*.parts/[!.]*")}
        except FileNotFoundError:  # the step is removing them
            return {}

    while len(parts()) < 2:
        assert run.poll() is None, "the step ended before it could be killed"
        time.sleep(0.01)
    run.kill()
    run.wait()
    kept = parts()
    assert 2 <= len(kept) < 8 and not any(Path(path).exists() for path in copies)
    seen: dict[str, int] = {}
    watched = subprocess.Popen(line, cwd=finished, env=env, stdout=subprocess.DEVNULL)
    while watched.poll() is None:
        now = parts()
        # At its end the step removes them one by one.
        assert all(now.get(name, inode) == inode for name, inode in kept.items()), "a finished part was made again"
        seen |= now
        time.sleep(0.01)
    assert watched.returncode == 0 and len(seen) > len(kept)
    for path, other in zip(copies, made, strict=True):
        assert Path(path).read_bytes() == (finished / other).read_bytes()
    assert not list(tmp_path.glob(".*.parts")) and not list(tmp_path.glob(".*.tmp"))


def test_two_runs_on_one_results_folder_the_second_says_so(finished, tmp_path):
    root, config = fresh(finished, tmp_path / "two")
    first = subprocess.Popen(
        command(config), cwd=root, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not (root / "results/.run.lock").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        output = snakemake(root, config, ok=False)
        assert "another run (process" in output
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()

"""The smoke study again: from nothing the same bytes, after a kill the same bytes, and two runs at once."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from tests.studies import command, copy_repository, environment, fresh, smoke, snakemake, tables, write


def test_a_run_from_nothing_with_other_blocks_on_one_core_gives_the_same_bytes(finished, tmp_path):
    root = copy_repository(tmp_path / "again", finished)
    search = smoke().get("search", {}) | {"problems_per_block": 3}
    config = write(root, smoke(first_block=smoke()["first_block"] // 2, search=search))
    snakemake(root, config, cores=1)
    again, first = tables(root), tables(finished)
    assert again.keys() == first.keys() and len(first) >= 10
    assert [name for name in first if again[name] != first[name]] == []


@pytest.mark.parametrize("victim", ["sample", "search"])
def test_a_killed_run_goes_on_and_ends_in_the_same_bytes(finished, tmp_path, victim):
    root, config = fresh(finished, tmp_path / "killed", search=smoke().get("search", {}) | {"problems_per_block": 2})
    run = subprocess.Popen(
        command(config),
        cwd=root,
        env=environment() | {"TTSTUDY_RESPONSES_PER_PART": "16"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    pattern = "results/*/*/*/.*.parts/*" if victim == "sample" else "results/*/*/*/*/.*.parts/*"
    deadline = time.monotonic() + 300
    # Hidden names are parts still being written.
    while all(path.name.startswith(".") for path in root.glob(pattern)):
        assert run.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    parts = {path: path.stat().st_mtime_ns for path in root.glob(pattern) if not path.name.startswith(".")}
    assert not (root / "results/studies/smoke/report.html").exists()
    snakemake(root, config)
    assert parts, "no finished block was there to go on from"
    assert tables(root) == tables(finished)
    assert not list(root.glob("results/**/.*.parts")) and not list(root.glob("results/**/.*.tmp"))


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

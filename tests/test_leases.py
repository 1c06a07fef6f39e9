"""A lease: one holder at a time among processes that start together, a dead one taken over, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.studies import ROOT
from ttstudy.errors import HeldError, StudyError
from ttstudy.run import leases
from ttstudy.run.runlock import hold_results

HOLD = """
import sys, time
from pathlib import Path
from ttstudy.run import leases
from ttstudy.run.steps import _ended_in_order
with _ended_in_order(), leases.held(Path("x.lease")):
    Path("held").touch()
    time.sleep(float(sys.argv[1]))
"""
MANY = """
import os, time
from pathlib import Path
from ttstudy.run import leases
for _ in range(20):
    with leases.held(Path("x.lease")):
        os.close(os.open("inside", os.O_CREAT | os.O_EXCL))  # fails where another is inside
        with open("count", "a") as stream:
            stream.write(".")
        os.unlink("inside")
"""


EXEC = """
import os, sys
from pathlib import Path
from ttstudy.run import leases
with leases.held(Path("x.lease")):
    if len(sys.argv) < 3:  # as a step goes on under vLLM's Python
        os.execv(sys.executable, [sys.executable, "-c", sys.argv[1], sys.argv[1], "again"])
    Path("again").touch()
"""


def process(folder, code, *arguments, beat="0.05"):
    env = os.environ | {"PYTHONPATH": str(ROOT / "workflow"), leases.BEAT: beat}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=folder, env=env, stderr=subprocess.PIPE)


def holding(folder, seconds="60", beat="0.05"):
    found = process(folder, HOLD, seconds, beat=beat)
    while not (folder / "held").exists():
        assert found.poll() is None
        time.sleep(0.01)
    return found


@pytest.fixture(autouse=True)
def beat(monkeypatch, tmp_path):
    monkeypatch.setenv(leases.BEAT, "0.05")
    monkeypatch.chdir(tmp_path)
    yield
    assert not [path.name for path in tmp_path.iterdir() if "lease" in path.name], "something was left behind"


def test_of_many_processes_one_at_a_time_is_inside(tmp_path):
    running = [process(tmp_path, MANY, beat="2") for _ in range(3)]
    for each in running:
        assert each.wait(60) == 0, each.stderr.read()
    assert len((tmp_path / "count").read_text()) == 60


def test_without_hard_links_too(tmp_path):
    running = [process(tmp_path, f"{REFUSES}{MANY}", beat="2") for _ in range(2)]
    for each in running:
        assert each.wait(60) == 0, each.stderr.read()
    assert len((tmp_path / "count").read_text()) == 40


REFUSES = """
import errno, os
def refused(*_):
    raise OSError(errno.EOPNOTSUPP, "no links here")
os.link = refused
"""


def test_a_killed_process_of_this_machine_holds_nothing(tmp_path):
    holder = holding(tmp_path, beat="60")
    with pytest.raises(HeldError, match=f"held by process {holder.pid} on"):
        leases.take(tmp_path / "x.lease")
    holder.kill()
    holder.wait()
    leases.take(tmp_path / "x.lease").release()


def test_a_process_that_became_another_program_does_not_wait_for_itself(tmp_path):
    run = process(tmp_path, EXEC, EXEC, beat="60")
    assert run.communicate(timeout=120)[1] == b"" and run.returncode == 0 and (tmp_path / "again").exists()


def test_one_of_another_machine_holds_it_until_its_signs_have_stopped_for_long(tmp_path):
    holder = holding(tmp_path)
    holder.kill()
    holder.wait()
    path = tmp_path / "x.lease"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"machine": "elsewhere/boot/ns", "beat": 1.0}))
    with pytest.raises(HeldError, match="on elsewhere, which is alive"):
        leases.take(path)
    os.utime(path, (time.time() - 7, time.time() - 7))
    lease = leases.take(path)
    assert not lease.waited
    lease.release()


def test_what_was_taken_over_is_neither_written_nor_removed_any_more(tmp_path):
    path = tmp_path / "x.lease"
    with leases.held(path):
        leases.still_held()
        other = json.loads(path.read_text()) | {"id": "another"}
        path.write_text(json.dumps(other))
        with pytest.raises(HeldError, match="another has taken its work over"):
            leases.still_held()
    assert json.loads(path.read_text()) == other, "it was the other's"
    path.unlink()


def test_a_sigterm_gives_it_up(tmp_path):
    holder = holding(tmp_path)
    holder.send_signal(signal.SIGTERM)
    assert holder.wait(20) == 128 + signal.SIGTERM and not (tmp_path / "x.lease").exists()


def test_a_run_is_refused_as_soon_as_the_other_gives_a_sign(tmp_path):
    holder = holding(tmp_path, beat="0.5")
    with pytest.raises(HeldError):
        leases.take(tmp_path / "x.lease", whole_run=True)
    holder.terminate()
    holder.wait(20)


def test_a_run_on_a_host_that_shares_no_locks_is_refused_too(tmp_path):
    """The kernel's lock is free here: only the lease tells."""
    holder = process(tmp_path, HOLD.replace("x.lease", "results/.run.lease"), "60", beat="0.5")
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    with pytest.raises(StudyError, match="another run is working in results .*held by process"):
        hold_results("results")
    holder.terminate()
    holder.wait(20)


def test_a_sign_from_the_future_that_never_changes_is_a_dead_holders(tmp_path):
    """A folder that was copied from a host whose clock is ahead, with a lease in it."""
    path = tmp_path / "x.lease"
    for whole_run in (False, True):
        path.write_text(json.dumps(leases.Holder("x", "elsewhere", 1, "2", None, 0.05)._asdict()))
        os.utime(path, (time.time() + 86_400,) * 2)
        leases.take(path, whole_run=whole_run).release()


@pytest.mark.parametrize("told", ['{"beat": null}', '{"beat": "x"}', '{"machine": 5}', "[" * 5000 + "]" * 5000])
def test_a_lease_that_says_nothing_of_use_holds_nobody_up_for_long(tmp_path, told):
    holder = leases.Holder("x", "elsewhere", 1, "2", None, 0.05)._asdict()
    path = tmp_path / "x.lease"
    path.write_text(json.dumps(holder | json.loads(told)) if told[0] == "{" else told)
    os.utime(path, (1, 1))
    leases.take(path).release()


def test_a_run_whose_folder_another_has_taken_over_ends(tmp_path):
    code = """
import time
from ttstudy.run.runlock import hold_results
hold_results("results")
open("held", "w").close()
time.sleep(60)
"""
    run = process(tmp_path, code)
    while not (tmp_path / "held").exists():
        assert run.poll() is None
        time.sleep(0.01)
    path = tmp_path / "results/.run.lease"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"id": "another"}))
    assert b"another has taken its work over" in run.communicate(timeout=60)[1] and run.returncode == 73


def test_who_waited_is_told_so(tmp_path):
    holder = holding(tmp_path, "0.3")
    lease = leases.take(tmp_path / "x.lease")
    assert lease.waited and holder.wait(20) == 0
    lease.release()

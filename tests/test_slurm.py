"""A real Slurm runs the study: a drained node, a killed job, one that hangs until its time limit; the same bytes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from tests import slurm_cluster
from tests.studies import copy_repository, environment, smoke, tables, write

pytestmark = pytest.mark.skipif(slurm_cluster.missing() is not None, reason=f"Slurm: {slurm_cluster.missing()}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with slurm_cluster.running(tmp_path_factory.mktemp("slurm") / "cluster") as found:
        yield found


def half_done(finished: Path, root: Path) -> Path:
    """The finished smoke study without one policy's pool and one search: what is left for Slurm to do."""
    copy_repository(root, finished)
    for name in ("results", ".snakemake"):
        shutil.copytree(finished / name, root / name, symlinks=True)
    for folder in [
        *root.glob("results/sums/smoke-8k/samples-*"),
        *root.glob("results/sums/smoke-40k/beam_search/smoke-undertrained-*"),
        root / "results/studies",
    ]:
        shutil.rmtree(folder)
    # A minute for drawing, at the first attempt: Slurm's shortest limit.
    table = yaml.safe_load((root / "workflow/resources.yaml").read_text())
    table["policies"][0]["hours"] = 1 / 60
    (root / "workflow/resources.yaml").write_text(yaml.safe_dump(table))
    (root / "site.yaml").write_text("cpu_partition: cpu\ngpu_partition: gpu\nscratch: $TMPDIR/models\n")
    return write(root, smoke())


def test_the_study_recovers_from_what_a_cluster_does_and_ends_in_the_same_bytes(finished, cluster, tmp_path):
    root = tmp_path / "study"
    config = half_done(finished, root)
    cluster.ask("scontrol", "update", f"NodeName={cluster.host}", "State=DRAIN", "Reason=test")
    command = [
        *("snakemake", "--profile", "workflow/profiles/slurm", f"--configfile={config}"),
        *("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1"),
        *("--max-jobs-per-timespan", "100/1s", "--latency-wait", "10"),
    ]
    env = environment() | cluster.environment | {"TTSTUDY_SITE": str(root / "site.yaml")}
    env["PATH"] = f"{Path(slurm_cluster.sys.executable).parent}:{env['PATH']}"
    with (tmp_path / "output").open("w") as output:
        run = subprocess.Popen(
            command, cwd=root, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:

        def one(rule: str, state: str):
            assert run.poll() is None, (tmp_path / "output").read_text()[-6000:]
            return next((job for job in cluster.jobs() if f"rule_{rule}" in job[2] and job[1] == state), None)

        waiting = cluster.wait_for("waiting job", lambda: one("sample", "PENDING"))
        assert not [job for job in cluster.jobs() if job[1] == "RUNNING"]
        cluster.ask("scontrol", "update", f"NodeName={cluster.host}", "State=RESUME")

        cluster.wait_for("running sample", lambda: one("sample", "RUNNING"))
        hung = cluster.wait_for("process", lambda: [p for p in cluster.processes(waiting[0]) if _runs(p, "sample.py")])
        for process in hung:
            os.kill(process, signal.SIGSTOP)
        killed = cluster.wait_for("running search", lambda: one("search", "RUNNING"))
        cluster.ask("scancel", str(killed[0]))

        run.wait(600)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    text = (tmp_path / "output").read_text()
    assert run.returncode == 0, text[-6000:]
    states = {number: state for number, state, *_ in cluster.jobs()}
    assert states[waiting[0]] == "TIMEOUT" and states[killed[0]] == "CANCELLED"
    assert tables(root) == tables(finished)
    assert list(root.glob("results/logs/slurm/**/*.log"))


def _runs(process: int, script: str) -> bool:
    try:
        return script.encode() in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False

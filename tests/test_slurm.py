"""A real Slurm runs the study: a drained node, a killed job, one that hangs, one short of memory; the same bytes."""

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


# The plugin looks every 11 s, 21 s and so on while nothing ends, which here is most of the test's time.
IMPATIENT = """
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
RemoteExecutor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)
"""


def half_done(finished: Path, root: Path) -> Path:
    """The finished smoke study without one policy's pool, one search and one PRM's scores: what is left for Slurm."""
    copy_repository(root, finished)
    for name in ("results", ".snakemake"):
        shutil.copytree(finished / name, root / name, symlinks=True)
    for folder in [
        *root.glob("results/sums/smoke-8k/samples-*"),
        *root.glob("results/sums/smoke-40k/beam_search/smoke-undertrained-*"),
        *root.glob("results/sums/smoke-40k/samples-*/scores/smoke-good-*"),
        root / "results/studies",
    ]:
        shutil.rmtree(folder)
    table = yaml.safe_load((root / "workflow/resources.yaml").read_text())
    # At the first attempt, a minute for drawing and searching, which is Slurm's shortest limit, and less memory for
    # scoring than torch takes.
    for row in table["policies"][0], table["prms"][0]:
        row["hours"] = 1 / 60
    table["prms"][0]["memory_gb"] = 0.35
    (root / "workflow/resources.yaml").write_text(yaml.safe_dump(table))
    (root / "site.yaml").write_text("cpu_partition: cpu\ngpu_partition: gpu\nscratch: $TMPDIR/models\n")
    with (root / "Snakefile").open("a") as stream:
        stream.write(IMPATIENT)
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

        def of(rule: str, state: str):
            assert run.poll() is None, (tmp_path / "output").read_text()[-6000:]
            return next((job for job in cluster.jobs() if f"rule_{rule}" in job[2] and job[1] == state), None)

        hung = cluster.wait_for("waiting search", lambda: of("search", "PENDING"))
        assert not [job for job in cluster.jobs() if job[1] == "RUNNING"]
        cluster.ask("scontrol", "update", f"NodeName={cluster.host}", "State=RESUME")

        killed = cluster.wait_for("running sample", lambda: of("sample", "RUNNING"))
        cluster.ask("scancel", str(killed[0]))
        cluster.wait_for("running search", lambda: of("search", "RUNNING"))
        for process in cluster.wait_for("process", lambda: _running(cluster, hung[0], "search.py")):
            os.kill(process, signal.SIGSTOP)

        run.wait(600)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    text = (tmp_path / "output").read_text()
    assert run.returncode == 0, text[-6000:]
    jobs = sorted(cluster.jobs())
    states = {number: state for number, state, *_ in jobs}
    assert states[hung[0]] == "TIMEOUT" and states[killed[0]] == "CANCELLED"
    # Scoring was killed for its memory, each time, and went through with twice as much.
    scores = [(memory, state, number) for number, state, comment, _, memory in jobs if "rule_score" in comment]
    assert {("350M", "FAILED"), ("700M", "COMPLETED")} == {score[:2] for score in scores}, scores
    for memory, _, number in scores:
        (log,) = root.glob(f"results/logs/slurm/rule_score/*/{number}.log")
        assert ("exceeded memory limit" in log.read_text()) == (memory == "350M")
    # Steps of seconds share two jobs: the parts of the analysis, and the study's tables and report.
    alone = {comment.split("_wildcards")[0] for _, _, comment, *_ in jobs if "_wildcards" in comment}
    assert alone == {f"rule_{name}" for name in ("sample", "search", "score", "grade", "grade_search")}
    assert len([comment for _, _, comment, *_ in jobs if "_wildcards" not in comment]) == 2
    assert tables(root) == tables(finished)
    assert list(root.glob("results/logs/slurm/**/*.log"))


def _running(cluster: slurm_cluster.Cluster, job: int, script: str) -> list[int]:
    """Processes of a job that run a script."""
    return [process for process in cluster.processes(job) if _runs(process, script)]


def _runs(process: int, script: str) -> bool:
    try:
        return script.encode() in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False

"""A real Slurm runs the study: a drained node, a killed job, one that hangs, one short of memory; the same bytes."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from tests import slurm_cluster, storm
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

        run.wait(1200)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    text = (tmp_path / "output").read_text()
    assert run.returncode == 0, text[-6000:]
    jobs = sorted(job for job in cluster.jobs() if "rule_make_" not in job[2])
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


@pytest.fixture()
def stormy(cluster, tmp_path):
    """A way to start the small workflow; what is started is ended with the test."""
    root, started = tmp_path / "storm", []
    storm.write(root)
    with (root / "Snakefile").open("a") as stream:
        stream.write(IMPATIENT)
    profile = shlex.split("--executor slurm --jobs 20 --retries 2 --keep-going --nolock --scheduler greedy")
    env = environment() | cluster.environment | storm.KEYS | {"TTSTUDY_HEARTBEAT": "2"}
    tools = Path(slurm_cluster.sys.executable).parent
    env["PATH"] = f"{tools}:{env['PATH']}"
    env["PYTHONPATH"] += f":{slurm_cluster.ROOT / 'workflow'}"

    def start(name: str, command=()) -> subprocess.Popen:
        with (root / name).open("w") as output:
            started.append(subprocess.Popen(
                [*(command or (tools / "snakemake", *profile))], cwd=root, env=env, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
            ))  # fmt: skip
        return started[-1]

    yield root, start
    for each in started:
        if each.poll() is None:
            os.killpg(each.pid, signal.SIGKILL)
            each.wait()


# long: one run through one fault after another, which is what keeps it short
def test_what_a_cluster_does_makes_nothing_twice_and_removes_nothing(cluster, stormy):
    root, start = stormy

    def lines(name: str) -> list[str]:
        return (root / name).read_text().splitlines() if (root / name).exists() else []

    def states() -> dict[str, list[str]]:
        mine = [(number, state, comment.rpartition("_")[2]) for number, state, comment, *_ in cluster.jobs()
                if "rule_make_" in comment]  # fmt: skip
        return {name: [state for _, state, each in sorted(mine) if each == name] for name in storm.PARTITIONS}

    def let(*words: str) -> None:
        for word in words:
            (root / "go" / word).touch()

    def wait(what: str, found):
        try:
            return cluster.wait_for(what, found, 180)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *lines("first")[-40:], *lines("second")[-60:]])) from None

    # Refused until the controller starts anew: the partition takes no jobs. A mistake in the data is met once.
    cluster.ask("scontrol", "update", "PartitionName=gpu", "State=DRAIN")
    first = start("first")
    long = ("cancels", "requeues", "lost", "ended", "twice")
    let(*(f"{name}-0" for name in long))
    wait("first parts", lambda: len(lines("done")) == 5)
    wait("refusal", lambda: any("Slurm takes no job now" in line for line in lines("first")))
    wait("mistake", lambda: any("It is not tried again" in line for line in lines("first")))
    assert lines("begun").count("wrong") == 1 and states()["late"] == []
    # The login process is killed. The next goes on with the jobs that are running.
    before = states()
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    (root / "mended").touch()
    let("wrong")
    second = start("second")
    wait("adoption", lambda: sum("of an earlier run" in line for line in lines("second")) == 5)
    wait("mended mistake", lambda: (root / "results/wrong.parquet").exists())
    assert {name: each for name, each in states().items() if name in long} == {name: before[name] for name in long}
    # Preemption, in both modes; then the controller restarts, and the node is lost and comes back.
    urgent = cluster.ask("sbatch", "--parsable", "-p", "urgent", "-n", "16", "-o", "/dev/null", "--wrap", "sleep 900")
    wait("preemption", lambda: states()["cancels"][-2:] == states()["lost"][-2:] == ["PREEMPTED", "PENDING"]
         and states()["requeues"] == ["PENDING"])  # fmt: skip
    cluster.stop("slurmctld")
    wait("silence", lambda: any("does not answer" in line for line in lines("second")))
    cluster.start("slurmctld", "slurmctld")
    cluster.wait_for("controller", lambda: cluster.answers())
    cluster.ask("scancel", urgent.strip())
    let("cancels-1", "requeues-1", "lost-1")
    wait("second parts", lambda: {"cancels 1", "requeues 1", "lost 1"} <= set(lines("done")))
    cluster.ask("scontrol", "update", "NodeName=far", "State=DOWN", "Reason=test")
    wait("node failure", lambda: "NODE_FAIL" in states()["lost"])
    wait("all running", lambda: cluster.resumed("far")
         and all(states()[name][-1:] == ["RUNNING"] for name in (*long, "late")))  # fmt: skip
    # A process that would make the same waits for it. Slurm forgets all jobs while nobody looks; one has ended well.
    double = start("double", [slurm_cluster.sys.executable, "step.py", "--spec", "results/specs/x/twice.json"])
    wait("held output", lambda: any("held by process" in line for line in lines("double")))
    os.kill(second.pid, signal.SIGSTOP)
    let("ended")
    wait("end", lambda: states()["ended"] == ["COMPLETED"])
    cluster.stop("slurmctld")
    cluster.start("slurmctld", "slurmctld", "-c")
    cluster.wait_for("controller", lambda: cluster.answers())
    os.kill(second.pid, signal.SIGCONT)
    let("all")
    second.wait(120)
    said = "\n".join(lines("second"))
    assert second.returncode == 0, said[-6000:]
    assert double.wait(30) == 0, lines("double")
    assert sorted(lines("done")) == sorted(f"{name} {part}" for name in storm.PARTITIONS for part in range(3))
    assert lines("begun").count("ended") == 1 and lines("begun").count("late") <= 2
    hidden = [path.name for path in root.glob("results/.*") if not path.name.endswith(".job.json")]
    assert not hidden, "a lease, parts or notes were left behind"
    for name in storm.PARTITIONS:
        told = (root / f"environment-{name}").read_text()
        assert "TTSTUDY_CLUSTER" in told and not [key for key in storm.KEYS.values() if key in told]


def _running(cluster: slurm_cluster.Cluster, job: int, script: str) -> list[int]:
    """Processes of a job that run a script."""
    return [process for process in cluster.processes(job) if _runs(process, script)]


def _runs(process: int, script: str) -> bool:
    try:
        return script.encode() in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False

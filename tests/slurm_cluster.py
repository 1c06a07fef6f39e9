"""A Slurm of two nodes and two fake GPUs on the loopback, for the time of a test.

It has a configuration, ports, state and command wrappers of its own in a temporary folder, and reads none of
/etc/slurm: on a machine that belongs to a real cluster, that cluster is never asked for anything. Memory is enforced
by Slurm's own looking at what processes use, once a second, so that no cgroups are needed.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = Path(sys.prefix) / "slurm"
"""Where `make test` puts the Slurm plugin: beside the environment, since with it every start asks Slurm."""

CLIENTS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo", "sacct", "sacctmgr")

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
AuthInfo=cred_expire=5
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=100000,batch_sched_delay=0
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
MinJobAge=3600
InactiveLimit=0
KillWait=2
SlurmdTimeout=60
SlurmdParameters=config_overrides
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 Port={port_of_host} CPUs=16 RealMemory=64000 Gres=gpu:fake:2 State=UNKNOWN
NodeName=far NodeHostname={host} NodeAddr=127.0.0.1 Port={port_of_far} CPUs=16 RealMemory=64000 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=1-00:00:00 State=UP
PartitionName=gpu Nodes={host} MaxTime=1-00:00:00 State=UP
PartitionName=cancels Nodes=far PriorityTier=1 PreemptMode=CANCEL State=UP
PartitionName=requeues Nodes=far PriorityTier=1 PreemptMode=REQUEUE State=UP
PartitionName=urgent Nodes=far PriorityTier=9 PreemptMode=OFF State=UP
"""


def missing() -> str | None:
    """Why no cluster can be started here; None when it can."""
    absent = [name for name in ("slurmctld", "slurmd", "sbatch", "srun") if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} not installed (apt-get install slurmctld slurmd slurm-client)"
    if os.geteuid() != 0:
        return "only root can make the fake GPUs' device files"
    if not (PLUGIN / "snakemake_executor_plugin_slurm").is_dir():
        return "the Slurm plugin is not installed (make test puts it into .venv/slurm)"
    return None


def _free_port() -> int:
    with socket.socket() as stream:
        stream.bind(("127.0.0.1", 0))
        return stream.getsockname()[1]


class Cluster:
    """A running cluster: `environment` for commands, and a way to ask it things."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = socket.gethostname().split(".")[0]
        self.environment = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "PYTHONPATH": str(PLUGIN)}
        self.daemons: dict[str, subprocess.Popen] = {}

    def start(self, name: str, *command: str) -> None:
        """Start a daemon of Slurm's: the controller, or a node's."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM_", "SBATCH_"))}
        self.daemons[name] = subprocess.Popen(
            [*command, "-D", "-f", f"{self.folder}/slurm.conf"], env=clean, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def stop(self, name: str) -> None:
        """Stop a daemon, which saves what it knows."""
        self.daemons[name].terminate()
        self.daemons[name].wait()

    def ask(self, *command: str) -> str:
        """Output of a Slurm command."""
        binary = self.folder / "bin" / command[0]
        return subprocess.run([binary, *command[1:]], capture_output=True, text=True, check=True, timeout=60).stdout

    def answers(self) -> bool:
        """Whether the controller is there."""
        return bool(_quietly(self, "squeue", "--noheader", "--version") and _quietly(self, "sinfo", "-h"))

    def resumed(self, node: str) -> bool:
        """Whether a node that was down is in service again; asks for that where Slurm has not found it well itself."""
        state = _quietly(self, "sinfo", "-h", "-N", "-n", node, "-p", "urgent", "-o", "%T")
        if "down" in state or "drain" in state:
            _quietly(self, "scontrol", "update", f"NodeName={node}", "State=RESUME")
        return any(word in state for word in ("idle", "mixed", "allocated"))

    def jobs(self) -> list[tuple[int, str, str, str, str]]:
        """(job, state, comment, reason, memory asked for) of every job that Slurm remembers."""
        lines = self.ask("squeue", "-h", "-t", "all", "-o", "%A|%T|%k|%r|%m").splitlines()
        return [(int(number), *rest) for number, *rest in (line.split("|") for line in lines)]

    def wait_for(self, what: str, found, seconds: float = 120):
        """What `found()` returns as soon as it is true; fails with the cluster's jobs otherwise."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if result := found():
                return result
            time.sleep(0.2)
        raise AssertionError(f"no {what} within {seconds} s; jobs: {self.jobs()}")

    def processes(self, job: int) -> list[int]:
        """Processes of a job on this machine, by the environment that Slurm gave them."""
        return self._with(lambda told: f"SLURM_JOB_ID={job}".encode() in told.split(b"\0"))

    def strays(self) -> list[int]:
        """Processes of all jobs, also of those that the controller was made to forget."""
        return self._with(lambda told: b"SLURM_JOB_ID=" in told and f"{self.folder}/bin:".encode() in told)

    def _with(self, holds) -> list[int]:
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if holds((path / "environ").read_bytes()):
                    found.append(int(path.name))
            except OSError:
                continue
        return found


def _write(folder: Path, host: str) -> None:
    for name in ("state", f"spool-{host}", "spool-far", "bin"):
        (folder / name).mkdir()
    settings = {"host": host, "folder": folder, "user": getpass.getuser()}
    ports = {name: _free_port() for name in ("port", "port_of_host", "port_of_far")}
    (folder / "slurm.conf").write_text(CONFIGURATION.format(**settings, **ports))
    (folder / "gres.conf").write_text(f"NodeName={host} Name=gpu Type=fake File={folder}/gpu[0-1]\n")
    for number in (0, 1):  # devices that do nothing, like /dev/null
        os.mknod(folder / f"gpu{number}", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    for name in CLIENTS:
        # Inside jobs the plugin drops SLURM_CONF, so every command carries it itself.
        binary = folder / "bin" / name
        binary.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which(name)} "$@"\n')
        binary.chmod(0o755)


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """Start the cluster in a new folder; stop all its processes and jobs at the end, however it comes."""
    folder.mkdir()
    cluster = Cluster(folder)
    _write(folder, cluster.host)
    cluster.start("slurmctld", "slurmctld")
    cluster.start(cluster.host, "slurmd", "-N", cluster.host)
    cluster.start("far", "slurmd", "-N", "far")
    try:
        idle = ["idle", "idle"]
        cluster.wait_for("idle nodes", lambda: _quietly(cluster, "sinfo", "-h", "-N", "-o", "%T", "-p", "cpu,urgent")
                         .split() == idle, 60)  # fmt: skip
        yield cluster
    finally:
        for process in cluster.strays():
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for daemon in reversed(cluster.daemons.values()):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _quietly(cluster: Cluster, *command: str) -> str:
    try:
        return cluster.ask(*command)
    except subprocess.SubprocessError:
        return ""

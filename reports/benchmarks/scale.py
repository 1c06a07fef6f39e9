"""Large grids: dry runs, and their jobs through Snakemake's scheduler. No network, no GPU, no model.

    python reports/benchmarks/scale.py [--dry-run] [--local] [--slurm SECONDS] [--small | --large]

Dry runs: wall and CPU seconds, peak memory, jobs. The scheduler's runs are of the real DAG, but `python` is a stand-in
that copies each step's outputs, made before and empty of results: what is timed is Snakemake, its rules and our input
functions alone. On Slurm (a real one, started here on the loopback) the run is cut after SECONDS.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from tests import slurm_cluster  # noqa: E402
from tests.studies import copy_repository, environment  # noqa: E402
from ttstudy.dag import stamps  # noqa: E402
from ttstudy.dag.layout import jobs, open_layout  # noqa: E402
from ttstudy.data import tables  # noqa: E402
from ttstudy.data.revisions import load  # noqa: E402
from ttstudy.report import page  # noqa: E402

SIZES = (0.5, 1, 1.5, 3, 7, 8, 14, 32, 72)
SNAKEMAKE = Path(sys.executable).parent / "snakemake"
CORES = 8

CASES = {
    "the paper's grid: 11 policies, 7 PRMs, 2 benchmarks, N to 256": (11, 7, 2, 256, 64),
    "eight thousand jobs: 16 policies, 8 PRMs, 4 benchmarks, N to 256": (16, 8, 4, 256, 64),
}
LARGE = {
    "thirty thousand jobs: 30 policies, 16 PRMs, 4 benchmarks, N to 256": (30, 16, 4, 256, 64),
    "a hundred thousand jobs: 58 policies, 16 PRMs, 7 benchmarks, N to 256": (58, 16, 7, 256, 64),
}
SMALL = {"a small grid: 3 policies, 2 PRMs, 2 benchmarks, N to 64": (3, 2, 2, 64, 64)}


def grid(policies: int, prms: int, benchmarks: int, largest: int, first_block: int) -> dict:
    budgets = [n for n in (4, 16, 64, 256, 512, 1024) if n <= largest]
    hub = {"source": "hub", "revision": "0" * 40}
    run = hub | {"engine": "vllm"}
    return {
        "study": "grid",
        "benchmarks": {f"b{k}": hub | {"id": f"some/benchmark-{k}"} for k in range(benchmarks)},
        "policies": {f"policy-{k}": run | {"id": f"some/policy-{k}-{SIZES[k % 9]}B"} for k in range(policies)},
        "prms": {
            f"prm-{k}": run | {"format": "qwen", "id": f"some/prm-{k}-{(1.5, 7, 8, 72)[k % 4]}B"} for k in range(prms)
        },
        "budgets": {method: budgets for method in ("majority", "best_of_n", "beam_search", "dvts")},
        "first_block": first_block,
    }


@contextmanager
def repository(config: dict) -> Iterator[Path]:
    """A copy of what a run needs, with the study as `study.yaml`."""
    with tempfile.TemporaryDirectory(prefix="ttstudy-scale-") as folder:
        root = copy_repository(Path(folder) / "repository")
        (root / "study.yaml").write_text(yaml.safe_dump(config))
        yield root


# -- dry runs --------------------------------------------------------------------------------------------------


def dry_run(root: Path) -> tuple[int, float, float, float]:
    """Jobs, wall seconds, CPU seconds and peak memory in MiB of `snakemake -n`."""
    command = [SNAKEMAKE, "--profile", "workflow/profiles/default", "--dry-run", "--configfile=study.yaml"]
    started = time.monotonic()
    with subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment()
    ) as run:
        output = run.stdout.read()
        _, status, used = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - started
    assert run.returncode == 0, output[-3000:]
    jobs = re.search(r"^total +(\d+)", output, flags=re.MULTILINE)
    return int(jobs[1]) if jobs else 0, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


# -- the scheduler ---------------------------------------------------------------------------------------------

STAND_IN = """
# Read by every job's bash (BASH_ENV): what the steps in scripts/ are told to make is there at once, whole and stamped.
python() {{
  local step digest paths
  [[ $1 == */launch.py ]] && shift 3
  step=${{1##*/}}
  case ${{step%.py}} in sample|search|score) sleep {model_seconds};; esac
  digest=${{3#*/specs/}}; digest=${{digest/\\//}}
  mapfile -t paths < {folder}/"${{digest%.json}}"
  (cd {folder}/made && exec cp -r --parents "${{paths[@]}}" "$OLDPWD")
}}
"""


def stand_in(root: Path, folder: Path, model_seconds: float) -> Path:
    """The file that makes `python` of a job's shell a stand-in, and all that it copies: results whole but empty."""
    layout = open_layout(load(root / "study.yaml"), root)
    (folder / "made").mkdir(parents=True)
    with chdir(folder / "made"):
        for job in jobs(layout):
            stamps.begin(job.spec)
            paths = [str(_made(Path(path))) for path in job.spec.outputs.values()]
            (folder / job.spec.digest).write_text("\n".join(paths) + "\n")
    file = folder / "python.bash"
    file.write_text(STAND_IN.format(folder=folder, model_seconds=model_seconds))
    return file


def _made(path: Path) -> Path:
    """What is to be copied for a result of the running job, made here: the result, or a checkpoint's folder."""
    if path.suffix == ".parquet":
        tables.keep(stamps.on_table(pa.table({"stub": [1]}), path), path)
    elif path.name == "fetched.json":
        path.parent.mkdir(parents=True)
        header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
        weights = len(header).to_bytes(8, "little") + header + bytes(4)
        (path.parent / "model.safetensors").write_bytes(weights)
        (path.parent / "config.json").write_text("{}")
        path.write_text('{"files": {}}')
        stamps.on_checkpoint(path.parent, path)
        return path.parent
    elif path.suffix == ".json":
        page.write(path, json.dumps(stamps.on_record({}, path)).encode())
    else:
        page.write(path if path.suffix else path / "figure.svg", b"<p>stub</p>\n")
    return path


class Clock:
    """Of a running Snakemake: at each job's end, the time, and the CPU seconds of the process itself."""

    def __init__(self, process: int) -> None:
        self.process, self.started = process, time.monotonic()
        self.ends: list[tuple[float, float]] = []
        self.first: float | None = None
        self.peak = 0.0

    def line(self, text: str) -> None:
        """Take note of a line of Snakemake's output."""
        found = re.match(r"(\d+) of \d+ steps", text)
        if self.first is None and re.match(r"\[\w{3} \w{3} ", text):
            self.first = time.monotonic() - self.started
        if found is None:
            return
        now = time.monotonic() - self.started, self._cpu()
        self.ends += [now] * (int(found[1]) - len(self.ends))
        if len(self.ends) % 200 < 2:
            self.look()

    def look(self) -> None:
        """Take note of the peak memory in MiB."""
        status = Path(f"/proc/{self.process}/status").read_text()
        self.peak = max(self.peak, int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024)

    def _cpu(self) -> float:
        fields = Path(f"/proc/{self.process}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def scheduled(root: Path, env: dict[str, str], *arguments: str, seconds: float | None = None) -> Clock:
    """Run the study with the stand-in; the run is interrupted after `seconds`."""
    command = [SNAKEMAKE, "--configfile=study.yaml", "--quiet", "host", *arguments]
    output = root / "output"
    with subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, start_new_session=True
    ) as run, output.open("w") as copy:  # fmt: skip
        clock = Clock(run.pid)
        if seconds is not None:
            signal.signal(signal.SIGALRM, lambda *_: (clock.look(), os.kill(run.pid, signal.SIGINT)))
            signal.setitimer(signal.ITIMER_REAL, seconds)
        for text in run.stdout:
            clock.line(text)
            copy.write(text)
        run.wait()
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert run.returncode == 0 or seconds is not None, output.read_text()[-6000:]
    return clock


def pace(clock: Clock, part: int) -> list[str]:
    """Rows of jobs per second and CPU per job, for every `part` jobs."""
    rows = []
    ends = clock.ends
    for start in range(0, len(ends), part):
        stop = min(start + part, len(ends))
        before = ends[start - 1] if start else (clock.first or 0.0, ends[0][1])
        wall, cpu = (ends[stop - 1][k] - before[k] for k in (0, 1))
        rate = f"{(stop - start) / wall:.1f}" if wall > 0 else "-"
        rows.append(f"| {start + 1:,} to {stop:,} | {rate} | {1000 * cpu / (stop - start):.1f} |")
    return rows


def show(clock: Clock, part: int) -> None:
    """Print a run's totals and its pace."""
    wall, cpu = clock.ends[-1]
    print(
        f"{len(clock.ends):,} jobs in {wall:.0f} s, the first begun after {clock.first:.0f} s; "
        f"the scheduler took {cpu:.0f} CPU s and {clock.peak:.0f} MiB\n"
    )
    print("\n".join(["| jobs | jobs/s | CPU ms of the scheduler per job |", "|---|---|---|", *pace(clock, part)]))


def local(config: dict, env: dict[str, str], part: int) -> None:
    """Every job with the local executor, then a dry run over what they made."""
    with repository(config) as root:
        env = env | {"BASH_ENV": str(stand_in(root, root / "stand_in", 0))}
        profile = ("--profile", "workflow/profiles/default", "--cores", str(CORES))
        clock = scheduled(root, env, *profile)
        show(clock, part)
        for again in ("the first start after it", "the next"):
            jobs, wall, cpu, memory = dry_run(root)
            print(f"\n{again}: {jobs} jobs to do, {wall:.1f} s, {cpu:.1f} CPU s, {memory:.0f} MiB", flush=True)


def slurm(config: dict, env: dict[str, str], seconds: float, part: int) -> None:
    """As many jobs as a real Slurm of one node does in the time, in the groups of the profile."""
    if reason := slurm_cluster.missing():
        sys.exit(f"no Slurm here: {reason}")
    with repository(config) as root, slurm_cluster.running(root / "cluster") as cluster:
        env = env | cluster.environment | {"BASH_ENV": str(stand_in(root, root / "stand_in", 0))}
        env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
        table = yaml.safe_load((root / "workflow/resources.yaml").read_text())
        for row in table["policies"] + table["prms"]:
            row.update(gpus=0, memory_gb=1)  # the node has 64
        table["light"]["memory_gb"] = 1
        (root / "workflow/resources.yaml").write_text(yaml.safe_dump(table))
        quick = ("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1")
        profile = ("--profile", "workflow/profiles/slurm", "--max-jobs-per-timespan", "1000/1s", "--latency-wait", "5")
        clock = scheduled(root, env, *profile, *quick, seconds=seconds)
        states = pd.Series([state for _, state, *_ in cluster.jobs()]).value_counts().to_dict()
        print(f"cut after {seconds:.0f} s; jobs of Slurm: {states}")
        show(clock, part)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--local", action="store_true")
    parser.add_argument("--slurm", type=float, metavar="SECONDS")
    parser.add_argument("--small", action="store_true", help="a small grid, to try this timing")
    parser.add_argument("--large", action="store_true", help="of thirty and of a hundred thousand jobs, for --dry-run")
    args = parser.parse_args()
    cases = SMALL if args.small else LARGE if args.large else CASES
    part = 50 if args.small else 1000
    *_, (name, sizes) = cases.items()
    if args.dry_run or not (args.local or args.slurm):
        print("| dry run | jobs | wall s | CPU s | peak MiB |\n|---|---|---|---|---|")
        for case, numbers in cases.items():
            with repository(grid(*numbers)) as root:
                jobs, wall, cpu, memory = dry_run(root)
            print(f"| {case} | {jobs:,} | {wall:.1f} | {cpu:.1f} | {memory:.0f} |", flush=True)
    if args.local:
        print(f"\n{name}: local executor, {CORES} cores\n", flush=True)
        local(grid(*sizes), environment(), part)
    if args.slurm:
        print(f"\n{name}: Slurm on the loopback\n", flush=True)
        slurm(grid(*sizes), environment(), args.slurm, part)


if __name__ == "__main__":
    main()

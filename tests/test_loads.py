"""Loads: each set of models once, counted before a run, on a simulated box, and in the records of a real run."""

from __future__ import annotations

import heapq
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import faults
from ttstudy.dag.layout import jobs, maker, open_layout
from ttstudy.data.revisions import load
from ttstudy.models.budget import Gpu
from ttstudy.run import demand, devices, loads, scheduling, workers
from ttstudy.run.placing import Places

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def paper():
    study = load(ROOT / "workflow/studies/paper.yaml")
    return open_layout(study.model_copy(update={"max_job_hours": 1e6}), ROOT)  # no job shared out


def test_the_paper_loads_a_model_2030_times_where_each_job_does_and_92_sets_where_workers_keep_them(paper):
    found = loads.expected(jobs(paper))
    assert found.apart == 2030
    assert found.workers == 70 + 15 + 7  # pairs, policies and PRMs alone
    assert found.models == 2 * 70 + 15 + 7


def test_a_spec_tells_its_models_as_its_file_does():
    layout = open_layout(load(ROOT / "workflow/studies/smoke.yaml"), ROOT)
    for job in jobs(layout):
        assert loads.of_spec(job.spec) == workers.models(job.spec.model_dump(mode="json")), job.rule


# -- a box of eight GPUs, by the clock of a simulation ---------------------------------------------------------------

PRIORITIES = {"sample": 50, "ask": 50, "score": 40}


class Job:
    """A job as the scheduler sees Snakemake's, and what the simulation needs: hours, and the jobs before it."""

    def __init__(self, layout, job, known, places) -> None:
        spec, told = job.spec, known.get(job.spec.product)
        names = dict(model.key.split(".", 1) for model in devices.models(spec)) if told else {}
        models = [names.get("policies"), names.get("prms")]
        self.models = told.models if told else None
        self.gpus = demand.of_job(layout.study, *models, places=places).gpus if told else 0
        self.output, self.priority = list(spec.outputs.values()), PRIORITIES.get(job.rule, 0)
        self.scheduler_resources = {"_cores": 1, "gpu": self.gpus}
        self.hours = 0.05 + told.work / 100 / max(1, self.gpus) if told else 0.01
        self.before = {maker(layout, file.path).spec.product for file in spec.inputs if not file.given}


def box(layout, gpus: int):
    """Loads of a run on a box, the share of GPU time in use, and GPU-hours idle while as many sets of models wait."""
    known = scheduling.known(layout)
    places = Places(layout, Gpu.sold_with(80))
    fetched = {job.spec.product for job in jobs(layout) if job.rule in ("fetch_model", "benchmark")}
    every = {job.spec.product: Job(layout, job, known, places) for job in jobs(layout)}
    left, done, started = {name: job for name, job in every.items() if name not in fetched}, set(fetched), set()
    order, free, running = scheduling.Order(known), {"_cores": gpus + 4, "gpu": gpus}, []
    now = busy = idle = 0.0
    while left:
        ready = [job for name, job in left.items() if name not in started and job.before <= done]
        for job in order.choose(ready, left.values(), free):
            started.add(job.output[0])
            for name, amount in job.scheduler_resources.items():
                free[name] -= amount
                assert free[name] >= 0
            heapq.heappush(running, (now + job.hours, job.output[0]))
        then, product = heapq.heappop(running)
        busy += (then - now) * (gpus - free["gpu"])
        if len({job.models for job in left.values() if job.models}) >= gpus:
            idle += (then - now) * free["gpu"]
        now = then
        done.add(product)
        for name, amount in left.pop(product).scheduler_resources.items():
            free[name] += amount
    return order.loads, busy / (gpus * now), idle


def test_a_box_of_eight_gpus_loads_the_papers_models_a_hundred_times_at_most_and_is_busy(paper):
    found, share, idle = box(paper, 8)
    assert 92 <= found <= 100
    assert share > 0.99 and idle < 1


def test_a_smaller_box_loads_no_more(paper):
    found, share, _ = box(paper, 4)
    assert 92 <= found <= 100 and share > 0.99


def test_a_job_that_failed_is_started_again(paper):
    known = scheduling.known(paper)
    places = Places(paper, Gpu.sold_with(80))
    job = next(Job(paper, job, known, places) for job in jobs(paper) if job.rule == "search")
    order = scheduling.Order(known)
    for _ in range(2):
        assert order.choose([job], [job], {"_cores": 2, "gpu": 8}) == [job]
    assert order.choose([], [job], {"_cores": 2, "gpu": 8}) == []


# -- real runs ---------------------------------------------------------------------------------------------------------


def records(root: Path) -> list[dict]:
    found = [json.loads(path.read_text()) for path in sorted((root / "results").rglob(".*.job.json"))]
    return [record for record in found if record["step"] in workers.STEPS]


@pytest.fixture(scope="module")
def apart(tmp_path_factory) -> Path:
    """A run whose jobs each load their own models."""
    root, config = faults.set_up(tmp_path_factory.mktemp("apart") / "run")
    assert faults.Run(root, config, TTSTUDY_WORKERS="0").process.wait(timeout=900) == 0
    assert all(isinstance(seconds, float) for record in records(root) for seconds in record["loads"].values())
    return root


def test_a_run_loads_each_model_once_to_the_same_bytes_and_leaves_no_worker(apart, tmp_path):
    root, config = faults.set_up(tmp_path / "run")
    (tmp_path / "tmp").mkdir()
    run = faults.Run(root, config, cores=1, TMPDIR=str(tmp_path / "tmp"))
    assert run.process.wait(timeout=900) == 0
    assert faults.processes_of(run.process.pid) == {}
    assert [path for path in (tmp_path / "tmp").rglob("*") if not path.is_dir()] == []
    found = [load for record in records(root) for load in record["loads"].items()]
    assert sorted(role for role, seconds in found if seconds is not None) == ["policy", "prm"]
    assert len(found) == sum(len(record["loads"]) for record in records(apart)) > 2
    assert faults.final(root) == faults.final(apart)
    assert all(record["cpu_seconds"] > 0 and record["peak_bytes"] > 2**20 for record in records(root))


def test_a_worker_killed_in_the_middle_costs_its_block_and_nothing_else(apart, tmp_path):
    root, config = faults.set_up(tmp_path / "run")
    run = faults.Run(root, config, cores=1, TTSTUDY_RESPONSES_PER_PART="4")
    killed = 0
    while run.process.poll() is None:
        parts = list(root.glob("results/**/.*.parts/0*"))
        for process, line in faults.processes_of(run.process.pid).items():
            if b'"light": true' in line:
                continue
            if parts and not killed and line.split(b"\0")[1:2] == [str(root / "scripts/worker.py").encode()]:
                os.kill(process, signal.SIGKILL)
                killed, before = process, {path: path.stat().st_ino for path in parts if path.exists()}
        time.sleep(0.02)
    assert killed and run.process.returncode == 0
    assert before and faults.final(root) == faults.final(apart)
    assert not list(root.glob("results/**/.*.parts"))


def test_workers_go_when_their_run_is_killed(tmp_path):
    root, config = faults.set_up(tmp_path / "run")
    run = faults.Run(root, config)
    deadline = time.monotonic() + 300
    while not any(b"scripts/worker.py" in line for line in faults.processes_of(run.process.pid).values()):
        assert run.process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(run.process.pid, signal.SIGKILL)
    run.process.wait()
    while any(b"scripts/worker.py" in line for line in faults.processes_of(run.process.pid).values()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    run.kill()


# -- simulated GPUs: a step that only says where it ran ----------------------------------------------------------------

STEP = '''
import json, os, time

def step(spec, log):
    begun = time.monotonic()
    time.sleep(float(os.environ["NAP"]))
    told = [os.getpid(), os.environ["CUDA_VISIBLE_DEVICES"], begun, time.monotonic(), os.environ.get("LEFT")]
    os.environ["LEFT"] = "behind"
    with open(os.environ["SEEN"], "a") as seen:
        seen.write(json.dumps(told) + "\\n")

if __name__ == "__main__":
    from ttstudy.dag.specs.generation import SampleSpec
    from ttstudy.run import steps
    steps.main(SampleSpec, step)
'''


class Box:
    """Two GPUs of which nothing is real but their names, and a study whose steps run nowhere."""

    def __init__(self, folder: Path) -> None:
        config = faults.study()
        shipped = ROOT / "workflow/checkpoints"
        paths = {"a": "mini-20k", "b": "mini-60k", "c": "mini-180k"}
        config["policies"] = {
            name: {"source": "checkpoint", "path": str(shipped / path)} for name, path in paths.items()
        }
        self.root = faults.copy_repository(folder / "code")
        (self.root / "scripts/sample.py").write_text(STEP)
        self.owner = subprocess.Popen(["sleep", "600"])
        self.environment = faults.environment() | {
            "PYTHONPATH": str(self.root / "workflow"), "TMPDIR": str(folder), "TTSTUDY_OWNER": str(self.owner.pid),
            "TTSTUDY_RUN": "one", "CUDA_VISIBLE_DEVICES": "0,1", "SEEN": str(folder / "seen"), "NAP": "0.1",
            "TTSTUDY_WORKER_GRACE": "0.5",
        }  # fmt: skip
        self.folder = folder
        self.specs = self._specs(config)

    def _specs(self, config: dict) -> dict[str, list[Path]]:
        from ttstudy.dag.specs import files
        from ttstudy.study import from_mapping

        found: dict[str, list[Path]] = {}
        layout = open_layout(from_mapping(config | {"results": str(self.folder / "results")}, "test"))
        for job in jobs(layout):
            if job.rule == "sample":
                Path(job.spec.product).parent.mkdir(parents=True, exist_ok=True)
                path = Path(files.place(layout.study.results, job.spec))
                files.write(job.spec, path)
                found.setdefault(job.cell.policy, []).append(path)
        return found

    def start(self, spec: Path, light: bool = False, **variables: str):
        command = [sys.executable, str(self.root / "scripts/sample.py"), "--spec", str(spec)]
        first = ["light.py"] if light else ["launch.py", "1"]
        launch = [sys.executable, str(self.root / "scripts" / first[0]), *first[1:], *command]
        environment = self.environment | variables
        return subprocess.Popen(launch, env=environment, cwd=self.folder, stderr=subprocess.PIPE, text=True)

    def run(self, policy: str, **variables: str) -> int:
        """The process that ran a job."""
        job = self.start(self.specs[policy][0], **variables)
        _, said = job.communicate(timeout=120)
        assert job.returncode == 0 and not said, said
        return self.seen()[-1][0]

    def seen(self) -> list[list]:
        path = self.folder / "seen"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture()
def gpus(tmp_path):
    found = Box(tmp_path)
    yield found
    found.owner.kill()
    found.owner.wait()


def alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


def ends(process: int, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while alive(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(process)


def test_jobs_with_one_policy_share_a_worker_and_no_two_workers_a_gpu(gpus):
    waiting = [(name, spec) for name in "abc" for spec in gpus.specs[name][:3]]
    running = [gpus.start(spec) for _, spec in waiting]
    for job in running:
        _, said = job.communicate(timeout=300)
        assert job.returncode == 0, said
    seen = gpus.seen()
    assert len(seen) == 9 and {device for _, device, *_ in seen} == {"0", "1"}
    assert all(left is None for *_, left in seen)  # what a step sets is gone before the next
    for one, other in itertools.combinations(seen, 2):
        if one[1] == other[1] and one[0] != other[0]:
            assert one[3] <= other[2] or other[3] <= one[2]


def test_a_worker_serves_its_run_environment_and_code_alone_and_gives_way_when_idle(gpus):
    first = gpus.run("a")
    assert gpus.run("a") == first != gpus.run("b")
    other = gpus.run("a", HF_TOKEN="secret")  # its worker took the place of one of the two
    assert other != first
    assert gpus.run("a", TTSTUDY_RUN="two") not in (first, other)
    latest = gpus.run("a")
    changed = gpus.root / "workflow/ttstudy/vocabulary.py"
    changed.write_text(changed.read_text() + "\n")
    assert gpus.run("a") != latest
    held = [process for process in {process for process, *_ in gpus.seen()} if alive(process)]
    assert len(held) <= 2  # as many as there are GPUs
    assert not any("secret" in str(path) for path in gpus.folder.rglob("*"))
    gpus.owner.kill()
    gpus.owner.wait()
    assert all(ends(process) for process in held)


def test_an_idle_worker_ends_after_its_time_and_none_runs_where_workers_are_off(gpus):
    assert ends(gpus.run("a", TTSTUDY_WORKER_IDLE="0.5"))
    assert not alive(gpus.run("a", TTSTUDY_WORKERS="0"))
    assert not list(gpus.folder.glob("ttstudy-workers-*/*"))


def worker_of(gpus: Box, job: subprocess.Popen) -> int:
    """The worker that has just been started for a job."""
    place = None
    while place is None:
        assert job.poll() is None
        place = next(gpus.folder.glob("ttstudy-workers-*/*"), None)
        time.sleep(0.02)
    return int(place.name.rsplit("-", 1)[1])


def copy_of(worker: int) -> int:
    """The copy of a light worker that runs its job."""
    found: list[str] = []
    while not found:
        found = Path(f"/proc/{worker}/task/{worker}/children").read_text().split()
        time.sleep(0.02)
    return int(found[0])


@pytest.mark.parametrize("light", [False, True], ids=["models", "light"])
def test_a_job_whose_worker_dies_goes_on_alone_and_says_so(gpus, light):
    job = gpus.start(gpus.specs["a"][0], light, NAP="2")
    worker = worker_of(gpus, job)
    copy = copy_of(worker) if light else worker
    time.sleep(0.5)
    os.kill(worker, signal.SIGKILL)
    assert ends(copy)
    _, said = job.communicate(timeout=120)
    assert job.returncode == 0 and "goes on as a process of its own" in said
    assert len(gpus.seen()) == 1 and gpus.seen()[0][0] == job.pid


def test_each_light_job_is_a_copy_of_its_worker_which_nothing_that_a_job_does_changes(gpus):
    for spec in gpus.specs["a"][:3]:
        assert gpus.start(spec, light=True).wait(120) == 0
    seen = gpus.seen()
    assert len({process for process, *_ in seen}) == 3 and all(left is None for *_, left in seen)
    assert len(list(gpus.folder.glob("ttstudy-workers-*/*"))) == 1
    assert not any(alive(process) for process, *_ in seen)


def test_a_light_job_ends_with_its_launcher_and_with_its_run(gpus):
    for kill in (lambda job: job.kill(), lambda job: gpus.owner.kill()):
        job = gpus.start(gpus.specs["a"][0], light=True, NAP="60")
        worker = worker_of(gpus, job)
        copy = copy_of(worker)
        kill(job)
        gpus.owner.poll()
        assert ends(copy) and ends(worker)
        job.kill()
        job.communicate()
    assert gpus.seen() == []


def test_a_light_job_that_is_killed_has_failed_and_says_so(gpus):
    job = gpus.start(gpus.specs["a"][0], light=True, NAP="60")
    os.kill(copy_of(worker_of(gpus, job)), signal.SIGKILL)
    _, said = job.communicate(timeout=60)
    assert job.returncode == 128 + signal.SIGKILL
    assert said.startswith("error: the job was killed by signal 9; the system does so where memory runs out")

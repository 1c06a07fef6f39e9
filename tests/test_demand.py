"""What jobs ask for, and GPUs that no two jobs share."""

from __future__ import annotations

import copy
import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests import paths
from tests.studies import ROOT
from tests.test_layout import layout_of
from tests.test_plan import LARGE
from tests.test_study import small
from ttstudy.dag import shards
from ttstudy.dag.layout import jobs, open_layout
from ttstudy.dag.specs import files as specs
from ttstudy.dag.specs.records import File
from ttstudy.data import revisions
from ttstudy.errors import StudyError
from ttstudy.models import resources
from ttstudy.models.budget import Gpu
from ttstudy.models.facts import billions_of_name
from ttstudy.run import demand, devices, gpus, learned, plan, provenance, scratch, steps
from ttstudy.run.demand import Demand, Site, of_models, slurm
from ttstudy.run.placing import Places
from ttstudy.study import from_mapping


@pytest.mark.parametrize(
    ("policy", "prm", "wanted"),
    [(0.5, 1.5, 1), (14.8, 8, 1), (32.8, 7.6, 2), (72.7, 8, 3), (3, 72.7, 3), (32.8, 72.7, 3), (72.7, 72.7, 4)],
)
def test_a_search_asks_for_the_gpus_of_the_official_codes_table(policy, prm, wanted):
    assert of_models(policy, prm).gpus == wanted


def test_the_miniature_asks_for_no_gpu_and_a_giant_for_a_row():
    assert of_models(0.001, 0.0005).gpus == of_models(policy=0.001).gpus == of_models(prm=0.001).gpus == 0
    with pytest.raises(StudyError, match="no row of policies holds 2000 billion"):
        of_models(2000)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("Qwen/Qwen2.5-0.5B-Instruct", 0.5), ("meta-llama/Llama-3.1-8B-Instruct", 8), ("a/Llama3.1-8B-PRM", 8),
     ("peiyi9979/math-shepherd-mistral-7b-prm", 7), ("some/qwen2", None), ("Qwen/Qwen2.5-Math-PRM-72B", 72)],
)  # fmt: skip
def test_a_models_name_tells_its_size(name, wanted):
    assert billions_of_name(name) == wanted


def test_a_retry_asks_for_more_time_and_memory_within_what_the_site_allows():
    site = Site(cpu_partition="cpu", gpu_partition="gpu", gpu_model="a100", gpu_memory_gb=40, longest_hours=20)
    first, second = (slurm(Demand(3, 100, 12), site, attempt) for attempt in (1, 2))
    assert (first["runtime"], second["runtime"]) == (720, 1200)
    assert (first["mem_mb"], second["mem_mb"]) == (100_000, 200_000)
    assert first["gpu"] == 3 and first["slurm_partition"] == "gpu" and first["gpu_model"] == "a100"
    assert first["nodes"] == 1 and slurm(Demand(16, 1000, 72), Site())["nodes"] == 2
    light = slurm(demand.of_step("light"), site)
    assert light["gpu"] == 0 and light["slurm_partition"] == "cpu" and light["gpu_model"] == ""


def test_what_the_papers_jobs_ask_for_is_one_and_a_half_times_what_is_planned():
    layout = open_layout(revisions.load(ROOT / "workflow/studies/paper.yaml"))
    places = Places(layout, Gpu.sold_with(80))
    frame = plan.plan(layout, places, {})
    asked = 0.0
    for job in jobs(layout):
        if isinstance(job.spec, shards.Sharded) and not job.shards:
            models = dict(model.key.split(".", 1) for model in devices.models(job.spec))
            names = {"policy": models.get("policies"), "prm": models.get("prms")}
            wanted = demand.of_work(layout, job, demand.of_job(layout.study, **names, places=places))
            asked += wanted.gpus * wanted.hours
            assert wanted.hours >= 1 / 3 and wanted.hours * 6 == pytest.approx(round(wanted.hours * 6))
    assert 1.5 < asked / frame["gpu_hours"].sum() < 1.6


def test_jobs_ask_for_what_finished_jobs_of_their_kind_took_and_for_no_memory_less(tmp_path):
    layout = open_layout(from_mapping(LARGE), tmp_path)
    drawn = [job for job in jobs(layout) if job.spec.step == "sample" and not shards.of(job.spec)]
    scored = [job for job in jobs(layout) if job.rule in ("score", "join_score")]
    first, *others = (job for job in drawn if job.of.cell.policy == "qwen-72b")
    planned = learned.planned(layout, first)
    took = {"seconds": 3 * 3600 * planned, "peak_bytes": 200e9, "engines": {"policy": {"device": "cuda, H100"}}}
    (tmp_path / first.spec.product).parent.mkdir(parents=True)
    provenance.write(tmp_path / first.spec.product, took)
    known = learned.learned(layout, drawn, lambda job: True)
    assert [told.pace for told in known.values()] == pytest.approx([3, 3])
    assert not learned.learned(layout, drawn, lambda job: False)  # on a CPU another pace is to be expected
    models = Demand(2, 160, 0)
    for job in others:
        before, now = (demand.of_work(layout, job, models, told) for told in ({}, known))
        assert now.hours == pytest.approx(max(1 / 3, 4.5 * learned.planned(layout, job)), abs=0.17)
        assert now.hours >= before.hours
        assert (before.memory_gb, now.memory_gb) == (160, 300)
    assert demand.of_work(layout, scored[0], models, known) == demand.of_work(layout, scored[0], models)


def test_what_the_table_states_goes_before_the_plan():
    rows = copy.deepcopy(dict(resources.table()))
    assert of_models(7, 7).memory_gb == 2 * of_models(7).memory_gb == 2 * math.ceil(1.5 * 8 + 2 * 7)
    rows["policies"][1] |= {"hours": 3, "memory_gb": 20}
    stated = of_models(7, rows=rows)
    assert stated == Demand(1, 20, 3, stated=True)
    layout = open_layout(from_mapping(LARGE))
    assert demand.of_work(layout, next(job for job in jobs(layout) if job.rule == "sample"), stated) == stated


def test_a_sites_words_are_asked_for_where_it_has_some():
    words = {"qos": "long", "constraint": "a100|h100", "extra": ["--reservation=mine", "--exclusive"]}
    site = Site(gpu_model="a100", gpu_request="gres", gpus_per_node=8, **words)
    asked = slurm(Demand(16, 100, 1), site)
    assert (asked["gpu"], asked["gres"], asked["nodes"], asked["devices"]) == (0, "gpu:a100:8", 2, 16)
    assert (asked["gpu_model"], asked["constraint"], asked["qos"]) == ("", "a100|h100", "long")
    assert asked["slurm_extra"] == "--reservation=mine --exclusive"
    assert slurm(Demand(1, 100, 1), site, here=True)["gpu"] == 1  # a box packs its GPUs by their number
    assert {"qos", "slurm_extra", "constraint", "gres"} <= set(site.resources(True))
    assert not {"constraint", "gres", "devices"} & set(site.resources(False))
    assert set(Site().resources(True)) == {*demand.RESOURCES, *demand.OF_MODELS}


def test_a_misspelt_site_key_is_named(tmp_path):
    (tmp_path / "site.yaml").write_text("acount: mine\n")
    with pytest.raises(StudyError, match="acount: unknown key"):
        demand.read_site(tmp_path / "site.yaml")


SITES = {
    "hours in words": ("longest_hours: 2h", "longest_hours: input should be a valid number"),
    "no hours": ("longest_hours: 0", "longest_hours: input should be greater than 0"),
    "no memory": ("gpu_memory_gb: 0", "gpu_memory_gb: input should be greater than or equal to 4"),
    "GPUs of 80 GB, as it was": ("gpus_per_80gb: 0.5", "gpus_per_80gb: unknown key; there are .*gpu_memory_gb"),
    "a partition that is an option": ('gpu_partition: "--wrap=x"', "gpu_partition: '--wrap=x' is not a name"),
    "a number for an account": ("account: 5", "account: input should be a valid string"),
    "an option with a command": ('extra: ["--x=$(rm -rf .)"]', r"extra\.0: "),
    "another way to ask": ("gpu_request: gpu", "gpu_request: input should be 'gpus' or 'gres'"),
    "a folder on two lines": ('scratch: "a\\nb"', "scratch: must be one line"),
}


@pytest.mark.parametrize(("text", "words"), SITES.values(), ids=SITES.keys())
def test_a_bad_site_is_named_by_file_and_key(tmp_path, text, words):
    (tmp_path / "site.yaml").write_text(text)
    with pytest.raises(StudyError, match=f"site.yaml: {words}"):
        demand.read_site(tmp_path / "site.yaml")


RESOURCES = {
    "no rows": (lambda table: table.pop("prms"), "prms: is missing"),
    "a row of no size": (lambda table: table["policies"][1].pop("size"), r"policies\.1\.size: is missing"),
    "GPUs below none": (lambda table: table["policies"][1].update(gpus=-1), r"policies\.1\.gpus: input should be"),
    "rows that fall": (lambda table: table["policies"].reverse(), "policies: rows must rise by size"),
    "speed in words": (lambda table: table["speed"].update(drawing="fast"), r"speed\.drawing: input should be"),
    "unknown key": (lambda table: table.update(gpu=1), "gpu: unknown key; there are policies"),
}


@pytest.mark.parametrize(("change", "words"), RESOURCES.values(), ids=RESOURCES.keys())
def test_a_bad_table_of_resources_is_named_by_file_and_key(tmp_path, change, words):
    content = yaml.safe_load(resources.TABLE.read_text())
    change(content)
    (tmp_path / "resources.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(StudyError, match=f"resources.yaml: {words}"):
        resources.table(tmp_path / "resources.yaml")


# -- GPUs of one box -------------------------------------------------------------------------------------------


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM_", "CUDA_"))}
    return clean | {"PYTHONPATH": str(ROOT / "workflow"), "TMPDIR": str(tmp_path)} | more


def launch(count: int, *command: str) -> list[str]:
    return [sys.executable, str(ROOT / "scripts/launch.py"), str(count), *command]


def test_four_jobs_on_a_box_with_two_gpus_never_share_one_even_when_one_is_killed(tmp_path):
    env = environment(tmp_path, CUDA_VISIBLE_DEVICES="0,1", LOG=str(tmp_path / "log"))
    program = 'echo "+ $CUDA_VISIBLE_DEVICES $$" >> $LOG; sleep 0.6; echo "- $CUDA_VISIBLE_DEVICES $$" >> $LOG'
    jobs = [subprocess.Popen(launch(1, "bash", "-c", program), env=env) for _ in range(4)]
    lines: list[str] = []
    deadline = time.monotonic() + 60
    while not lines and time.monotonic() < deadline:
        time.sleep(0.02)
        lines = (tmp_path / "log").read_text().splitlines() if (tmp_path / "log").exists() else []
    first = lines[0].split()
    victim = next(job for job in jobs if job.pid == int(first[2]))
    victim.kill()
    assert all(job.wait(60) == (0 if job is not victim else -9) for job in jobs)
    busy: dict[str, str] = {}
    for line in (tmp_path / "log").read_text().splitlines():
        sign, device, process = line.split()
        if sign == "+":
            assert device in ("0", "1")
            assert busy.get(device) in (None, first[2]), f"GPU {device} was shared"
            busy[device] = process
        else:
            assert busy.pop(device) == process
    assert len((tmp_path / "log").read_text().splitlines()) == 7


def test_a_job_of_two_gpus_waits_for_both_and_a_job_of_none_sees_none(tmp_path):
    env = environment(tmp_path, CUDA_VISIBLE_DEVICES="GPU-a,GPU-b")
    show = ("bash", "-c", "echo $CUDA_VISIBLE_DEVICES")
    env |= {"LOG": str(tmp_path / "log"), "GO": str(tmp_path / "go")}
    hold = "echo one begins >> $LOG; until [ -e $GO ]; do sleep 0.05; done; echo one ends >> $LOG"
    one = subprocess.Popen(launch(1, "bash", "-c", hold), env=env)
    while not (tmp_path / "log").exists():
        assert one.poll() is None
        time.sleep(0.02)
    both = subprocess.Popen(launch(2, "bash", "-c", "echo $CUDA_VISIBLE_DEVICES >> $LOG"), env=env)
    time.sleep(1.5)
    assert both.poll() is None
    (tmp_path / "go").touch()
    assert one.wait(60) == both.wait(60) == 0
    assert (tmp_path / "log").read_text() == "one begins\none ends\nGPU-a,GPU-b\n"
    assert subprocess.run(launch(0, *show), env=env, capture_output=True, text=True).stdout == "\n"
    three = subprocess.run(launch(3, *show), env=env, capture_output=True, text=True)
    assert three.returncode == 1 and "asks for 3 GPUs, but this machine has 2" in three.stderr


def test_slurms_own_choice_of_gpus_is_kept(tmp_path):
    assert gpus.take(1, {"CUDA_VISIBLE_DEVICES": "0", "SLURM_JOB_ID": "7"}, tmp_path) is None
    assert gpus.take(0, {"CUDA_VISIBLE_DEVICES": ""}, tmp_path) is None


def test_models_are_copied_to_a_nodes_disk_once_and_only_where_their_name_tells_what_they_are(tmp_path, monkeypatch):
    known, mine = tmp_path / "models" / "mini-0123abcd", tmp_path / "models" / "mine"
    for folder in (known, mine):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(folder.name)
        (folder / "training.json").write_text("{}")
    spec = paths.searches(layout_of(small()), "sums", "tiny", "good", "dvts")[8]
    own, other = (File(path=str(folder / "training.json"), digest="0") for folder in (known, mine))
    judge = spec.judge.model_copy(update={"checkpoint": other})
    specs.write(spec.model_copy(update={"policy": own, "judge": judge}), tmp_path / "spec.json")
    env = environment(tmp_path, TTSTUDY_SCRATCH="$TMPDIR/scratch")
    command = launch(0, "bash", "-c", "echo $TTSTUDY_STAGED", "step", "--spec", str(tmp_path / "spec.json"))
    outputs = {subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout for _ in range(2)}
    copy = tmp_path / "scratch" / "mini-0123abcd"
    (told,) = outputs
    assert json.loads(told) == {str(known): str(copy)}
    monkeypatch.setenv(scratch.STAGED, told)
    assert (steps.folder(own), steps.folder(other)) == (copy, mine)
    assert (copy / "config.json").read_text() == "mini-0123abcd"
    (copy / "config.json").unlink()  # as cleaners of temporary folders do
    subprocess.run(command, env=env, check=True, capture_output=True)
    assert (copy / "config.json").read_text() == "mini-0123abcd"


def test_a_copy_that_does_not_fit_is_none_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    source = tmp_path / "mini-0123abcd"
    source.mkdir()
    (source / "config.json").write_text("{}")

    def full(*_arguments, **_options):
        (tmp_path / "node" / f".{source.name}.partial").mkdir(parents=True)
        raise shutil.Error([("a", "b", "[Errno 28] No space left on device")])

    monkeypatch.setattr(shutil, "copytree", full)
    assert scratch._copy(source, tmp_path / "node") == source
    assert "No space left on device" in capsys.readouterr().err
    assert not [path for path in (tmp_path / "node").iterdir() if path.is_dir()]

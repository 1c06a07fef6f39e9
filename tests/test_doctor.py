"""What `make doctor` says of a machine and of a study, and what `make vllm` asks of a driver before it downloads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.studies import ROOT, smoke, write
from ttstudy.dag.layout import jobs, open_layout
from ttstudy.data.revisions import load
from ttstudy.run import disk, doctor, driver, plan


@pytest.fixture()
def machine(tmp_path, monkeypatch):
    """A machine whose nvidia-smi tells a driver and GPUs: (version, MiB of each), or none of either."""

    def become(version: str | None, *mib: int) -> dict[str, str]:
        tools = tmp_path / "tools"
        tools.mkdir(exist_ok=True)
        smi = tools / "nvidia-smi"
        if version is not None:
            rows = "\n".join(f"{number}, GPU-{number}, {size}" for number, size in enumerate(mib))
            smi.write_text(f'#!/bin/sh\ncase "$*" in *driver_version*) echo {version};; *) echo "{rows}";; esac\n')
            smi.chmod(0o755)
        elif smi.exists():
            smi.unlink()
        monkeypatch.setenv("PATH", f"{tools}{os.pathsep}/usr/bin{os.pathsep}/bin")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        return dict(os.environ)

    return become


def test_a_study_that_the_disk_cannot_hold_is_told_with_what_it_needs(tmp_path, monkeypatch):
    layout = open_layout(load(ROOT / "workflow/studies/paper.yaml"), tmp_path)
    left = jobs(layout)
    frame = plan.plan(layout, known={})
    assert disk.needed_gb(layout, left) == pytest.approx(frame["disk_gb"].sum(), rel=0.05)
    assert "this study will put about 78" in disk.lacking(layout, left)
    assert disk.lacking(layout, left[-1:]) is None


def by_name(lines) -> dict[str, doctor.Line]:
    return {line.about: line for line in lines}


@pytest.mark.parametrize(
    ("version", "old"),
    [("535.129.03", True), ("570.172.08", True), ("580.65.05", True), ("580.65.06", False), ("580.95", False),
     ("595.1.2", False), ("580", False), ("[N/A]", False)],
)  # fmt: skip
def test_a_driver_is_held_against_what_cuda_13_needs(version, old):
    assert driver.too_old(version) == old
    assert ("580.65.06 or newer (CUDA 13.0)" in driver.word(version)) == old


def test_vllm_is_not_downloaded_for_a_driver_that_cannot_run_it(machine):
    def asked(**more) -> subprocess.CompletedProcess:
        environment = machine("550.54.14", 81559) | {"PYTHONPATH": str(ROOT / "workflow")} | more
        # Without what the package installs: `make vllm` may come before everything else.
        command = [sys.executable, "-S", "-m", "ttstudy.run.driver"]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    refused = asked()
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1
    assert "the NVIDIA driver here is 550.54.14, and vLLM's GPU build wants 580.65.06 or newer" in refused.stderr
    assert asked(TTSTUDY_ANY_DRIVER="1").returncode == 0
    recipe = (ROOT / "Makefile").read_text().split(".venv-vllm/ready:")[1].split("\n\n")[0]
    assert recipe.index("ttstudy.run.driver") < recipe.index("pip install")


def test_the_doctor_tells_what_a_machine_has(machine, tmp_path):
    machine("580.95.05", 81559, 81559)
    found = by_name(doctor.machine(tmp_path))
    assert found["driver"].state == "ok" and found["GPUs"] == doctor.Line("GPUs", "ok", "2 GPUs: 80 GB, 80 GB")
    assert {"Python", "memory", "disk", "vLLM", "Slurm"} <= set(found)
    machine("535.129.03", 81559)
    assert by_name(doctor.machine(tmp_path))["driver"].state == "missing"
    machine(None)
    found = by_name(doctor.machine(tmp_path))
    assert found["driver"].state == found["GPUs"].state == "note"


def test_the_doctor_tells_what_a_study_lacks(machine, tmp_path, monkeypatch):
    machine(None)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    config = smoke()
    config["policies"] |= {
        "far": {"source": "openai", "model": "m", "base_url": "$SOMEWHERE"},
        "large": {"source": "hub", "id": "some/model-8B", "engine": "vllm"},
    }
    found = by_name(doctor.study(write(tmp_path, config)))
    assert found["study"].state == "ok"
    assert found["pins"].state == "missing" and "policies.large (some/model-8B)" in found["pins"].words
    assert "1 of 1 are not fetched (large)" in found["models"].words
    assert "OPENAI_API_KEY, SOMEWHERE is not set" in found["policies.far"].words
    assert found["GPUs"].state == "missing" and "none is seen here" in found["GPUs"].words
    machine("580.95.05", 81559)
    assert by_name(doctor.study(write(tmp_path, config)))["GPUs"].state == "ok"
    (tmp_path / "broken.yaml").write_text("study: [")
    (line,) = doctor.study(tmp_path / "broken.yaml")
    assert line.state == "missing" and "broken.yaml" in line.words


def test_the_command_ends_with_1_where_something_is_missing(tmp_path):
    path = write(tmp_path, smoke(prms={}))
    run = subprocess.run(
        [sys.executable, str(ROOT / "scripts/doctor.py"), str(path)],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 1 and "MISSING  study" in run.stdout and "Traceback" not in run.stderr


def test_every_shipped_lock_file_names_the_source_of_each_entry():
    from ttstudy.data import revisions

    for path in sorted((ROOT / "workflow/studies").glob("*.revisions.yaml")):
        for entries in revisions.read_lock(path).values():
            for id, entry in entries.items():
                assert entry.source, f"{path.name}: {id}: who states this?"
    pinned = revisions.load(ROOT / "workflow/studies/paper-newer.yaml")
    assert pinned.benchmarks["AIME25"].checksums and pinned.policies["Llama-3.2-1B-Instruct"].checksums


def test_its_lines_stand_below_each_other():
    lines = [doctor.Line("a", "ok", "x"), doctor.Line("long", "missing", "y")]
    assert doctor.shown(lines) == "ok       a     x\nMISSING  long  y"

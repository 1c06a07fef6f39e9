"""The command `ttstudy`: drafts that are studies, one sentence for what is wrong, a wheel that runs a study alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from tests.studies import ROOT, smoke, write
from ttstudy.errors import StudyError
from ttstudy.run import drafts
from ttstudy.run.command import main
from ttstudy.run.drafts import Wanted, draft
from ttstudy.study import from_mapping, read_yaml

HUB = "Qwen/Qwen2.5-0.5B-Instruct"


def said(*arguments: str, folder: Path | None = None, status: int = 0) -> str:
    """What the command says; it runs in a folder of its own."""
    with CliRunner().isolated_filesystem(folder):
        result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == status, result.output
    return result.output


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted("plain", (HUB,)),
        Wanted("my study!", (HUB, "meta-llama/Llama-3.2-1B-Instruct"), prms=("Qwen/Qwen2.5-Math-PRM-7B",), largest=64),
        Wanted("served", ("http://localhost:11434/v1",), model="llama3.2:1b", largest=8),
        Wanted("paid", ("https://api.openai.com/v1",), model="gpt-4o-mini", prms=("some/prm",), largest=4),
        Wanted("mine", (HUB,), benchmark="data/my problems.jsonl", largest=6),
        Wanted("odd", (HUB,), prms=("some/prm",), largest=3),
        Wanted("alike", ("x/a", "y/a", "y/A"), prms=("x/a", "z/judge", "w/judge")),
        Wanted("two servers", ("http://localhost:1/v1", "http://localhost:2/v1"), model="m"),
        Wanted("2024-02-03", ("x/no", "x/null", "x/1.5"), prms=("x/true",), benchmark="123.jsonl"),
        Wanted("123", ("https://host/v1",), model="123"),
        Wanted("null", ("https://host/v1",), model="\U0001f600 model"),
    ],
    ids=lambda wanted: wanted.study,
)
def test_a_draft_is_a_study_that_draws_no_more_than_its_largest_n(wanted, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(draft(wanted), "utf-8")
    study = from_mapping(read_yaml(path))  # strictly: no key twice
    assert len(study.policies) == len(wanted.policies) and len(study.prms) == len(wanted.prms)
    assert not set(study.policies) & set(study.prms)
    assert list(study.policies) and study.budgets.pool == wanted.largest
    assert bool(study.prms) == bool(wanted.prms)
    served = any(policy.source == "openai" for policy in study.policies.values())
    assert bool(study.budgets.of("beam_search")) == (bool(wanted.prms) and not served and wanted.largest >= 4)
    if wanted.study == "served":
        assert study.policies["llama3.2-1b"].key_variable is None  # a server of one's own needs no key
    assert all(len(line) <= 140 for line in draft(wanted).splitlines())


def test_a_draft_knows_gguf_files_local_servers_and_what_this_cpu_is_fast_with(tmp_path, monkeypatch):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(drafts, "CPU", tmp_path / "cpuinfo")
    monkeypatch.setattr(drafts.gpus, "visible", lambda: [])
    for flags, dtype in (("avx2 avx512_bf16", "bfloat16"), ("avx2", "float32")):
        drafts.CPU.write_text(f"flags : {flags}\n")
        models = (str(tmp_path / "m.gguf"), str(tmp_path / "folder"), "http://localhost:11434/v1")
        study = from_mapping(yaml.safe_load(draft(Wanted("s", models, model="llama3.2:1b"))))
        found = study.policies
        assert found["m.gguf"].source == "gguf" and found["folder"].dtype == dtype
        assert found["llama3.2-1b"].server == "ollama"


def test_what_a_draft_cannot_be_made_of_is_told_in_one_sentence(tmp_path):
    nothing = "is neither a folder, nor a GGUF file, nor an id"
    for policy, sentence in (("no/such/folder", nothing), ("https://host/v1", "--model")):
        with pytest.raises(StudyError, match=sentence):
            draft(Wanted("s", (policy,)))
    assert "--policy: is missing" in said("init", folder=tmp_path, status=2)
    assert "is neither a folder" in said("init", "--policy", "nowhere", folder=tmp_path, status=1)
    taken = tmp_path / "there.yaml"
    taken.write_text("mine")
    assert "is there already" in said("init", str(taken), "--policy", HUB, folder=tmp_path, status=2)
    assert taken.read_text() == "mine"
    assert "there is no such folder" in said("init", "none/a.yaml", "--policy", HUB, folder=tmp_path, status=2)
    assert "name the model there" in said("init", "--policy", "https://h/v1", folder=tmp_path, status=2)


def test_options_of_snakemake_alone_are_about_the_folders_own_study(tmp_path):
    with CliRunner().isolated_filesystem(tmp_path) as folder:
        write(Path(folder), smoke(), "config.yaml")
        told = CliRunner().invoke(main, ["run", "--quiet", "all", "config.yaml"])
        assert told.exit_code == 2 and "config.yaml: a study's file stands before options" in told.output
        options = ["run", "-n", "--cores", "1", "--list-rules"]
        command = [sys.executable, "-m", "ttstudy.run.command", *options]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert run.returncode == 0 and "train_policy" in run.stdout, run.stderr[-2000:]


def test_a_file_or_a_profile_that_is_not_there_is_named(tmp_path):
    for command in ("run", "plan", "check", "fetch", "prompts", "rehearse"):
        assert "absent.yaml: there is no such file" in said(command, "absent.yaml", folder=tmp_path, status=2)
    study = write(tmp_path, smoke())
    told = said("run", str(study), "--profile", "slrum", folder=tmp_path, status=2)
    assert "slrum: is no folder with a config.yaml; ours are " in told and "default" in told and "slurm" in told


def test_a_study_is_planned_from_any_folder_with_snakemakes_own_options(tmp_path):
    study = write(tmp_path, smoke(results="made"))
    options = [study.name, "-n", "--cores", "1", "--until", "sample"]
    command = [sys.executable, "-m", "ttstudy.run.command", "run", *options]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr[-3000:]
    assert "sample" in run.stdout + run.stderr and "claims " not in run.stderr
    assert not (tmp_path / "made").exists() or not list((tmp_path / "made").rglob("*.parquet"))


def test_a_wheel_in_an_environment_of_its_own_drafts_a_study_and_runs_it_to_its_report(tmp_path):
    source = tmp_path / "source"
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for name in listed.stdout.split("\n"):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    built = subprocess.run(
        [*pip, "wheel", str(source), "--no-deps", "--wheel-dir", str(tmp_path)], capture_output=True, text=True
    )
    if built.returncode and "setuptools" in built.stderr and "No matching distribution" in built.stderr:
        pytest.skip("no wheel can be built: pip finds no setuptools here")
    assert built.returncode == 0, built.stderr[-3000:]
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 15e6
    # Its libraries are this environment's, which are the pinned ones; of ttstudy it has the wheel alone.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "own")], check=True)
    python = tmp_path / "own" / "bin" / "python"
    found = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True
    )
    packages = Path(found.stdout.strip())
    subprocess.run([*pip, "install", "--no-deps", "--target", str(packages), str(wheel)], check=True)
    (packages / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def ttstudy(*arguments: str) -> str:
        run = subprocess.run(
            [python, "-m", "ttstudy.run.command", *arguments], cwd=tmp_path, env=environment, capture_output=True,
            text=True, timeout=900,
        )  # fmt: skip
        assert run.returncode == 0, (run.stdout + run.stderr)[-6000:]
        return run.stdout

    model = packages / "ttstudy_home/workflow/checkpoints/mini-20k"
    ttstudy("init", "mine.yaml", "--policy", str(model), "--largest", "2")
    draft = (tmp_path / "mine.yaml").read_text().replace("problems: 100", "problems: 2")
    # With problems from before the model's training data ended, beside those that no model has seen.
    (tmp_path / "old.jsonl").write_text('{"problem_id": "p", "problem": "Compute 2+3.", "answer": "5"}\n')
    old = "benchmarks:\n  old: {source: file, path: old.jsonl, published: 2023-05-04}\n"
    draft = draft.replace("benchmarks:\n", old).replace("prompt: qwen}", "prompt: plain, cutoff: 2024-01}")
    (tmp_path / "mine.yaml").write_text(draft)
    assert "results/studies/mine/report.html" in ttstudy("run", "mine.yaml", "--cores", "2")
    page = (tmp_path / "results/studies/mine/report.html").read_text()
    assert all(f'id="{section}"' in page for section in ("contamination", "runs", "time"))
    (row,) = pd.read_parquet(tmp_path / "results/studies/mine/tables/contamination.parquet").to_dict("records")
    assert (row["policy"], row["cutoff"], row["before"], row["after"]) == ("mini-20k", "2024-01", "old", "words")

"""Running whole studies in a copy of the repository: what end-to-end tests share."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

from tests import reached
from ttstudy.dag import contents
from ttstudy.dag.specs import files as specs
from ttstudy.dag.specs.records import File, Spec
from ttstudy.data import revisions
from ttstudy.errors import StudyError

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("Snakefile", "config.yaml", "workflow", "scripts", "reports", "envs")


def copy_repository(target: Path, origin: Path = ROOT) -> Path:
    """A working copy of what a run needs, without results."""
    target.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        source = origin / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__", "checkpoints"))
        else:
            shutil.copy2(source, target / name)
    return target


def smoke(**changes) -> dict:
    """The smoke study's configuration with top-level keys replaced."""
    return yaml.safe_load((ROOT / "workflow/studies/smoke.yaml").read_text()) | changes


def recorded_study(root: Path, samples: int = 8) -> dict:
    """A study of recorded responses of which the first is right, the second to `reference` alone, the others wrong."""
    rows = []
    for problem in range(4):
        for sample in range(samples):
            text = "\\boxed{1}" if sample == 2 else "\\boxed{2}" if sample % 2 else "The answer is 1."
            rows.append({"problem_id": f"p{problem}", "problem": f"{problem}+1?", "answer": "1", "sample": sample,
                         "response": text})  # fmt: skip
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "study": "s",
        "benchmarks": {"b": {"source": "recorded", "path": "rows.jsonl"}},
        "policies": {"p": {"source": "recorded", "path": "rows.jsonl"}},
        "budgets": {"majority": [1, 2, 6]},
        "pilot_samples": 2,
        "first_block": 6,
    }


def write(root: Path, config: dict, name: str = "study.yaml") -> Path:
    path = root / name
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def given_file(path: Path | str) -> File:
    """A file of a spec that no step made; of a checkpoint, with the digest that a step looks for."""
    path = Path(path)
    whole = path.name == "config.json" and any(path.parent.glob("*.safetensors"))
    digest = contents.checkpoint_digest(path.parent, str(path)) if whole else path.name
    return File(path=str(path), digest=digest, given=True)


def step_command(spec: Spec, folder: Path) -> list[str]:
    """Command line of a spec's step, as the rules have it; the spec's file, and the log, lie in the folder."""
    path = folder / f"{spec.step}.json"
    specs.write(spec, path)
    script = ROOT / "scripts" / f"{spec.step}.py"
    return [sys.executable, str(script), "--spec", str(path), "--log", str(folder / "log")]


def command(config: Path, *arguments: str, cores: int = 2) -> list[str]:
    return [
        str(Path(sys.executable).parent / "snakemake"),
        *("--profile", "workflow/profiles/default", "--cores", str(cores), f"--configfile={config}"),
        *arguments,
    ]


def environment() -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "TTSTUDY_RETRAIN")}
    return clean | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def snakemake(
    root: Path,
    config: Path,
    *arguments: str,
    cores: int = 2,
    ok: bool = True,
    env: dict[str, str] | None = None,
    by: str | None = None,
) -> str:
    """Output of a run in `root`; with `ok`, the run must succeed, else it must fail.

    What a run that ends in its report reaches of the schema is noted (`tests.reached`), of `by` or the current test.
    """
    started = time.time()
    run = subprocess.run(
        command(config, *arguments, cores=cores),
        cwd=root,
        env=environment() | (env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    if ok:
        assert run.returncode == 0, run.stdout[-6000:]
        if not {"--dry-run", "-n"} & set(arguments):
            _note(root, root / config, started, by)
    else:
        assert run.returncode != 0, run.stdout[-6000:]
    return run.stdout


def _note(root: Path, config: Path, started: float, by: str | None) -> None:
    """Note what a run reached that made its report now."""
    try:
        study = revisions.load(config)
    except StudyError:  # of a copy of the repository that has kinds which are not here
        return
    report = root / study.results / "studies" / study.study / "report.html"
    if report.exists() and report.stat().st_mtime >= started:
        reached.note(study, by, based="base" in yaml.safe_load(config.read_text()))


def planned(root: Path, config: Path, *arguments: str) -> dict[str, int]:
    """Jobs by rule that a run would do, as `snakemake --dry-run` counts them; `all` left out."""
    output = snakemake(root, config, "--dry-run", *arguments)
    if "Nothing to be done" in output:
        return {}
    table = output.split("Job stats:", 1)[1]
    rows = re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)
    return {rule: int(count) for rule, count in rows if rule not in ("all", "total")}


def tables(root: Path, study: str = "smoke") -> dict[str, bytes]:
    """Bytes of every study table."""
    folder = root / "results" / "studies" / study / "tables"
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


def fresh(finished: Path, target: Path, **changes) -> tuple[Path, Path]:
    """A new copy of the repository with the smoke study's trained models and nothing else; and its configuration."""
    root = copy_repository(target, finished)
    shutil.copytree(finished / "results/models", root / "results/models")
    return root, write(root, smoke(**changes))


def another_prm() -> dict:
    """The smoke study's PRMs, and one that is trained from another seed."""
    prms = smoke()["prms"]
    another = copy.deepcopy(prms["smoke-good"])
    another["definition"]["seed"] += 5
    return prms | {"another": another}

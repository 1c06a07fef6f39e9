"""GPUs of one machine, shared out to jobs by locks: no two jobs hold the same one."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ttstudy.errors import StudyError

ASKED = "TTSTUDY_GPUS"
"""Environment variable with the number of GPUs that a job was given."""
_held: list[int] = []


def number(count: int) -> str:
    """Some GPUs in words."""
    return f"{count} GPU{'' if count == 1 else 's'}"


def visible(environment: Mapping[str, str] = os.environ) -> list[str]:
    """GPUs that this process may use: CUDA_VISIBLE_DEVICES, or all that nvidia-smi lists."""
    if (listed := environment.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name.strip() for name in listed.split(",") if name.strip()]
    if shutil.which("nvidia-smi") is None:
        return []
    found = subprocess.run(["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True)
    return found.stdout.split() if found.returncode == 0 else []


def take(count: int, environment: Mapping[str, str] = os.environ, folder: Path | None = None) -> str | None:
    """Wait for `count` GPUs and hold them as long as this process, or what it becomes by exec, lives.

    Returns the value for CUDA_VISIBLE_DEVICES: "" for a job that asks for none, and None to leave it as it is: where
    there are no GPUs and none is asked for, or where Slurm has given this job just what it asks for. StudyError where
    there are too few: nothing runs on a CPU that was given a GPU.
    """
    devices = visible(environment)
    if count > len(devices):
        raise StudyError(
            f"this job asks for {number(count)}, but this machine has {len(devices)} (CUDA_VISIBLE_DEVICES, or what "
            "nvidia-smi lists); run it where they are, or ask for less under the model's name: a smaller "
            "vllm.tensor_parallel or, for the CPU, `device: cpu` with engine transformers"
        )
    if not devices or (len(devices) == count and "SLURM_JOB_ID" in environment):
        return None
    folder = folder or Path(tempfile.gettempdir()) / f"ttstudy-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    while (got := _try(count, devices, folder)) is None:
        time.sleep(random.uniform(0.2, 0.6))
    return ",".join(got)


def _try(count: int, devices: Sequence[str], folder: Path) -> list[str] | None:
    """Lock `count` of the devices, or none of them."""
    locks: dict[str, int] = {}
    for device in devices:
        if len(locks) == count:
            break
        name = "".join(c if c.isalnum() or c in "-." else "_" for c in device)
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
        else:
            locks[device] = descriptor
    if len(locks) < count:
        for descriptor in locks.values():
            os.close(descriptor)
        return None
    for descriptor in locks.values():
        os.set_inheritable(descriptor, True)
    _held.extend(locks.values())
    return list(locks)

"""GPUs of one machine, shared out to jobs by locks: no two jobs hold the same one."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ttstudy.errors import StudyError

ASKED = "TTSTUDY_GPUS"
"""Environment variable with the number of GPUs that a job was given."""
SIMULATED = "TTSTUDY_SIMULATED_GPUS"
"""Environment variable with the folder of a simulated box (`ttstudy.run.simulation`); not set: GPUs are real."""
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


class Taken(NamedTuple):
    """GPUs that are held."""

    devices: str | None
    """Value for CUDA_VISIBLE_DEVICES: "" for a job that asks for none, and None to leave it as it is: where there are
    no GPUs and none is asked for, or where Slurm has given this job just what it asks for."""
    locks: tuple[int, ...] = ()
    """Open files: whoever has them, by exec or by inheritance, holds the GPUs."""


def take(
    count: int,
    environment: Mapping[str, str] = os.environ,
    folder: Path | None = None,
    waiting: Callable[[], None] = lambda: None,
) -> str | None:
    """Wait for `count` GPUs and hold them as long as this process, or what it becomes by exec, lives.

    Returns `Taken.devices`; calls `waiting` now and then before. StudyError where there are too few: nothing runs on a
    CPU that was given a GPU.
    """
    while (taken := attempt(count, environment, folder)) is None:
        waiting()
        time.sleep(random.uniform(0.2, 0.6))
    _held.extend(taken.locks)
    return taken.devices


def attempt(count: int, environment: Mapping[str, str] = os.environ, folder: Path | None = None) -> Taken | None:
    """`count` GPUs if so many are free; see `take`."""
    devices = visible(environment)
    if count > len(devices):
        raise StudyError(
            f"this job asks for {number(count)}, but this machine has {len(devices)} (CUDA_VISIBLE_DEVICES, or what "
            "nvidia-smi lists); run it where they are, or ask for less under the model's name: a smaller "
            "vllm.tensor_parallel or, for the CPU, `device: cpu` with engine transformers"
        )
    if not devices or (len(devices) == count and "SLURM_JOB_ID" in environment):
        return Taken(None)
    folder = folder or Path(tempfile.gettempdir()) / f"ttstudy-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    locks = _try(count, devices, folder)
    return None if locks is None else Taken(",".join(locks), tuple(locks.values()))


def _try(count: int, devices: Sequence[str], folder: Path) -> dict[str, int] | None:
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
    return locks

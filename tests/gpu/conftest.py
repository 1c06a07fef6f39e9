"""A CUDA device, or a skip that says so; and the page that figures are written to."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.gpu import checks

PAGE = "TTSTUDY_GPU_PAGE"
_FOUND: dict[str, checks.Figures] = {}


@pytest.fixture(scope="session")
def cuda() -> str:
    """The first CUDA device."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device is here (torch.cuda.is_available)")
    return "cuda:0"


@pytest.fixture(scope="session")
def figures() -> dict[str, checks.Figures]:
    """Where tests put what they found, by what it is about."""
    return _FOUND


def pytest_sessionfinish() -> None:
    """Write the page, where one is asked for and something was found."""
    if not (path := os.environ.get(PAGE)) or not _FOUND:
        return
    import torch

    from ttstudy.run import driver, provenance

    gpu = torch.cuda.get_device_properties(0)
    versions = f"driver {driver.installed()}, torch {torch.__version__}"
    hardware = f"{gpu.name} ({gpu.total_memory / 2**30:.0f} GiB), {versions}, {provenance.hardware()}"
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    text = checks.written(_FOUND, hardware, date, "make gpu-check")
    Path(path).write_text(text, encoding="utf-8")

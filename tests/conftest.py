"""What tests share: the repository, the shared test material where there is any, and small studies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow"))
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of shared test material; the test skips where it is absent."""
    folder = Path(os.environ.get("TTSTUDY_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("the shared test material is not on this machine (TTSTUDY_SHARED)")
    return folder

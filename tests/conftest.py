"""What tests share: the repository, the shared test material where there is any, and small studies."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow"))
os.environ.setdefault("OMP_NUM_THREADS", "1")
# An example that takes long on a busy machine is no fault of the code.
settings.register_profile("ttstudy", deadline=None)
settings.load_profile("ttstudy")

from tests.vllm_session import found, vllm  # noqa: E402, F401 - fixtures

LONGEST_FIRST = (
    "test_dag.py",
    "test_recovery.py",
    "test_slurm.py",
    "test_faults.py",
    "test_engines_vllm.py",
    "test_hostile.py",
    "test_own_models.py",
    "test_recorded.py",
)
"""Files that run whole studies, or wait long: started first, so that no worker idles at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the order within a file stays."""
    rank = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of shared test material; the test skips where it is absent."""
    folder = Path(os.environ.get("TTSTUDY_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("the shared test material is not on this machine (TTSTUDY_SHARED)")
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A copy of the repository in which the smoke study has run from nothing; to be read, or copied, by any test.

    The test processes of one session share it: the first to ask runs the study, the others wait.
    """
    from tests.studies import copy_repository, smoke, snakemake, write

    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    root = base / "finished"
    with (base / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "study.yaml").exists():
            copy_repository(root)
            output = snakemake(root, write(root, smoke(), "running.yaml"), by="conftest.py::finished")
            assert "(100%) done" in output
            (root / "running.yaml").rename(root / "study.yaml")
    return root


@pytest.fixture()
def clone(finished, tmp_path) -> Path:
    """A fresh clone with the finished run's results, every file newer or older as a clone makes it."""
    from tests.studies import copy_repository, smoke, write

    root = copy_repository(tmp_path / "clone", finished)
    for name in ("results", ".snakemake"):
        shutil.copytree(finished / name, root / name, symlinks=True)
    write(root, smoke())
    return root

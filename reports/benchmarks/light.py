"""What a study of recorded responses takes with a process for each step, and with workers for steps without models.

    .venv/bin/python reports/benchmarks/light.py [REPETITIONS]

Eight responses to each of four problems, so that nearly all that is measured is the start of 40 steps. Prints a row per
run: seconds on the wall and of CPU, workers' own included, and whether all tables have the bytes of the first run.
"""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow"), str(ROOT / "tests")]

from tests.studies import command, copy_repository, environment, recorded_study, write  # noqa: E402

_PR_SET_CHILD_SUBREAPER = 36


def run(folder: Path, **variables: str) -> tuple[float, float, str]:
    root = copy_repository(folder)
    study = recorded_study(root)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(
        command(write(root, study)), cwd=root, env=environment() | variables, check=True, capture_output=True
    )
    wall = time.monotonic() - start
    try:
        while True:  # workers, which this process inherits
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    tables = sorted((root / "results").rglob("*.parquet"))
    digest = sha256(b"".join(path.read_bytes() for path in tables)).hexdigest()[:12]
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, digest


def main() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    print(f"{'':8} {'wall s':>7} {'CPU s':>7} {'load':>5}  tables")
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
        for name, variables in (("apart", {"TTSTUDY_WORKERS": "0"}), ("workers", {})):
            with tempfile.TemporaryDirectory() as folder:
                wall, cpu, digest = run(Path(folder) / "run", **variables)
            print(f"{name:8} {wall:7.1f} {cpu:7.1f} {os.getloadavg()[0]:5.1f}  {digest}", flush=True)


if __name__ == "__main__":
    main()

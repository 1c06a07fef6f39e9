"""Soak: one small study ten times in a row; what stays behind in files, processes and memory.

    python reports/benchmarks/soak.py [RUNS] [faults|smoke]

`faults` is the fault tests' study (seconds, shipped models), `smoke` is `workflow/studies/smoke.yaml` (trains its own).
Every run starts from nothing, with a temporary folder of its own. Printed per run: files left in that folder,
processes left of its session, results, and the largest resident memory of any process so far. Exit status 1 where
something is left, the results differ in number or bytes, or memory grows by more than a tenth over the first run.
"""

from __future__ import annotations

import resource
import shutil
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "workflow")]

from tests import faults, studies  # noqa: E402


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    study = sys.argv[2] if len(sys.argv) > 2 else "faults"
    folder = Path(tempfile.mkdtemp(prefix="ttstudy-soak-"))
    root = studies.copy_repository(folder / "repository")
    config = studies.write(root, {"faults": faults.study, "smoke": studies.smoke}[study]())
    rows = []
    print("| run | temporary files | processes | results | peak MiB | tables |\n|---|---|---|---|---|---|")
    for number in range(1, runs + 1):
        shutil.rmtree(root / "results", ignore_errors=True)
        shutil.rmtree(root / ".snakemake", ignore_errors=True)
        temporary = folder / f"tmp{number}"
        temporary.mkdir()
        run = faults.Run(root, config, TMPDIR=str(temporary))
        if run.process.wait() != 0:
            sys.exit(f"run {number} failed")
        left = [path for path in temporary.rglob("*") if path.is_file()]
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        tables = sha256(b"".join(studies.tables(root, study).values())).hexdigest()[:12]
        rows.append((len(left), len(faults.processes_of(run.process.pid)), len(faults.made(root)), peak, tables))
        print(f"| {number} | " + " | ".join(map(str, rows[-1])) + " |", flush=True)
    shutil.rmtree(folder)
    same = {row[2] for row in rows}, {row[4] for row in rows}
    left = any(row[0] or row[1] for row in rows) or any(len(each) > 1 for each in same)
    sys.exit(1 if left or rows[-1][3] > 1.1 * rows[0][3] else 0)


if __name__ == "__main__":
    main()

"""Dry runs of large grids: wall and CPU seconds, peak memory, jobs. No network, no GPU.

python reports/benchmarks/scale.py [--output scale.md]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SIZES = (0.5, 1, 1.5, 3, 7, 8, 14, 32, 72)


def grid(policies: int, prms: int, benchmarks: int, largest: int, first_block: int) -> dict:
    budgets = [n for n in (4, 16, 64, 256, 512, 1024) if n <= largest]
    return {
        "study": "grid",
        "benchmarks": {f"b{k}": {"source": "hub", "id": f"some/benchmark-{k}"} for k in range(benchmarks)},
        "policies": {
            f"policy-{k}": {"source": "hub", "id": f"some/policy-{k}-{SIZES[k % 9]}B"} for k in range(policies)
        },
        "prms": {f"prm-{k}": {"source": "hub", "id": f"some/prm-{k}-{(1.5, 7, 8, 72)[k % 4]}B"} for k in range(prms)},
        "budgets": {method: budgets for method in ("majority", "best_of_n", "beam_search", "dvts")},
        "first_block": first_block,
    }


def dry_run(config: dict) -> tuple[int, float, float, float]:
    """Jobs, wall seconds, CPU seconds and peak memory in MiB of `snakemake -n`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(yaml.safe_dump(config | {"results": str(Path(folder) / "results")}))
        command = [Path(sys.executable).parent / "snakemake", "--profile", "workflow/profiles/default", "--dry-run"]
        started = time.monotonic()
        with subprocess.Popen(
            [*command, f"--configfile={path}"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
        ) as run:  # fmt: skip
            output = run.stdout.read()
            _, status, used = os.wait4(run.pid, 0)
            run.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - started
        assert run.returncode == 0, output[-3000:]
        jobs = int(re.search(r"^total +(\d+)", output, flags=re.MULTILINE)[1])
        return jobs, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


CASES = {
    "the paper's grid: 11 policies, 7 PRMs, 2 benchmarks, N to 256": (11, 7, 2, 256, 64),
    "ten thousand jobs: 16 policies, 8 PRMs, 4 benchmarks, N to 1024": (16, 8, 4, 1024, 64),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    lines = ["| dry run | jobs | wall s | CPU s | peak MiB |", "|---|---|---|---|---|"]
    for name, sizes in CASES.items():
        jobs, wall, cpu, memory = dry_run(grid(*sizes))
        lines.append(f"| {name} | {jobs:,} | {wall:.1f} | {cpu:.1f} | {memory:.0f} |")
        print(lines[-1], flush=True)
    if args.output:
        args.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

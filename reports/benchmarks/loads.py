"""Loads and times of a small study with workers and without, and the loads of the paper's grid on simulated boxes.

Run as `PYTHONPATH=.:workflow python reports/benchmarks/loads.py [RUNS]` (2 by default): the fault tests' study, in turn
with and without workers, each from nothing.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import faults
from tests.studies import ROOT
from tests.test_loads import box, records
from ttstudy.dag.layout import jobs, open_layout
from ttstudy.data.revisions import load
from ttstudy.run import loads


def main() -> None:
    for study in ("config.yaml", "workflow/studies/paper.yaml"):
        print(study, loads.expected(jobs(open_layout(load(ROOT / study), ROOT))))
    paper = open_layout(load(ROOT / "workflow/studies/paper.yaml"), ROOT)
    for gpus in (4, 8, 16):
        found, share, idle = box(paper, gpus)
        print(f"{gpus} GPUs: {found} sets loaded, {share:.1%} of GPU time in use, {idle:.0f} GPU-hours idle")
    with TemporaryDirectory() as folder:
        for number in range(int(sys.argv[1]) if len(sys.argv) > 1 else 2):
            for switch in "10":
                root, config = faults.set_up(Path(folder) / f"{number}-{switch}")
                start = time.monotonic()
                run = faults.Run(root, config, TTSTUDY_WORKERS=switch)
                assert run.process.wait() == 0
                wall, known = time.monotonic() - start, records(root)
                loaded = sum(seconds is not None for record in known for seconds in record["loads"].values())
                took = {name: sum(record[name] for record in known) for name in ("seconds", "cpu_seconds")}
                print(
                    f"TTSTUDY_WORKERS={switch}: {wall:.0f} s wall; {len(known)} jobs with models: {loaded} loads, "
                    f"{took['seconds']:.1f} s wall, {took['cpu_seconds']:.1f} s CPU"
                )


if __name__ == "__main__":
    main()

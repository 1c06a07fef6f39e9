"""Time, size and opening of the report at paper size, from made-up tables.

PYTHONPATH=workflow:tests python reports/benchmarks/report.py [--share 1] [--keep FILE] [--profile]

500 problems of one benchmark and 30 of another, 12 policies x 7 PRMs, best-of-N, beam search and DVTS with {min, last,
avg} x {PRM-Max, PRM-Vote, majority} at N = 4 to 256, samples and search trees of six problems a benchmark. The report
is built from the tables in memory, opened three times in Chromium, and its explorer is used once. Limits: built within
90 s, open within 2 s, 15 MB.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import resource
import tempfile
import time
from pathlib import Path

import pandas as pd
import report_world
from report_browser import Browser, find

from ttstudy import report

POLICIES = {f"policy-{size}": int(size * 1e9) for size in (0.5, 1, 1.5, 3, 3.2, 7, 7.5, 8, 14, 32, 70, 72)}
PRMS = {f"prm-{k}-{size}b": (int(size * 1e9), 0.95 - 0.04 * k, 1 - 0.15 * k)
        for k, size in enumerate((7, 8, 8, 1.5, 7, 7, 72))}  # fmt: skip
BENCHMARKS = {"MATH-500": 500, "AIME24": 30}


def tables(share: float) -> dict[str, pd.DataFrame]:
    """All tables of a study of paper size, with `share` of its problems."""
    parts = [
        report_world.world(
            problems=int(problems * share), policies=POLICIES, prms=PRMS, benchmarks=(name,), explored=6, seed=k,
            steps=8, words=25,
        )
        for k, (name, problems) in enumerate(BENCHMARKS.items())
    ]  # fmt: skip
    once = ("training", "claims")
    return {
        name: parts[0][name] if name in once else pd.concat([part[name] for part in parts], ignore_index=True)
        for name in parts[0]
    }


def main() -> None:
    """Build, measure, open."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="share of the problems")
    parser.add_argument("--keep", type=Path, help="where to leave the report")
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    args = parser.parse_args()
    found = tables(args.share)
    print("rows", {name: len(frame) for name, frame in found.items()})
    path = args.keep or Path(tempfile.mkdtemp()) / "report.html"
    context = report_world.CONTEXT | {"order": {"policies": list(POLICIES), "prms": list(PRMS)}}
    profile = cProfile.Profile()
    start, cpu = time.perf_counter(), time.process_time()
    if args.profile:
        profile.enable()
    report.build(found, context, path, path.parent / "figures")
    profile.disable()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    wall, cpu, load = time.perf_counter() - start, time.process_time() - cpu, os.getloadavg()[0]
    print(f"built   {wall:6.1f} s wall {cpu:6.1f} s CPU, {memory:.2f} GiB, load {load:.1f}")
    print(f"size    {path.stat().st_size / 1e6:6.2f} MB")
    if args.profile:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(60)
    if find() is None:
        return print("opened  not measured: Chromium is not installed")
    del found  # Chromium gets the memory
    with Browser() as browser:
        for _ in range(3):
            taken = browser.open(path)
            browser.until("document.querySelectorAll('.response').length > 0", 60)
            used = {m["name"]: m["value"] for m in browser.call("Performance.getMetrics")["metrics"]}
            print(f"opened  {taken:6.2f} s; in the page: "
                  f"{used['ScriptDuration']:.2f} s script, {used['LayoutDuration']:.2f} s layout, "
                  f"{used['RecalcStyleDuration']:.2f} s style, {used['TaskDuration']:.2f} s in all, "
                  f"{used['JSHeapUsedSize'] / 2**20:.0f} MiB, {used['Nodes']:.0f} nodes, "
                  f"load {os.getloadavg()[0]:.1f}")  # fmt: skip


if __name__ == "__main__":
    main()

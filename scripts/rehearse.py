"""Rehearse a study before it is paid for: its whole DAG in minutes, on this machine, with tiny stand-ins for models.

Tells what would fail at full size and why, writes one page on it, and ends with status 1 where something would.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from ttstudy.report import rehearsal
from ttstudy.run.rehearsal import box, staging
from ttstudy.run.telling import told

INTO = Path("results/rehearsals")


def main() -> None:
    """Run, write the page, print what it says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path, help="the study's file")
    parser.add_argument("--gpus", default="8x80", help="the box at full size: so many GPUs x so many GB")
    parser.add_argument("--cores", type=int, default=2, help="jobs at one time")
    parser.add_argument("--problems", type=int, default=4, help="problems of each benchmark")
    parser.add_argument("--no-vllm", action="store_true", help="nothing on vLLM, even where it is installed")
    parser.add_argument("--into", type=Path, default=INTO, help="folder of all rehearsals")
    args = parser.parse_args()

    def run() -> dict[str, Any]:
        size = box.parse(args.gpus)
        asked = staging.Asked(args.config, size, args.cores, args.problems, not args.no_vllm, args.into)
        return staging.rehearse(asked, lambda line: print(line, flush=True))

    found = told(run)
    folder = args.into / found["study"]
    with staging.rehearsed_as(found["study"], folder.absolute()):
        page = rehearsal.build(found, folder / "rehearsal.html")
    print("\n".join([*rehearsal.lines(found), f"Page: {page}", f"Report: {folder / found['report']}"]))
    sys.exit(0 if rehearsal.passed(found) else 1)


if __name__ == "__main__":
    main()

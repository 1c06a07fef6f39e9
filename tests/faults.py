"""A study that runs in seconds on shipped checkpoints, and what goes wrong with runs: what the fault tests share."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq

from tests.studies import ROOT, command, copy_repository, environment, planned, snakemake, write
from ttstudy.dag import stamps

__all__ = ["planned"]

CORES = 2


def study(**changes) -> dict:
    """The configuration: one shipped policy, one shipped PRM, a handful of short problems."""
    shipped = ROOT / "workflow" / "checkpoints"
    return {
        "study": "faults",
        "seed": 3,
        "benchmarks": {
            "sums": {
                "source": "miniature",
                "problems": 6,
                "seed": 1,
                "task": {"operations": [1, 4], "largest": 79, "products": 0.3, "tilt": 0.0},
            }
        },
        "miniature": {"task": {"operations": [1, 10], "largest": 79, "products": 0.3, "tilt": -0.5}},
        "policies": {"tiny": {"source": "checkpoint", "path": str(shipped / "mini-20k")}},
        "prms": {"judge": {"source": "checkpoint", "path": str(shipped / "prm-undertrained")}},
        "budgets": {"majority": [2, 4], "best_of_n": [2, 4], "beam_search": [4]},
        "sampling": {
            "cot": {"temperature": 0.0, "max_tokens": 60},
            "responses": {"temperature": 0.7, "max_tokens": 60},
            "search": {"temperature": 0.7, "max_tokens": 30},
        },
        "search": {"max_depth": 6, "problems_per_block": 2},
        "pilot_samples": 4,
        "first_block": 2,
    } | changes


def set_up(folder: Path, **changes) -> tuple[Path, Path]:
    """A copy of the repository without results, and the study's file in it."""
    root = copy_repository(folder)
    return root, write(root, study(**changes))


def finished_copy(finished: Path, target: Path) -> tuple[Path, Path]:
    """A copy of a finished run."""
    shutil.copytree(finished, target, symlinks=True)
    return target, target / "study.yaml"


def final(root: Path) -> dict[str, bytes]:
    """Bytes of the study's tables."""
    folder = root / "results/studies/faults/tables"
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


def stamps_of(root: Path) -> dict[str, stamps.Stamp | None]:
    """What the study's tables say of themselves."""
    folder = root / "results/studies/faults/tables"
    return {path.name: stamps.of(path) for path in sorted(folder.glob("*.parquet"))}


def unstamped(root: Path) -> dict[str, bytes]:
    """Bytes of the study's tables, written again without the stamps, which tell what they were made from."""
    found = {}
    for path in sorted((root / "results/studies/faults/tables").glob("*.parquet")):
        table = pq.read_table(path)
        kept = {key: value for key, value in table.schema.metadata.items() if key != stamps.KEY.encode()}
        buffer = BytesIO()
        pq.write_table(table.replace_schema_metadata(kept), buffer)
        found[path.name] = buffer.getvalue()
    return found


def made(root: Path) -> dict[Path, int]:
    """Every whole result and what tells a rewritten one from the old: its inode."""
    return {
        path.relative_to(root): path.lstat().st_ino
        for path in (root / "results").rglob("*.parquet")
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    }


def redone(before: dict[Path, int], after: dict[Path, int]) -> list[Path]:
    """Results of `before` that were made again."""
    return sorted(path for path, inode in before.items() if after.get(path) != inode)


_TOGETHER = (
    {"accuracy", "outcomes", "difficulty", "ledger", "counts", "overlong", "spread"},
    {"strategy", "optimism"},
    {"graders", "grader_accuracy", "grader_answers"},
    {"headline", "frontier", "gains", "best_methods", "prm_effect", "votes", "matched", "fronts", "confidence"}
    | {"contamination"},
    {"diagnostics", "calibration", "cases", "failures", "prm_skill"},
)
"""Tables of a study that one job makes."""
_CELLS = {"counts": "ledger", "overlong": "ledger", "spread": "outcomes", "trees": "explorer"}


def jobs_of(paths: list[Path]) -> set[str]:
    """Jobs that made these files: a search makes three files, the accuracy step six tables, and so on."""
    names = set()
    for path in paths:
        first, *rest = path.name.removesuffix(".parquet").split(".")
        kind = ".".join(rest)
        if "tables" in path.parts:
            first = min(next((group for group in _TOGETHER if first in group), {first}))
        elif "cells" in path.parts:
            kind = _CELLS.get(kind, kind)
        elif kind:  # beside a block or a search: its own three tables, its labels, or its grades by each grader
            kind = "search" if kind in ("answers", "nodes", "cost") else "labels" if "label" in kind else "grades"
        names.add(f"{path.parent}/{first} {kind}")
    return names


def processes_of(session: int) -> dict[int, bytes]:
    """Command lines of the processes of a session, by process id."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[3]) == session and fields[0] != "Z":
                    found[int(entry.name)] = (entry / "cmdline").read_bytes()
            except (OSError, ValueError, IndexError):
                continue
    return found


class Run:
    """A run in a session of its own, which can be killed whole or in part."""

    def __init__(self, root: Path, config: Path, cores: int = CORES, **variables: str) -> None:
        """Start it."""
        self.root = root
        self.process = subprocess.Popen(
            command(config, cores=cores),
            cwd=root,
            env=environment() | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def jobs(self) -> list[int]:
        """Processes of the session that run a step."""
        return [
            process
            for process, line in processes_of(self.process.pid).items()
            if b"/scripts/" in line and line.startswith(b"python\0")
        ]

    def wait_for_jobs(self, seconds: float = 120) -> bool:
        """Until a step runs; False when the run ended without one."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            if self.jobs():
                return True
            time.sleep(0.02)
        return False

    def kill(self) -> None:
        """SIGKILL to the whole tree."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def kill_a_job(self, choice: random.Random) -> bool:
        """SIGKILL to one step; the run itself goes on as far as it can."""
        jobs = self.jobs()
        if jobs:
            os.kill(choice.choice(jobs), signal.SIGKILL)
        self.process.wait(timeout=300)
        return bool(jobs)


def again(root: Path, config: Path) -> str:
    """Output of the next run, which must succeed."""
    return snakemake(root, config, cores=CORES)

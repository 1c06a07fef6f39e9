"""A tree of its own, to put files into and to take files from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("workflow/ttstudy", "workflow/schemas", "reports/templates", "reports/captions")


def copied(root: Path) -> Path:
    """The library, and what its report needs, in a folder."""
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("reports/published.csv", "tests/report_world.py"):
        (root / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, root / file)
    return root


def ran(root: Path, program: str) -> str:
    """What a program prints that runs with the code of a tree."""
    start = 'import sys; sys.path[:0] = ["workflow", "tests"]; sys.dont_write_bytecode = True\n'
    run = subprocess.run([sys.executable, "-c", start + program], cwd=root, capture_output=True, text=True, env={})
    assert run.returncode == 0, run.stderr
    return run.stdout


def page(root: Path, change: str = "") -> str:
    """The report of a small made-up study; `change` may alter its `world` of tables."""
    ran(
        root,
        f"""
import report_world
from ttstudy import report
policies = {{"mini-20k": 20_416, "mini-180k": 183_760}}
world = report_world.world(problems=20, policies=policies, prms={{"prm-good": (1, 0.9, 1.0)}}, budgets=(4,), explored=0)
{change}
report.build(world, report_world.CONTEXT, "page.html")
""",
    )
    return (root / "page.html").read_text(encoding="utf-8")

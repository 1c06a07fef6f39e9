"""What a run will do, and because of which key, file or result: said before it is done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.studies import copy_repository, environment, smoke, write
from ttstudy.dag.layout import open_layout
from ttstudy.run import changes
from ttstudy.study import from_mapping


def summary(root: Path, config: dict) -> list[str]:
    return changes.summary(open_layout(from_mapping(config), root)).splitlines()


def test_what_a_change_costs_is_said_with_the_key_that_costs_it(finished):
    assert summary(finished, smoke())[0].startswith("Nothing to do: 60 jobs are done.")
    budgets = smoke()["budgets"] | {"majority": [2, 8, 16]}
    first, because, *causes = summary(finished, smoke(budgets=budgets, question="Why?"))
    assert first.startswith("To do: 28 of 70 jobs: 2 blocks of responses to draw, 4 blocks to score, 2 tables to grade")
    assert because == "Because" and len(causes) == 2
    assert causes[0].startswith("  question: Why?, was When does") and causes[0].endswith(": the report")
    assert causes[1].startswith("  budgets.majority: 16 is new: 2 blocks of responses to draw")
    gone = summary(finished, smoke(budgets={"majority": [2, 8], "best_of_n": [2, 8], "dvts": [4, 8]}))
    assert any("budgets.beam_search: null, was [8]" in line or "beam_search" in line for line in gone)
    together = summary(finished, smoke(seed=9, pilot_samples=4))
    assert any(line.startswith("  several of these together: 2 blocks of responses to draw") for line in together)


def test_what_changed_code_costs_is_said_with_its_file(clone):
    path = clone / "workflow/ttstudy/methods/pool.py"
    path.write_text(path.read_text().replace("NO_STEPS = -1.0", "NO_STEPS = -2.0"))
    write(clone, smoke())
    run = subprocess.run(
        [sys.executable, "scripts/changes.py", "study.yaml"], cwd=clone, capture_output=True, text=True,
        env=environment() | {"PYTHONPATH": "workflow"}, check=True,
    )  # fmt: skip
    told = "workflow/ttstudy/methods/pool.py has changed: "
    assert any(told in line and "steps of analysis" in line for line in run.stdout.splitlines())


def test_a_study_that_never_ran_is_said_to_be_new(tmp_path):
    root = copy_repository(tmp_path / "clone")
    assert summary(root, smoke())[-1] == "There is no report of this study yet."

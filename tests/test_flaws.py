"""Flaws of PRMs: a file is one, in the tables, in failed searches that are pruned again, and in the report."""

from __future__ import annotations

import json
import shutil

import pytest
import trees

from ttstudy.data import tables
from ttstudy.data.columns import CHOICES
from ttstudy.kinds.flaws import CAUSES, FLAWS, MENDED

ADDED = '''
"""Indifference: share of steps that score between 0.4 and 0.6."""

import numpy as np

from ttstudy.kinds.flaws._flaw import Flaw, Look, Share


def _clearest(steps):
    return 0.1 - np.abs(np.minimum.reduceat(steps.score, steps.start) - 0.5)


FLAW = Flaw(
    look=Look(
        "Steps scored near 0.5", "indifference", case="a step scores neither right nor wrong", note="Near is 0.1."
    ),
    rank=35,
    source="a test",
    measure=lambda steps: Share((np.abs(steps.score - 0.5) < 0.1).astype(float), steps.solution),
    repair=lambda path, known: [float(score > 0.5) for score in path.scores],
    clearest=_clearest,
)
'''
PROGRAM = """
import json
import pandas as pd
from ttstudy.analysis.diagnostics import cases, flaws
from ttstudy.data.columns import CHOICES
from ttstudy.kinds.flaws import Steps
solutions = pd.DataFrame({
    "problem_id": ["a", "b"], "first_error": [-1, 1], "lengths": [[2, 3], [4, 5]],
    "step_scores": [[0.9, 0.45], [0.8, 0.7]],
})
table = flaws.flaw_table(Steps.of(solutions)).set_index("flaw")["value"]
shown = cases.worked_cases(solutions)["flaw"].tolist()
print(json.dumps({"table": table.to_dict(), "cases": shown, "words": CHOICES["flaw"], "causes": CHOICES["cause"]}))
"""
CODES = """
import json
from ttstudy.dag import fingerprint
print(json.dumps({path.stem: fingerprint.code(path.stem) for path in fingerprint.SCRIPTS.glob("*.py")}))
"""
ROWS = """
import pandas as pd
new = world["diagnostics"].query("flaw == 'over_criticism'").assign(flaw="indifference", value=0.3)
world["diagnostics"] = pd.concat([world["diagnostics"], new])
new = world["failures"].query("cause == 'pruned'").assign(cause="indifference", share=0.2)
world["failures"] = pd.concat([world["failures"], new])
world["cases"] = world["cases"].assign(flaw="indifference")
"""


def test_a_file_put_into_the_folder_is_a_flaw_and_taken_out_it_leaves_no_trace(tmp_path):
    root = trees.copied(tmp_path)
    before, plain = trees.ran(root, PROGRAM), trees.page(root)
    assert json.loads(before)["words"] == list(FLAWS)
    file = root / "workflow/ttstudy/kinds/flaws/indifference.py"
    file.write_text(ADDED.lstrip())
    found = json.loads(trees.ran(root, PROGRAM))
    assert found["table"]["indifference"] == 0.25 and "indifference" in found["cases"]
    assert "indifference" in found["words"] and found["causes"][-2:] == ["indifference", "length_bias"]
    page = trees.page(root, ROWS)
    for text in (
        "Steps scored near 0.5", "by indifference, %", "without indifference", "Near is 0.1.",
        "Indifference: a step scores neither right nor wrong",
    ):  # fmt: skip
        assert text in page.replace("\u00a0", " "), text
    file.unlink()
    assert trees.ran(root, PROGRAM) == before and trees.page(root) == plain and "indifference" not in plain


@pytest.mark.parametrize("flaw", FLAWS.values(), ids=list(FLAWS))
def test_a_flaw_says_what_it_is_and_where_it_is_from(flaw):
    assert flaw.look.label and flaw.look.words and flaw.source
    assert bool(flaw.look.case) == (flaw.clearest is not None)


def test_no_two_flaws_share_a_place_or_a_name():
    for values in ([flaw.rank for flaw in FLAWS.values()], [flaw.look.words for flaw in FLAWS.values()]):
        assert len(set(values)) == len(FLAWS)


def test_the_contracts_know_the_flaws_and_the_causes():
    assert CHOICES["flaw"] == tuple(FLAWS) and CHOICES["cause"] == CAUSES and set(MENDED) < set(CAUSES)
    assert "flaw" in tables.COLUMNS["diagnostics"] and "cause" in tables.COLUMNS["failures"]


@pytest.mark.parametrize(
    ("before", "after", "steps"),
    [
        ('"over-criticism"', '"harshness"', {"report", "compare", "rehearse"}),
        ("< HALF).astype", "<= HALF).astype", {"report", "compare", "rehearse", "diagnostics", "judge_scores"}),
    ],
    ids=["words", "measure"],
)
def test_what_a_flaw_says_is_the_reports_matter_and_how_it_is_measured_that_of_its_tables(
    tmp_path, before, after, steps
):
    root = trees.copied(tmp_path)
    shutil.copytree(trees.ROOT / "scripts", root / "scripts")
    old = json.loads(trees.ran(root, CODES))
    path = root / "workflow/ttstudy/kinds/flaws/over_criticism.py"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))
    new = json.loads(trees.ran(root, CODES))
    assert {step for step in old if old[step] != new[step]} == steps

"""Code identity: docstrings and comments decide nothing, code does, in a module and in what it imports."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ttstudy.dag import fingerprint

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture()
def copy(tmp_path):
    for folder in ("workflow/ttstudy", "scripts"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


LIGHT = ("benchmark", "grade", "difficulty", "outcomes", "ledger", "training", "accuracy", "strategy", "claims")
"""Steps that open no model, as far as what they import is told."""


def codes(root: Path) -> dict[str, str]:
    program = (
        "import json; from ttstudy.dag import fingerprint as f; "
        "print(json.dumps({p.stem: f.code(p.stem) for p in f.SCRIPTS.glob('*.py')}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(root / "workflow")}, capture_output=True, check=True
    )
    return json.loads(run.stdout)


def edited(root: Path, file: str, before: str, after: str) -> set[str]:
    """Steps whose code changes when a text is replaced in a file."""
    old = codes(root)
    path = root / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    new = codes(root)
    return {step for step in old if old[step] != new[step]}


def test_a_docstring_and_a_comment_change_no_step(copy):
    path = copy / "workflow/ttstudy/methods/pool.py"
    before = codes(copy)
    path.write_text('"""Another text."""\n# and a comment\n' + path.read_text().split('"""', 2)[2])
    assert codes(copy) == before


def test_voting_changes_analysis_only(copy):
    steps = edited(copy, "workflow/ttstudy/methods/pool.py", "NO_STEPS = -1.0", "NO_STEPS = -2.0")
    assert "outcomes" in steps
    assert not steps & {"sample", "score", "search", "grade", "benchmark", "train_policy"}


def test_a_prms_and_an_engines_code_is_no_light_steps(copy):
    for file, before in (("prms/heads.py", "import torch"), ("policies/sampler.py", "import torch")):
        steps = edited(copy, f"workflow/ttstudy/{file}", before, f"import json\n{before}")
        assert "search" in steps and not steps & set(LIGHT), file


@pytest.mark.parametrize(
    ("column", "steps"),
    [
        ('"accuracy": _CELL + " level:level_or_all problems:count', {"accuracy"}),
        ('"outcomes": _CELL + " problem_id:str', {"outcomes", "accuracy"}),  # accuracy joins the cells' outcomes
        ('"plan": "benchmark:str policy:str prm:str method:str', set()),  # no result of a run
    ],
    ids=["accuracy", "outcomes", "plan"],
)
def test_the_table_contracts_reach_every_step_that_writes_one(copy, column, steps):
    """Another kind of a column changes the code of those steps and of no other."""
    assert edited(copy, "workflow/ttstudy/data/columns.py", column, f"{column.rsplit(':', 1)[0]}:float") == steps


def test_the_words_of_columns_reach_every_step_that_has_them(copy):
    steps = edited(copy, "workflow/ttstudy/vocabulary.py", 'LEVELS = ("easy",', 'LEVELS = ("simple",')
    assert {"difficulty", "accuracy", "strategy", "claims", "report"} <= steps
    assert not steps & {"sample", "score", "search", "grade", "outcomes", "training"}


def test_steps_that_call_a_model_have_a_version_that_was_raised_with_their_code():
    recorded = json.loads((ROOT / "tests" / "model_steps.json").read_text())
    now = fingerprint.record()

    def where(step: str) -> str:
        return f"ttstudy/kinds/{step}.py" if "/" in step else "fingerprint.VERSIONS"

    changed = [
        f"{step}: its code changed, and its version ({where(step)}) is {now[step]['version']}"
        for step in now
        if now[step]["code"] != recorded.get(step, {}).get("code")
    ]
    assert not changed, "\n".join([
        *changed,
        "Where a step's results change, raise its number; then, or for a pure refactor, run "
        "`PYTHONPATH=workflow python -m ttstudy.dag.fingerprint --record`.",
    ])  # fmt: skip
    assert {step: item["version"] for step, item in now.items()} == {
        step: item["version"] for step, item in recorded.items()
    }


@pytest.mark.parametrize("step", [*LIGHT, "explorer", "report"])
def test_a_light_step_imports_no_torch(step):
    program = (
        f"import runpy, sys; runpy.run_path({str(ROOT / 'scripts' / (step + '.py'))!r}, run_name='step'); "
        "heavy = {'torch', 'transformers', 'seaborn', 'sympy'} & set(sys.modules); sys.exit(', '.join(heavy) or 0)"
    )
    env = {"PYTHONPATH": str(ROOT / "workflow")}
    run = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_a_digest_is_the_same_under_every_python(tmp_path):
    (tmp_path / "step.py").write_text('def f(x, w):\n    """Doc."""\n    return f"{x!r:>{w}} {w=}" + ""  # note\n')
    # As Python 3.11, 3.12 and 3.13 have it; their own texts of f-strings differ.
    assert fingerprint.digest(tmp_path / "step.py").startswith("f4f9ce8021b2866446154e843fd79309")

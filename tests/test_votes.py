"""Scores and votes, one file each: a file more is a score or a vote more, everywhere; a file less leaves no trace."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttstudy.kinds import estimators
from ttstudy.kinds.scores import SCORES
from ttstudy.kinds.votes import VOTES
from ttstudy.methods import voting

ROOT = Path(__file__).resolve().parents[1]

PRODUCT = '''"""The product of the step scores."""

from math import prod

from ttstudy.kinds.registry import Look
from ttstudy.kinds.scores._score import Score

SCORE = Score(look=Look("Product", "product"), about="the product of its steps'", source="", rank=9, of=prod)
'''
MEDIAN = '''"""The answer whose responses have the highest median score."""

from ttstudy.kinds.registry import Look
from ttstudy.kinds.votes._vote import Vote


def _weights(answers, drawn):
    import numpy as np

    table = np.zeros((len(drawn), answers.classes))
    for row, units in zip(table, drawn, strict=True):
        for member in range(answers.classes):
            here = answers.score[(answers.member == member) & (units[answers.unit] > 0)]
            row[member] = np.median(here) if len(here) else 0
    return table


VOTE = Vote(
    look=Look("PRM-Median", "median"), about="the answer with the highest median score", source="", rank=9,
    judged="prm", weights=_weights,
)
'''
PROGRAM = """
import json, sys
from pathlib import Path

import numpy as np
import pandas as pd
import report_world

from ttstudy import report
from ttstudy.analysis.accuracy import accuracy_table
from ttstudy.dag import fingerprint
from ttstudy.data import tables
from ttstudy.methods import outcomes
from ttstudy.study import schema

place = Path(sys.argv[1])
prms = {"prm-good": report_world.PRMS["prm-good"]}
world = report_world.world(problems=6, policies={"mini-20k": 20_416, "mini-60k": 61_440}, prms=prms, budgets=(4,))
levels = world["difficulty"].query("policy == 'mini-20k'")
rng = np.random.default_rng(0)
rows = [(key, k, str(rng.integers(3)), rng.random(3).tolist()) for key in levels["problem_id"] for k in range(6)]
grades = pd.DataFrame(rows, columns=["problem_id", "sample", "canonical", "step_scores"])
grades["correct"] = grades["canonical"] == "0"
values = outcomes.of_pool(grades, {"prm-good": grades}, {"best_of_n": [4]}, list(levels["problem_id"]), 0)
found = tables.check("outcomes", outcomes.table("miniature", "mini-20k", values, levels))
accuracy = tables.check("accuracy", accuracy_table(found))
for name, frame in (("outcomes", found), ("accuracy", accuracy)):
    rest = world[name].query("policy != 'mini-20k' or method not in ('best_of_n', 'coverage')")
    world[name] = pd.concat([rest, frame[rest.columns]], ignore_index=True)
world |= report_world.headlines(world)
report.build(world, report_world.CONTEXT, place / "report.html", place / "figures")
kept = json.loads(schema())["properties"]
print(json.dumps({
    "grades": grades.to_dict("records"), "outcomes": found.to_dict("records"), "accuracy": accuracy.to_dict("records"),
    "page": (place / "report.html").read_text(), "choices": [kept["score"]["enum"], kept["vote"]["enum"]],
    "code": {step: fingerprint.code(step) for step in ("outcomes", "accuracy")} | fingerprint.record(),
}))
"""


def _ran(root: Path) -> dict:
    path = [str(root / "workflow"), str(ROOT / "tests")]
    command = [sys.executable, "-c", PROGRAM, str(root)]
    run = subprocess.run(command, cwd=root, env={"PYTHONPATH": ":".join(path)}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def _median(rows: list[dict], n: int) -> float:
    """Expected correctness of the highest median of last scores, over all choices of N, by plain counting."""
    total = []
    for chosen in combinations(rows, n):
        scores: dict[str, list[float]] = {}
        for row in chosen:
            scores.setdefault(row["canonical"], []).append(row["step_scores"][-1])
        medians = {text: sorted(own)[len(own) // 2] / 2 + sorted(own)[(len(own) - 1) // 2] / 2
                   for text, own in scores.items()}  # fmt: skip
        best = [text for text, median in medians.items() if median == max(medians.values())]
        total.append(best.count("0") / len(best))
    return sum(total) / len(total)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same data before, with and after a score's and a vote's file."""
    root = tmp_path_factory.mktemp("kinds")
    for folder in ("workflow/ttstudy", "scripts", "reports"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    added = {"scores/product.py": PRODUCT, "votes/prm_median.py": MEDIAN}
    before = _ran(root)
    for name, text in added.items():
        (root / "workflow/ttstudy/kinds" / name).write_text(text)
    during = _ran(root)
    for name in added:
        (root / "workflow/ttstudy/kinds" / name).unlink()
    return before, during, _ran(root)


def test_a_file_is_a_score_or_a_vote_from_the_configuration_to_the_page(runs):
    before, during, _ = runs
    assert [set(now) - set(old) for now, old in zip(during["choices"], before["choices"], strict=True)] == [
        {"product"}, {"prm_median"},
    ]  # fmt: skip
    rules = {(row["score"], row["vote"]) for row in during["accuracy"] if row["method"] == "best_of_n"}
    votes = ("prm_vote", "prm_max", "prm_median")
    assert rules == {(score, vote) for score in (*SCORES, "product") for vote in votes}
    for text in ("Product, vote", "Last, median", "the product of its steps&#39;", "the highest median score"):
        assert text in during["page"] and text not in before["page"]
    changed = {step for step in during["code"] if during["code"][step] != before["code"].get(step)}
    assert changed == {"outcomes", "scores/product"}, "no step that calls a model, none that only reads tables"


def test_a_vote_of_weights_alone_is_worth_what_all_choices_of_n_give(runs):
    _, during, _ = runs
    for row in during["outcomes"]:
        if row["vote"] == "prm_median" and row["score"] == "last":
            own = [item for item in during["grades"] if item["problem_id"] == row["problem_id"]]
            assert row["value"] == pytest.approx(_median(own, 4), abs=1e-9)


def test_a_file_taken_away_leaves_no_trace(runs):
    before, _, after = runs
    assert before == after


def test_scores_and_votes_are_read_without_a_heavy_library():
    program = (
        "import sys, ttstudy.kinds.scores, ttstudy.kinds.votes; "
        "sys.exit(', '.join({'numpy', 'pandas'} & set(sys.modules)) or 0)"
    )
    env = {"PYTHONPATH": str(ROOT / "workflow")}
    run = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.7, 1.0]), min_size=1, max_size=12), min_size=1, max_size=6))
def test_scores_of_many_responses_are_those_of_each(lists):
    for name, score in SCORES.items():
        assert voting.aggregate_all(lists, name) == pytest.approx([score.of(steps) for steps in lists], abs=1e-12)


def test_a_vote_that_is_exact_is_worth_what_its_weights_give_over_all_choices():
    rng = np.random.default_rng(1)
    classes = rng.integers(-1, 3, (20, 7))
    correct, scores = classes == 0, np.round(rng.random((20, 7)), 1)
    responses = estimators.Responses(correct, classes, scores, None, 7)
    subsets = estimators.Subsets(7, [1, 3, 7], 100, 0)
    both = {name: vote for name, vote in VOTES.items() if vote.exact is not None and vote.weights is not None}
    assert "majority" in both
    for name, vote in both.items():
        drawn = estimators.estimated(responses, vote.weights, subsets)
        assert drawn == pytest.approx(vote.exact(responses, [1, 3, 7]), abs=1e-9), name

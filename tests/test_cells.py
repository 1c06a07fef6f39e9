"""What is drawn, and where it lies: records of names and numbers, with no spec and no file."""

from __future__ import annotations

import re

import pytest

from tests.test_layout import layout_of
from tests.test_study import DEFINITION, small
from ttstudy.dag import cells, places
from ttstudy.dag.cells import Cell, PoolBlock
from ttstudy.dag.layout import jobs
from ttstudy.study import from_mapping

TINY = Cell("sums", "tiny")
PATTERNS = {
    name: value
    for name, value in vars(places).items()
    if name.isupper() and name not in ("DIGITS", "STUDY", "LABELS", "GRADES")
}


def test_a_policy_draws_a_pilot_a_greedy_response_and_nested_blocks_which_its_prms_score():
    study = from_mapping(small())
    pilot, cot, *samples = cells.pool_blocks(study, TINY)
    assert pilot == PoolBlock(TINY, "pilot", 0, study.pilot_samples - 1) == cells.pilot(study, TINY)
    assert cot == PoolBlock(TINY, "cot", 0, 0)
    assert samples == [PoolBlock(TINY, "samples", 0, 3, ("good",))] == cells.labelled_blocks(study, TINY)


def test_levels_without_labels_have_the_pilot_scored_too():
    study = from_mapping(small() | {"difficulty": {"label_free": "prm"}})
    assert [block.scored for block in cells.pool_blocks(study, TINY)] == [("good",), (), ("good",)]


def test_a_reference_draws_its_greedy_response_alone():
    config = small() | {"references": ["huge"]}
    config["policies"] = config["policies"] | {"huge": {"source": "trained", "definition": dict(DEFINITION)}}
    study, huge = from_mapping(config), Cell("sums", "huge")
    assert list(cells.pool_blocks(study, huge)) == [cells.pilot(study, huge)] == [PoolBlock(huge, "cot", 0, 0)]
    assert list(cells.searches(study, huge)) == cells.labelled_blocks(study, huge) == []
    assert cells.diagnosed(study) == [TINY] and cells.cells(study) == [TINY, huge]


def test_trees_that_are_apart_are_searched_at_the_largest_budget_alone():
    config = small()
    config["budgets"] = config["budgets"] | {"beam_search": [8, 4], "dvts": [8, 16]}
    found = list(cells.searches(from_mapping(config), TINY))
    assert {(run.prm, run.method, run.budget) for run in found} == {
        ("good", "beam_search", 4),
        ("good", "beam_search", 8),
        ("good", "dvts", 16),
    }


@pytest.mark.parametrize("change", [{}, {"results": "a/b", "difficulty": {"label_free": "prm"}}], ids=["", "other"])
def test_every_file_of_a_study_lies_where_one_pattern_says(change):
    layout = layout_of(small() | change)
    known = {"results": layout.study.results, "folder": layout.folder}
    wild = {name: places.wildcards(value, **known) for name, value in PATTERNS.items()}
    rules = {name: re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(value))) for name, value in wild.items()}
    used = set()
    for job in jobs(layout):
        for path in job.spec.outputs.values():
            # Grades and labels lie beside what they tell of.
            path = job.spec.responses.path if job.rule in ("grade", "grade_search", "label") else path
            (name,) = (name for name, rule in rules.items() if rule.fullmatch(path))
            used.add(name)
    assert used > {"BENCHMARK", "TRAINED_POLICY", "TRAINED_PRM", "RESPONSES", "SCORES", "SEARCH", "CELL", "TABLE"}


def test_a_pattern_has_wildcards_for_what_is_not_known_and_what_lies_beside_it_has_them_too():
    pattern = places.wildcards(places.SEARCH, results="out", table="answers")
    assert pattern == "out/{benchmark}/{policy}/{method}/{prm}-{spec}/{budget}.answers.parquet"
    assert places.beside(pattern, "labels.parquet") == pattern.replace("answers.parquet", "labels.parquet")
    assert places.parent(pattern) == "out/{benchmark}/{policy}/{method}/{prm}-{spec}"
    assert places.number(4) == "0004" and re.fullmatch(places.DIGITS, places.number(12345))

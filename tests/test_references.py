"""Models that a study is only compared with: references that answer once."""

from __future__ import annotations

import copy

import pandas as pd
import pytest

from tests import paths
from tests.studies import smoke, snakemake, write
from tests.test_layout import layout_of
from tests.test_study import DEFINITION, small
from ttstudy.dag import cells
from ttstudy.dag.cells import Cell
from ttstudy.errors import StudyError
from ttstudy.run import preflight
from ttstudy.study import from_mapping


def study(**changes) -> dict:
    config = small() | {"references": ["huge"]} | changes
    config["policies"] = config["policies"] | {"huge": {"source": "trained", "definition": dict(DEFINITION)}}
    return config


def test_a_reference_answers_once_and_is_neither_scored_nor_searched():
    layout = layout_of(study())
    sources = paths.sources(layout, "sums", "huge")
    assert sources.cot is not None and sources.pilot is None
    assert sources.samples == sources.searches == []
    assert cells.pilot(layout.study, Cell("sums", "huge")).pool == "cot"
    assert len(cells.cells(layout.study)) == 2
    # The other policy's paths are those of a study without the reference.
    assert paths.sources(layout, "sums", "tiny") == paths.sources(layout_of(small()), "sums", "tiny")


def test_a_policy_may_have_budgets_of_its_own():
    config = study(references=[], budgets_of={"huge": {"majority": [4, 512], "beam_search": [8]}})
    layout = layout_of(config)
    assert [block.samples for block in paths.sources(layout, "sums", "huge").samples][-1] == (256, 511)
    assert {search.method for search in paths.sources(layout, "sums", "huge").searches} == {"beam_search"}
    assert [block.samples for block in paths.sources(layout, "sums", "tiny").samples] == [(0, 3)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"references": ["nobody"]}, "references: 'nobody' is not defined under policies"),
        ({"references": ["huge", "tiny"]}, "references: every policy is one"),
        ({"budgets_of": {"nobody": {"majority": [4]}}}, "budgets_of: 'nobody' is not defined"),
        ({"budgets_of": {"huge": {"majority": [4]}}}, "budgets_of.huge: this policy is one of `references`"),
        ({"budgets_of": {"tiny": {"dvts": [6]}}}, "budgets_of.tiny.dvts: 6 is not a multiple of search.beam_width"),
    ],
)
def test_a_mistake_about_them_is_one_sentence(change, words):
    with pytest.raises(StudyError) as caught:
        from_mapping(study(**change))
    assert words in str(caught.value)


def test_a_published_model_that_is_not_known_is_named_before_anything_runs(tmp_path):
    config = copy.deepcopy(study(published=["Satori-Qwen-7B", "Nobody-7B"]))
    with pytest.raises(StudyError, match="published: no accuracy of 'Nobody-7B' is in published.csv; there are "):
        preflight.check(layout_of(config, tmp_path))


def test_a_primary_claim_that_there_is_not_is_named_before_anything_runs(tmp_path):
    with pytest.raises(StudyError, match="primary_claims: 46: there is no such claim; name some of 1, 2, 3, "):
        preflight.check(layout_of(study(primary_claims=[3, 46]), tmp_path))


@pytest.mark.parametrize("change", [{}, {"prms": {}, "budgets": {"majority": [2, 8]}}], ids=["with PRMs", "without"])
def test_a_study_with_references_runs_to_its_report(clone, change):
    # A run, not a layout: `adaptive` once ended such studies, the paper's among them, after everything was drawn.
    config = smoke(study="refs", references=["smoke-40k"]) | change
    snakemake(clone, write(clone, config, "refs.yaml"))
    tables = clone / "results/studies/refs/tables"
    for name in ("predicted", "adaptive"):
        assert set(pd.read_parquet(tables / f"{name}.parquet")["policy"]) == {"smoke-8k"}
    accuracy = pd.read_parquet(tables / "accuracy.parquet")
    assert set(accuracy[accuracy["policy"] == "smoke-40k"]["method"]) == {"cot"}
    assert "smoke-40k" in (clone / "results/studies/refs/report.html").read_text()

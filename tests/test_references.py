"""Models that a study is only compared with: references that answer once, and published numbers beside our own."""

from __future__ import annotations

import copy

import pandas as pd
import pytest

from tests.report_world import world
from tests.test_layout import layout_of
from tests.test_study import DEFINITION, small
from ttstudy import preflight, published
from ttstudy.errors import StudyError
from ttstudy.report import sections, views
from ttstudy.report.sections import against
from ttstudy.study import from_mapping


def study(**changes) -> dict:
    config = small() | {"references": ["huge"]} | changes
    config["policies"] = config["policies"] | {"huge": {"source": "trained", "definition": dict(DEFINITION)}}
    return config


def test_a_reference_answers_once_and_is_neither_scored_nor_searched():
    layout = layout_of(study())
    assert list(layout.sources("sums", "huge")) == ["cot", "samples", "searches"]
    assert layout.sources("sums", "huge")["samples"] == layout.sources("sums", "huge")["searches"] == []
    assert layout.pools("sums", "huge", "pilot") == layout.pools("sums", "huge", "cot")
    assert len(layout.cells("outcomes")) == 2
    # The other policy's paths are those of a study without the reference.
    assert layout.sources("sums", "tiny") == layout_of(small()).sources("sums", "tiny")


def test_a_policy_may_have_budgets_of_its_own():
    config = study(references=[], budgets_of={"huge": {"majority": [4, 512], "beam_search": [8]}})
    layout = layout_of(config)
    assert [block["samples"] for block in layout.sources("sums", "huge")["samples"]][-1] == [256, 511]
    assert {search["method"] for search in layout.sources("sums", "huge")["searches"]} == {"beam_search"}
    assert layout.pool_blocks("tiny", "samples") == [(0, 63)]


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


def test_published_numbers_stand_beside_ours_and_say_so():
    small_world = {"policies": {"a": 10_000, "b": 90_000}, "prms": {"good": (50_000, 0.9, 1.0)}, "budgets": (4, 16)}
    tables = world(problems=20, benchmarks=("MATH-500",), explored=0, **small_world)
    shown = published.accuracies(["Satori-Qwen-7B", "rStar-Math-7B"])
    frame = views.beside_published(views.Study(tables), shown)
    theirs = frame[frame["source"].str.startswith("published: Table 6")].set_index("model")
    assert theirs["accuracy"].to_dict() == {"Satori-Qwen-7B": 0.836, "rStar-Math-7B": 0.784}
    assert theirs["low"].isna().all() and set(theirs["what"]) == {"trained to reason"}
    assert frame["accuracy"].is_monotonic_decreasing and {"CoT"} < set(frame["what"])
    results = sections.Results.of(views.Study(tables))
    section = against.published(results, {"published": shown})
    assert section.finding.startswith("rStar-Math-7B and Satori-Qwen-7B were not run: their accuracies are the")
    assert against.published(results, {}) is None


def test_a_benchmarks_own_subjects_and_levels_are_reported_on():
    tables = world(problems=20, explored=0)
    assert not len(views.groups(views.Study(tables)))  # one level and one subject: nothing to tell apart
    problems = tables["benchmark"].copy()
    problems["level"] = [str(1 + i % 12) for i in range(len(problems))]
    frame = views.groups(views.Study(tables | {"benchmark": problems}))
    assert frame["group"].tolist()[:12] == [str(i) for i in range(1, 13)] and set(frame["kind"]) == {"level"}
    outcomes, first = tables["outcomes"], frame.iloc[0]
    ids = set(problems.loc[problems["level"] == "1", "problem_id"])
    mine = outcomes[(outcomes["policy"] == first["policy"]) & outcomes["problem_id"].isin(ids)]
    assert first["problems"] == len(ids)
    assert first["single"] == pytest.approx(mine.loc[mine["method"] == "cot", "value"].mean())
    votes = mine[mine["method"] == "majority"]
    assert first["majority"] == pytest.approx(votes.loc[votes["budget"] == votes["budget"].max(), "value"].mean())
    assert isinstance(frame, pd.DataFrame)

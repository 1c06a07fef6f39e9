"""`import ttstudy`: light, and with what its page shows. The page's blocks are run by `test_docs.py`."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pandas as pd
import pytest

import ttstudy
from ttstudy.methods import own

HEAVY = ("pandas", "numpy", "torch", "pydantic", "snakemake", "ttstudy.study", "ttstudy.run")


def test_the_import_loads_nothing_that_is_not_asked_for():
    code = f"import sys, ttstudy; print([name for name in {HEAVY} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_every_name_is_there_and_no_other():
    assert {name for name in ttstudy.__all__ if getattr(ttstudy, name) is None} == set()
    assert set(ttstudy.__all__) <= set(dir(ttstudy))
    with pytest.raises(AttributeError, match="has no attribute 'lod'"):
        _ = ttstudy.lod


# -- finished studies ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moved(finished, tmp_path_factory):
    """The finished smoke study, its results copied to another place."""
    target = tmp_path_factory.mktemp("moved") / "elsewhere"
    shutil.copytree(finished / "results", target)
    return ttstudy.load("smoke", results=target)


def test_a_study_that_was_moved_is_read_where_it_lies(moved, finished):
    here = ttstudy.load(finished / "results/studies/smoke")
    assert moved.name == here.name == "smoke" and moved.tables == here.tables
    pd.testing.assert_frame_equal(moved.responses(), here.responses())
    assert str(finished) not in str(moved.folder)


def test_responses_have_their_grades_and_the_scores_of_every_prm(moved):
    frame = moved.responses()
    assert len(frame) == 2 * 16 * 8 and not frame.duplicated(["benchmark", "policy", "problem_id", "sample"]).any()
    for prm in moved.prms:
        assert (frame[f"scores.{prm}"].map(len) == frame["steps"].map(len)).all()
    # The accuracy of one sampled answer, from rows alone.
    coverage = moved.accuracy.query("level == 'all' and method == 'majority' and budget == 2")
    assert frame.groupby("policy")["correct"].mean().between(0, 1).all() and len(coverage)
    assert len(moved.responses(pool="pilot", policy="smoke-8k")) == 16 * 8
    assert len(moved.responses(pool="cot")) == 2 * 16
    assert len(moved.problems()) == 16


def test_searches_and_their_trees_are_those_that_are_asked_for(moved):
    every, some = moved.trees(), moved.trees(method="dvts", prm="smoke-good", policy="smoke-8k")
    assert set(every["method"]) == {"beam_search", "dvts"} and len(some) < len(every)
    assert some[["method", "prm", "policy", "budget"]].drop_duplicates().to_numpy().tolist() == [
        ["dvts", "smoke-good", "smoke-8k", 8]
    ]
    answers = moved.searches(method="beam_search", budget=8)
    assert answers["correct"].isin([True, False]).all() and answers["step_scores"].map(len).gt(0).all()
    assert moved.searches(method="beam_search", budget=4).empty


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda study: study.table("acuracy"), "table: there is no 'acuracy'.*did you mean 'accuracy'"),
        (lambda study: study.responses(policy="smoke8k"), "policy: there is no 'smoke8k'.*did you mean 'smoke-8k'"),
        (lambda study: study.responses(benchmark="sumz"), "benchmark: .*did you mean 'sums'"),
        (lambda study: study.responses(pool="sample"), "pool: .*did you mean 'samples'"),
        (lambda study: study.trees(prm="smoke-god"), "prm: .*did you mean 'smoke-good'"),
        (lambda study: study.trees(method="dvtss"), "method: .*did you mean 'dvts'"),
        (lambda study: ttstudy.load("nowhere", results=study.folder), "no study in nowhere"),
    ],
)
def test_a_name_that_is_not_there_is_told_in_one_sentence(moved, ask, sentence):
    with pytest.raises(ttstudy.StudyError, match=sentence):
        ask(moved)


def test_a_study_that_has_no_report_yet_is_refused(finished, tmp_path):
    folder = tmp_path / "results/studies/smoke"
    shutil.copytree(finished / "results/studies/smoke/tables", folder / "tables")
    with pytest.raises(ttstudy.StudyError, match="run the study to its report first"):
        ttstudy.load(folder)


# -- searches with one's own models -----------------------------------------------------------------------------------


class Counting:
    """Writes 0, 1, 2 ... by its seed, ends at the third step, and remembers what it was shown."""

    def __init__(self):
        self.seen = set()

    def next_step(self, problem, steps, seed):
        self.seen.add((problem, tuple(steps)))
        return str(seed % 10), len(steps) == 2


class Liking:
    """Likes large digits."""

    def score(self, problem, steps):
        return [int(step) / 9 for step in steps]


@pytest.mark.parametrize("method", ["beam_search", "dvts", "rebase", "particle_filtering"])
def test_every_search_runs_on_text_alone(method):
    policy = Counting()
    found = ttstudy.search.run({"a": "One?", "b": "Two?"}, policy, Liking(), method=method, budget=8, beam_width=2)
    assert {problem for problem, _ in policy.seen} == {"One?", "Two?"}
    assert (found.answers["steps"].map(len) == 3).all() and set(found.answers["problem_id"]) == {"a", "b"}
    assert (found.answers["response"] == found.answers["steps"].map("\n\n".join)).all()
    drawn = found.nodes[found.nodes["depth"] == 1]
    assert (drawn["score"] == drawn["text"].astype(int) / 9).all()


def test_equal_seeds_give_equal_searches_and_others_others():
    def nodes(seed):
        return ttstudy.search.run(["One?"], Counting(), Liking(), budget=8, seed=seed).nodes["text"].tolist()

    assert nodes(1) == nodes(1) != nodes(2)


def test_beam_search_keeps_what_the_prm_likes_best():
    nodes = ttstudy.search.run(["One?"], Counting(), Liking(), method="beam_search", budget=8).nodes
    for _, drawn in nodes[nodes["depth"] == 1].groupby("problem_id"):
        assert drawn[drawn["kept"]]["score"].min() >= drawn[~drawn["kept"]]["score"].max()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "beem_search"}, "is no search.*did you mean 'beam_search'"),
        ({"beam_widht": 2}, "no option of a search.*did you mean 'beam_width'"),
        ({"budget": 7}, "7 is not a multiple of the beam width 4"),
    ],
)
def test_a_wrong_option_is_told_in_one_sentence(options, sentence):
    with pytest.raises(ttstudy.StudyError, match=sentence):
        ttstudy.search.run(["One?"], Counting(), Liking(), **options)


def test_a_prm_that_scores_too_few_steps_is_told_by_its_name():
    class Short:
        def score(self, problem, steps):
            return []

    with pytest.raises(ttstudy.StudyError, match="Short gave 0 scores for the 1 steps"):
        ttstudy.search.run(["One?"], Counting(), Short())


def test_what_a_policy_of_ones_own_writes_is_shown_to_it_as_it_was_written():
    class Odd:
        def next_step(self, problem, steps, seed):
            assert problem == "Zwei?\n\n\N{SNOWMAN}" and all(step == "a\n\N{SNOWMAN}" for step in steps)
            return "a\n\N{SNOWMAN}", len(steps) == 1

    class Fair:
        def score(self, problem, steps):
            return [0.5] * len(steps)

    found = own.run(["Zwei?\n\n\N{SNOWMAN}"], Odd(), Fair(), budget=4)
    assert set(found.answers["response"]) == {"a\n\N{SNOWMAN}\n\na\n\N{SNOWMAN}"}

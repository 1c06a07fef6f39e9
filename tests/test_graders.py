"""Two graders on the same responses: the difference is counted, named, and carried to every accuracy."""

from __future__ import annotations

import pandas as pd
import pytest

from ttstudy.analysis import graders
from ttstudy.answers import grade_table
from ttstudy.data import tables
from ttstudy.methods import outcomes, voting
from ttstudy.methods.voting import Pool

BENCHMARK = pd.DataFrame({"problem_id": ["a", "b"], "answer": ["9", r"\text{east}"]})
TEXTS = {
    "a": [r"\boxed{9}", r"\boxed{900}", "so it is 9", r"\boxed{\frac{18}{2}}"],
    "b": [r"\boxed{\text{east}}", r"\boxed{\text{West}}", r"\boxed{\text{west}}", r"\boxed{East}"],
}
RESPONSES = pd.DataFrame(
    [(problem, sample, text) for problem, texts in TEXTS.items() for sample, text in enumerate(texts)],
    columns=["problem_id", "sample", "response"],
)


@pytest.fixture(scope="module")
def graded():
    return [grade_table(RESPONSES, BENCHMARK, grader=grader, extraction="boxed") for grader in ("strict", "reference")]


def test_differing_verdicts_are_counted_by_side_and_named_by_answer(graded):
    pairs = graders.paired(*graded)
    counts = graders.counts(pairs)
    assert counts["responses"] == 8 and counts["differ"] == counts["only_grader"] + counts["only_other"]
    found = graders.answers(pairs)
    table = tables.check("grader_answers", found.assign(benchmark="m", policy="p", against="reference", gold="?"))
    rows = table[["problem_id", "answer", "other_answer", "correct", "other_correct"]]
    rows = rows.astype(object).where(rows.notna(), None).itertuples(index=False)
    assert {tuple(row) for row in rows} == {
        ("a", "900", "900", False, True),
        ("a", None, "9", False, True),
        ("b", r"\text{west}", "", False, True),
        ("b", "East", "East", True, False),
    }
    assert counts["only_other"] == 3 and counts["only_grader"] == 1


def test_math_verify_is_a_second_opinion_on_the_same_answers():
    texts = [r"\boxed{\frac{18}{2}}", r"\boxed{9\%}", r"\boxed{8}", "no idea"]
    responses = pd.DataFrame({"problem_id": "a", "sample": range(4), "response": texts})
    ours, theirs = (grade_table(responses, BENCHMARK, grader=grader, workers=1) for grader in ("strict", "math-verify"))
    assert ours.correct.tolist() == [True, False, False, False]
    # Math-Verify drops the percent sign.
    assert theirs.correct.tolist() == [True, True, False, False]
    assert theirs.answer.equals(ours.answer) and theirs.canonical.equals(ours.canonical)


def test_grades_of_other_responses_are_refused(graded):
    with pytest.raises(ValueError, match="same responses"):
        graders.paired(graded[0], graded[1][1:])


def test_the_effect_on_each_accuracy_is_what_the_other_graders_table_gives(graded):
    levels = pd.DataFrame({"problem_id": ["a", "b"], "level": "easy"})

    def valued(grades):
        pool = Pool.build(grades, None, ["a", "b"])
        by = {"coverage": "coverage", "majority": "none"}
        values = [(method, "none", voting.values(pool, [1, 4], how)) for method, how in by.items()]
        return outcomes.table("m", "p", values, levels)

    table = tables.check("grader_accuracy", graders.accuracy(*map(valued, graded)).assign(against="reference"))
    ones = table[(table["method"] == "coverage") & (table["budget"] == 1)].iloc[0]
    shares = [grades.groupby("problem_id")["correct"].mean().mean() for grades in graded]
    assert [ones["accuracy"], ones["other"]] == pytest.approx(shares)
    assert ones["difference"] == pytest.approx(shares[1] - shares[0]) and ones["changed"] == 1
    assert (table["changed"] <= table["problems"]).all() and len(table) == 4

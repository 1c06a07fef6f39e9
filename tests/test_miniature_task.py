"""The miniature's task: which steps are right, and which problems are whose."""

from __future__ import annotations

import re
from itertools import islice
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttstudy.data.prompts import SEPARATOR, split_steps
from ttstudy.miniature import task as tasks

PROBLEM = "Compute 9-2+3*4-5."
RIGHT = [
    "3*4=12, so 9-2+12-5",
    "12-5=7, so 9-2+7",
    "9-2=7, so 7+7",
    r"7+7=14, so \boxed{14}",
]


def changed(index: int, step: str) -> list[str]:
    return [*RIGHT[:index], step, *RIGHT[index + 1 :]]


def test_a_right_solution_is_right_at_every_step() -> None:
    assert tasks.check_steps(PROBLEM, RIGHT) == [True] * 4
    assert tasks.first_error(PROBLEM, RIGHT) is None


@pytest.mark.parametrize(
    ("steps", "wrong"),
    [
        pytest.param(["9-2=7, so 7+3*4-5", *RIGHT[1:]], 1, id="another order, then a step of the first one"),
        pytest.param(changed(0, "3*5=15, so 9-2+15-5"), 0, id="an operand that is not there"),
        pytest.param(changed(0, "3*4=12, so 9-2+12-6"), 0, id="a number copied wrongly"),
        pytest.param(changed(0, "3*4=12, so 9+2+12-5"), 0, id="an operator copied wrongly"),
        pytest.param(changed(1, "12-5=8, so 9-2+8"), 1, id="a slip of arithmetic"),
        pytest.param(changed(1, "12-5=7, so 9-2+8"), 1, id="another number than the result"),
        pytest.param(changed(0, "2+3=5, so 9-5*4-5"), 0, id="a sum before a product"),
        pytest.param(changed(1, "2+12=14, so 9-14-5"), 1, id="a sum behind a minus"),
        pytest.param(changed(1, "12-5=7, so 7-2+9"), 1, id="the value kept by luck in another order"),
        pytest.param(changed(0, "4*3=12, so 9-2+12-5"), 0, id="factors swapped"),
        pytest.param(changed(1, "12-5=7, so 9-2+7."), 1, id="something behind the expression"),
        pytest.param(changed(1, "12-5=7, so 9-2+7 "), 1, id="a blank behind the expression"),
        pytest.param(changed(3, "7+7=14, so 14"), 3, id="no box"),
        pytest.param(changed(2, r"9-2=7, so \boxed{14}"), 2, id="a box too early"),
        pytest.param(changed(3, r"7+7=14, so \boxed{15}"), 3, id="another number in the box"),
        pytest.param([*RIGHT, r"14=14, so \boxed{14}"], 4, id="a step after the answer"),
        pytest.param(changed(2, ""), 2, id="an empty step"),
    ],
)
def test_the_first_wrong_step_is_found_and_all_after_it_are_wrong(steps: list[str], wrong: int) -> None:
    assert tasks.first_error(PROBLEM, steps) == wrong
    assert tasks.check_steps(PROBLEM, steps) == [i < wrong for i in range(len(steps))]


def test_a_negative_difference_is_no_legal_step() -> None:
    assert tasks.check_steps("Compute 3-5+9.", ["3-5=-2, so -2+9"]) == [False]
    assert tasks.check_steps("Compute 2*3*4.", ["3*4=12, so 2*12"]) == [True]


@pytest.mark.parametrize(
    "text", ["Compute 1+.", "compute 1+2.", "Compute 1+2", "What is 1+2?", "Compute 1/2.", ""]
)
def test_another_problem_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a problem of the miniature"):
        tasks.check_steps(text, [])


@given(seed=st.integers(0, 2**32), operations=st.integers(1, 10), largest=st.sampled_from([20, 59, 79, 99]))
@settings(max_examples=100, deadline=None)
def test_drawn_problems_have_solutions_in_range_whatever_the_order(
    seed: int, operations: int, largest: int
) -> None:
    rng = Random(seed)
    expression = tasks.draw(tasks.Task(largest=largest), rng, operations)
    problem = f"Compute {expression}."
    steps = tasks.solve(expression, rng, largest)
    value = eval(str(expression))  # noqa: S307 - our own digits and operators
    assert len(expression.operators) == len(steps) == operations
    assert tasks.evaluate(expression) == value and tasks.parse_problem(problem) == expression
    assert split_steps(tasks.solution_text(steps)) == steps
    assert all(tasks.check_steps(problem, steps)) and steps[-1].endswith(rf"\boxed{{{value}}}")
    assert all(eval(str(legal.rest)) == value for legal in tasks.reductions(expression))  # noqa: S307
    numbers = [int(n) for step in [problem, *steps] for n in re.findall(r"\d+", step)]
    assert 0 <= min(numbers) and max(numbers) <= largest


def test_there_are_several_valid_solutions() -> None:
    expression = tasks.parse_problem("Compute 9+2*8-4*5+30.")
    found = {SEPARATOR.join(tasks.solve(expression, Random(seed))) for seed in range(50)}
    assert len(found) == 3  # either product first, or the sum before the second product


def test_splits_are_disjoint_and_reproducible() -> None:
    options = {"operations": [1, 3]}
    train = {problem for problem, _, _ in islice(tasks.stream(tasks.Task.of(options), "train", 0), 5000)}
    validation = tasks.problems(1, "validation", 300, options)
    test = tasks.problems(1, "test", 300, options)
    sets = [train, {row.problem for row in validation}, {row.problem for row in test}]
    assert [len(each) for each in sets[1:]] == [300, 300]
    assert not (sets[0] & sets[1] or sets[0] & sets[2] or sets[1] & sets[2])
    assert test == tasks.problems(1, "test", 300, options) != tasks.problems(2, "test", 300, options)
    assert tasks.problems(1, "test", 20, options) == test[:20]


def test_a_problem_row_says_id_answer_and_level() -> None:
    row = tasks.problems(0, "test", 3, {"operations": [4, 4]})[2]
    expression = tasks.parse_problem(row.problem)
    assert row == ("test-00002", row.problem, str(tasks.evaluate(expression)), "4")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modulus": 7}, "unknown task option 'modulus'"),
        ({"operations": [0, 3]}, "operations must be"),
        ({"largest": 100}, "largest must lie"),
        ({"products": 1.0}, "products must lie"),
    ],
)
def test_wrong_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tasks.problems(0, "test", 1, options)


def test_a_split_that_runs_out_is_said() -> None:
    with pytest.raises(ValueError, match="different test problems"):
        tasks.problems(0, "test", 100, {"operations": [1, 1], "largest": 20})

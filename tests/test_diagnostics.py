"""Flaws of PRMs: planted ones are found at their rate, labels are exact, readers read what is published."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tests.test_search import ScriptedPolicy, ScriptedPRM
from ttstudy.analysis import statistics
from ttstudy.analysis.diagnostics import failures, flaws, labelled, labels
from ttstudy.analysis.diagnostics.cases import worked_cases
from ttstudy.data import tables
from ttstudy.errors import StudyError
from ttstudy.kinds.flaws import Steps
from ttstudy.methods.options import Options
from ttstudy.methods.run import run
from ttstudy.miniature import task

TASK = {"operations": [2, 8], "largest": 79, "products": 0.3}
RATES = ("over_criticism", "error_neglect", "localisation_bias", "localisation_late")


def wrong_step(step: str) -> str:
    """A step whose result is off by one."""
    left, result = step.split(", so ")[0].split("=")
    return step.replace(f"={result}", f"={int(result) + 1}", 1)


def solution(problem: str, rng: random.Random, errors: float) -> list[str]:
    """Steps of a solution; once one is wrong, so is all that follows."""
    steps = task.solve(task.parse_problem(problem), rng)
    for index in range(len(steps)):
        if rng.random() < errors:
            return [*steps[:index], wrong_step(steps[index]), *steps[index + 1 :]]
    return steps


def solutions(problems: int = 80, samples: int = 10, errors: float = 0.15, seed: int = 0) -> pd.DataFrame:
    """Labelled solutions, with the scores of a perfect PRM: 1 for right steps, 0 from the first error on."""
    rng = random.Random(seed)
    rows = [
        (row.problem_id, sample, solution(row.problem, rng, errors), row.problem)
        for row in task.problems(seed, "test", problems, TASK)
        for sample in range(samples)
    ]
    frame = pd.DataFrame(rows, columns=["problem_id", "sample", "steps", "problem"])
    texts = frame.drop_duplicates("problem_id").set_index("problem_id")["problem"]
    frame = labels.label_responses(frame, texts).assign(policy="writer", problem=frame["problem"], steps=frame["steps"])
    right = zip(frame["problem"], frame["steps"], strict=True)
    return frame.assign(step_scores=[[float(right) for right in task.check_steps(*each)] for each in right])


@pytest.fixture(scope="module")
def perfect() -> pd.DataFrame:
    return solutions()


def planted(frame: pd.DataFrame, change: Callable[[list[float], int, list[int]], list[float]]) -> Steps:
    """Steps whose scores went through `change(scores, first error, lengths)`."""
    rows = zip(frame["step_scores"], frame["first_error"], frame["lengths"], strict=True)
    return Steps.of(frame.assign(step_scores=[change(list(scores), error, sizes) for scores, error, sizes in rows]))


def criticise(rate: float, rng: random.Random):
    return lambda scores, error, sizes: [0.2 if score and rng.random() < rate else score for score in scores]


def neglect(rate: float, rng: random.Random):
    return lambda scores, error, sizes: [
        0.9 if k == error and rng.random() < rate else score for k, score in enumerate(scores)
    ]


def mislocate(rate: float, rng: random.Random):
    def change(scores, error, sizes):
        if error > 0 and rng.random() < rate:
            scores[rng.randrange(error)], scores[error] = 0.1, 0.3
        return scores

    return change


def shorten(fall: float, rng: random.Random):
    return lambda scores, error, sizes: [
        0.6 + 0.3 * score - fall * np.log2(size / 8) + rng.gauss(0, 0.02)
        for score, size in zip(scores, sizes, strict=True)
    ]


def measured(steps: Steps) -> pd.DataFrame:
    return flaws.flaw_table(steps).set_index("flaw")


def test_a_perfect_scorer_has_no_flaw(perfect):
    table, skill = measured(Steps.of(perfect)), flaws.skill_table(Steps.of(perfect)).iloc[0]
    assert (table.loc[list(RATES), "value"] == 0).all() and abs(table.loc["length_bias", "value"]) < 1e-9
    assert skill["auc"] == skill["f1"] == skill["f1_at_half"] == 1 and skill["calibration_error"] == 0
    assert worked_cases(perfect).empty


@pytest.mark.parametrize("rate", [0.04, 0.3])
@pytest.mark.parametrize(
    ("flaw", "plant"), [("over_criticism", criticise), ("error_neglect", neglect), ("localisation_bias", mislocate)]
)
def test_a_planted_flaw_is_found_at_its_rate_and_no_other(perfect, flaw, plant, rate):
    table = measured(planted(perfect, plant(rate, random.Random(3))))
    row = table.loc[flaw]
    assert row["low"] <= rate <= row["high"] and row["high"] - row["low"] < 0.25
    others = set(RATES[:3]) - {flaw} - ({"over_criticism"} if flaw == "localisation_bias" else set())
    assert (table.loc[sorted(others), "value"] == 0).all()


@pytest.mark.parametrize("fall", [0.0, 0.05, -0.03])
def test_a_planted_length_bias_is_found(perfect, fall):
    row = measured(planted(perfect, shorten(fall, random.Random(4)))).loc["length_bias"]
    assert row["low"] <= fall <= row["high"] and row["high"] - row["low"] < 0.02


def test_intervals_hold_where_problems_differ():
    """A flaw that sits in some problems only: its interval covers its rate about as often as it says."""
    covered = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        problem = np.repeat(np.arange(80), 30)
        shares = rng.choice([0.0, 0.4], p=[0.75, 0.25], size=80)
        values = (rng.random(len(problem)) < shares[problem]).astype(float)
        low, high = statistics.interval(values, resamples=1000, clusters=problem.tolist())
        covered += low <= 0.1 <= high
    assert covered >= 34  # of 38 expected; steps taken for independent would cover about 20


def test_processbench_f1_is_that_of_a_plain_loop_and_its_threshold_never_sees_its_problems():
    frame = solutions(40, 5)
    rng = random.Random(1)
    noisy = planted(frame, lambda scores, *_: [min(1, max(0, rng.gauss(0.3 + 0.4 * s, 0.2))) for s in scores])

    def f1(threshold: float) -> float:
        hits = {True: [], False: []}
        for number, error in enumerate(noisy.error):
            scores = noisy.score[noisy.solution == number]
            below = [k for k, score in enumerate(scores) if score < threshold]
            hits[error >= 0].append((below[0] if below else -1) == error)
        a, b = (np.mean(hits[kind]) for kind in (True, False))
        return 2 * a * b / (a + b)

    row = flaws.skill_table(noisy).iloc[0]
    assert row["f1_at_half"] == pytest.approx(f1(0.5))
    best = max(f1(threshold) for threshold in flaws.THRESHOLDS)
    assert row["low"] < row["f1"] <= best and row["f1"] < row["high"]
    # Pure noise: a threshold that saw its own problems would look better than one that did not.
    bad = planted(frame, lambda scores, *_: [rng.random() for _ in scores])
    seen = [flaws._accuracies(column, bad.error >= 0) for column in flaws._hits(bad, flaws.THRESHOLDS).T.astype(float)]
    assert flaws.skill_table(bad).iloc[0]["f1"] <= max(flaws._f1(*both) for both in seen)


def test_calibration_counts_every_labelled_step_once(perfect):
    rng = random.Random(2)
    steps = planted(perfect, lambda scores, *_: [0.85 * s + 0.1 * rng.random() for s in scores])
    table = flaws.calibration_table(steps)
    assert table["steps"].sum() == (steps.is_right | steps.is_error).sum()
    assert table["right"].tolist() == [0.0, 1.0, 1.0] or table["right"].tolist() == [0.0, 1.0]
    assert (table["score"].between(table["bin"] / 10, (table["bin"] + 1) / 10)).all()


def test_labels_are_those_of_the_task_and_lengths_count_words_numbers_and_signs(perfect):
    for row in perfect.head(150).itertuples():
        assert row.first_error == (-1 if (first := task.first_error(row.problem, row.steps)) is None else first)
    assert labels.lengths(["3*6=18, so 27+18", "", "Half of \\frac{1}{2}"]) == [10, 1, 10]
    with pytest.raises(ValueError, match="2 scores of 3 steps"):
        Steps.of(pd.DataFrame({"problem_id": ["a"], "first_error": [-1], "lengths": [[1, 1, 1]],
                               "step_scores": [[0.5, 0.5]]}))  # fmt: skip


# -- failures of search ------------------------------------------------------------------------------------------


def searched(judge: Callable[[bool, bool, random.Random], float], errors: float, budget: int = 8, **options):
    """Nodes and failed trees of a search on miniature problems; `judge(right, first error, rng)` scores a step."""
    rows = task.problems(5, "test", 30, {"operations": [4, 6]})

    def tell(text: str, request) -> str:
        problem, *steps = text.split("\n\n")[:-1] if "\n\n" in text else [text]
        rng = random.Random(request.seed)
        try:
            state = task.parse_problem(problem)
            for step in steps:  # of a wrong step, what it leaves is read from its text
                rest = step.split(", so ")[1]
                state = None if "boxed" in rest else task.parse_problem(f"Compute {rest}.")
            legal = task.reductions(state)
        except (ValueError, AttributeError, IndexError):
            legal = []
        if not legal:
            return r"so \boxed{0}"
        step = rng.choice(legal).text
        ends = "boxed" in step
        step = wrong_step(step) if rng.random() < errors else step
        return step if ends else step + "\n\n"

    def score(problem: str, steps: list[str]) -> float:
        verdicts = task.check_steps(problem, steps)
        first = not verdicts[-1] and all(verdicts[:-1])
        return judge(verdicts[-1], first, random.Random(problem + "|".join(steps)))

    policy = ScriptedPolicy(tell)
    problems = [(row.problem_id, row.problem, policy.encode_chat([{"content": row.problem + "\n\n"}])) for row in rows]
    settings = Options(method="beam_search", budget=budget, max_step_tokens=100, max_depth=8, **options)
    result = run(problems, policy, ScriptedPRM(score), settings, ("seed", 0))
    texts = {row.problem_id: row.problem for row in rows}
    right = [all(task.check_steps(texts[row.problem_id], row.steps)) and "boxed" in row.response
             for row in result.answers.itertuples()]  # fmt: skip
    trees = result.answers.assign(right=right).groupby(["problem_id", "tree"])["right"].any()
    causes = failures.explain(result.nodes, set(trees.index[~trees]), texts, settings, {})
    return result.nodes, texts, settings, causes


@pytest.mark.parametrize("options", [{}, {"refill": False}, {"score": "min"}, {"score": "avg"}])
def test_a_replayed_tree_keeps_what_the_search_kept(options):
    nodes, texts, settings, _ = searched(lambda right, first, rng: rng.random(), 0.2, **options)
    for (problem_id, _), part in nodes.groupby(["problem_id", "tree"]):
        replay = failures.Replay(part, texts[problem_id], settings)
        replay.rounds()
        assert {number: node.kept for number, node in replay.nodes.items()} == replay.was_kept


@pytest.mark.parametrize(
    ("flaw", "errors", "judge"),
    [
        ("over_criticism", 0.3, lambda right, first, rng: (0.1 if rng.random() < 0.7 else 0.9) if right else 0.2),
        ("error_neglect", 0.6, lambda right, first, rng: 0.9 if right or first and rng.random() < 0.8 else 0.0),
        ("localisation_bias", 0.75, lambda right, first, rng: 0.9 if right else 0.3 if first else 0.95),
    ],
)
def test_failures_of_search_are_put_down_to_the_flaw_that_was_planted(flaw, errors, judge):
    *_, causes = searched(judge, errors)
    mine = causes[causes["pruned"]]
    assert len(mine) >= 5 and mine[flaw].mean() > 0.8
    others = {"over_criticism", "error_neglect", "localisation_bias"} - {flaw}
    assert not mine[sorted(others)].to_numpy().any()
    assert (causes["pruned"] ^ causes["not_drawn"]).all()
    table = failures.failure_table(causes, trees=30).set_index("cause")
    assert table.loc["pruned", "share"] + table.loc["not_drawn", "share"] == pytest.approx(1)


def test_a_perfect_prm_is_never_to_blame():
    *_, causes = searched(lambda right, first, rng: float(right), 0.8)
    assert len(causes) and causes["not_drawn"].all() and not causes["pruned"].any()


# -- labelled sets -----------------------------------------------------------------------------------------------


def prm800k(ratings: list[list[int | None]], chosen: list[int | None], finish: str, **question) -> dict:
    """A line of PRM800K: per step the ratings of its completions and which was chosen."""
    steps = [
        {
            "completions": [{"text": f"step {k}.{i}", "rating": rating} for i, rating in enumerate(each)],
            "human_completion": None,
            "chosen_completion": choice,
        }
        for k, (each, choice) in enumerate(zip(ratings, chosen, strict=True))
    ]
    asked = {"problem": "What is 1+1?", "ground_truth_answer": "2"} | question
    return {"generation": 9, "question": asked, "label": {"steps": steps, "finish_reason": finish}}


SETS = {
    "plain": [
        ({"problem": "p", "steps": ["a", " b "], "first_error": 1}, ("p", ["a", "b"], 1, "unknown")),
        ({"problem": "p", "steps": ["a"], "first_error": None, "policy": "m"}, ("p", ["a"], -1, "m")),
    ],
    "processbench": [
        ({"id": "gsm8k-0", "generator": "g", "problem": "p", "steps": ["a", "b"], "label": 1,
          "final_answer_correct": False}, ("p", ["a", "b"], 1, "g")),
        ({"id": "gsm8k-1", "generator": "h", "problem": "q", "steps": ["a"], "label": -1}, ("q", ["a"], -1, "h")),
    ],
    "prm800k": [
        (prm800k([[1], [0], [-1, 0, -1]], [0, 0, None], "found_error"),
         ("What is 1+1?", ["step 0.0", "step 1.0", "step 2.0"], 2, "generation-9")),
        (prm800k([[1], [-1, 1]], [0, 1], "solution"), ("What is 1+1?", ["step 0.0", "step 1.1"], -1, "generation-9")),
        (prm800k([[0], [-1]], [0, None], "found_error",
                 pre_generated_steps=["step 0.0", "step 1.0", "and on"]),
         ("What is 1+1?", ["step 0.0", "step 1.0", "and on"], 1, "generation-9")),
        (prm800k([[1]], [0], "give_up"), None),
        (prm800k([[None]], [None], "bad_problem"), None),
    ],
}  # fmt: skip


@pytest.mark.parametrize("suffix", ["jsonl", "json", "parquet"])
@pytest.mark.parametrize("form", SETS)
def test_labelled_sets_are_read_as_published(tmp_path, form, suffix):
    path = tmp_path / f"set.{suffix}"
    rows = [row for row, _ in SETS[form]]
    if suffix == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif suffix == "json":
        path.write_text(json.dumps(rows, indent=1))
    else:
        pd.DataFrame(rows).to_parquet(path)
    frame = tables.check("labelled", labelled.read_labelled(path, form))
    found = [(row.problem, list(row.steps), row.first_error, row.policy) for row in frame.itertuples()]
    assert found == [wanted for _, wanted in SETS[form] if wanted]
    assert len(labelled.read_labelled(path, form, 1)) == 1


@pytest.mark.parametrize(
    ("form", "row", "message"),
    [
        ("processbench", {"problem": "p", "steps": ["a"]}, "line 1 is not in the format processbench: .* no 'label'"),
        ("processbench", {"problem": "p", "steps": ["a"], "label": 3}, "first error at 3, but 1 steps"),
        ("plain", {"problem": "p", "steps": ["a", " "], "first_error": -1}, "has a blank step 2"),
        ("plain", {"problem": " ", "steps": ["a"], "first_error": -1}, "has no problem text"),
        ("prm800k", {"question": "x", "label": {}}, "is not in the format prm800k"),
        ("prm800k", prm800k([[1]], [0], "give_up"), "holds no labelled solutions"),
    ],
)
def test_a_labelled_set_in_another_form_is_refused_in_one_sentence(tmp_path, form, row, message):
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(StudyError, match=message):
        labelled.read_labelled(path, form)


def test_worked_cases_show_the_flaw_that_they_stand_for(perfect):
    rng = random.Random(5)
    noisy = [[rng.uniform(0.2 * score, 0.7 + 0.3 * score) for score in scores] for scores in perfect["step_scores"]]
    cases = worked_cases(perfect.assign(step_scores=noisy)).set_index("flaw")
    names = ["over_criticism", "error_neglect", "localisation_bias"]
    assert set(cases.index) == {*names, "length_bias"}
    critic, neglected, misplaced = (cases.loc[flaw] for flaw in names)
    assert critic["first_error"] == -1 and min(critic["step_scores"]) < 0.5
    assert neglected["step_scores"][neglected["first_error"]] > 0.5
    error = misplaced["first_error"]
    assert min(misplaced["step_scores"][:error]) < misplaced["step_scores"][error]

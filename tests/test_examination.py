"""The data are examined before any number: what stops a study, what is noted, and what honest weak policies may do."""

from __future__ import annotations

import json
import random

import pandas as pd
import pytest

from tests.studies import copy_repository, planned, smoke, snakemake, write
from ttstudy.analysis import examination
from ttstudy.analysis.misplaced import Hits, bare
from ttstudy.answers import extract, grade_table
from ttstudy.data import prompts, recorded, tables

Rows = list[dict]


def examined(rows: Rows, extraction: str = "conclusion") -> pd.DataFrame:
    """Findings about rows of problem_id, problem, answer, response and, where it is not eos, finish."""
    frame = pd.DataFrame([{"finish": "eos"} | row for row in rows])
    problems = frame.drop_duplicates("problem_id")[["problem_id", "problem", "answer"]].reset_index(drop=True)
    frame["sample"] = frame.groupby("problem_id").cumcount()
    grades = grade_table(frame, problems, extraction=extraction, workers=1)
    found = examination.Examined(problems, extraction, unfinished=False)
    forms = [None if pd.isna(form) else str(form) for form in grades["canonical"]]
    found.add("samples", frame, grades, forms)
    made = pd.DataFrame(found.findings()).assign(benchmark="b", policy="p")
    return tables.check("examination", made).set_index("finding")


def stops(rows: Rows) -> bool:
    return examined(rows).loc["interleaved", "severity"] == "severe"


# -- responses to other problems -------------------------------------------------------------------------------------


def completions(given: Rows) -> Rows:
    """Rows of what search-and-learn writes."""
    return [
        {"problem_id": row["unique_id"], **{key: row[key] for key in ("problem", "answer")}, "response": text}
        for row in given
        for text in row["completions"]
    ]


def regrouped(rows: Rows, problems: int) -> Rows:
    """Responses where they belong: the source drew problem after problem, sample after sample."""
    samples = len(rows) // problems
    own = [row["response"] for row in rows]
    return [row | {"response": own[problems * (at % samples) + at // samples]} for at, row in enumerate(rows)]


def test_the_interleaved_case_is_stopped_and_its_repaired_form_passes(shared):
    rows = completions(json.loads((shared / "cases/data/interleaved-sal.json").read_text())["input"])
    found = examined(rows)
    assert found.loc["interleaved", "severity"] == "severe"
    assert "87.5 % of the answers are the gold answer of another problem, 12.5 % that of their own" in (
        found.loc["interleaved", "text"]
    )
    assert not stops(regrouped(rows, 12))


def test_the_interleaved_file_of_the_field_is_stopped_and_its_repaired_form_passes(shared):
    path = shared / "data/field/search-and-learn-bon-8b-n16-interleaved.jsonl"
    rows = completions([json.loads(line) for line in path.read_text().splitlines()])
    assert stops(rows)
    assert not stops(regrouped(rows, 25))


def told(problem: int, answer: int, wording: bool) -> str:
    return (f"We take {problem} times 37. " if wording else "") + f"It is \\boxed{{{answer}}}."


def sums(
    count: int, samples: int, right: float, seed: int, wording: bool = True, slips: tuple[int, ...] = (-2, -1, 1, 2, 10)
) -> Rows:
    """Responses of a policy that is right with this chance, and else off by one of the slips."""
    rng = random.Random(seed)
    rows = []
    for problem in range(11, 11 + count):
        for _ in range(samples):
            answer = 37 * problem + (0 if rng.random() < right else rng.choice(slips))
            rows.append({"problem_id": str(problem), "problem": f"What is {problem} times 37?",
                         "answer": str(37 * problem), "response": told(problem, answer, wording)})  # fmt: skip
    return rows


def moved(rows: Rows, by: int, of: str, until: float = 1.0) -> Rows:
    """The rows with what they have under `of` taken from the row so many later, of the first part of the rows."""
    end = int(until * len(rows))
    return [row | {of: rows[(at + by) % end][of]} if at < end else row for at, row in enumerate(rows)]


def shuffled(rows: Rows) -> Rows:
    responses = random.Random(3).sample([row["response"] for row in rows], len(rows))
    return [row | {"response": response} for row, response in zip(rows, responses, strict=True)]


def in_chinese(rows: Rows) -> Rows:
    names = ["甲乙", "丙丁", "戊己", "庚辛", "壬癸", "子丑", "寅卯", "辰巳"]
    told = []
    for row in rows:
        number = int(row["problem_id"])
        who = names[number % 8] + names[number // 8]
        told.append(row | {"problem": f"{who}有多少个苹果？", "response": f"{who}一共有{row['response']}"})
    return told


MISPLACED = {
    "responses in any order, in Chinese": shuffled(in_chinese(sums(40, 4, 0.7, 0, wording=False))),
    "every response under the next problem": moved(sums(40, 4, 0.7, 0), 4, "response"),
    "responses in any order": shuffled(sums(40, 4, 0.7, 0)),
    "responses in any order, of a weak policy": shuffled(sums(60, 8, 0.2, 0)),
    "half of the file shifted": moved(sums(60, 4, 0.7, 0), 4, "response", 0.5),
    "one greedy response each, shifted": moved(sums(40, 1, 0.7, 0), 1, "response"),
    "gold answers of the next problem": moved(sums(60, 4, 0.8, 0), 4, "answer"),
    "bare answers in any order": shuffled(sums(80, 4, 0.8, 0, wording=False)),
    "bare answers under the next problem": moved(sums(60, 4, 0.8, 0, wording=False), 4, "response"),
}


@pytest.mark.parametrize("rows", MISPLACED.values(), ids=MISPLACED.keys())
def test_responses_of_other_problems_stop_a_study(rows):
    assert stops(rows)


def test_the_same_responses_in_their_places_do_not():
    for right, wording in ((0.7, True), (0.2, True), (0.8, False), (0.0, True), (0.0, False)):
        assert not stops(sums(60, 4, right, 0, wording)), (right, wording)
    for right in (0.2, 0.7):
        one_row_off = sums(60, 4, right, 0, slips=(-37, 37))
        assert not stops(one_row_off), f"{right}: its slips are the gold answers of the problems beside"


def _gold(rng: random.Random) -> int:
    """A gold answer as word problems have them: often small, often round."""
    return rng.choice((rng.randrange(1, 30), rng.randrange(1, 30), 5 * rng.randrange(1, 60), 10 * rng.randrange(1, 100),
                       rng.randrange(1, 999)))  # fmt: skip


HONEST = {"at chance": 0.0, "of 1 %": 0.01, "of 5 %": 0.05, "of 40 %": 0.4}


@pytest.mark.parametrize("right", HONEST.values(), ids=HONEST.keys())
@pytest.mark.parametrize("problems", [12, 30, 500], ids=lambda count: f"{count} problems")
def test_a_weak_policy_that_guesses_like_numbers_is_not_stopped(right, problems):
    words = [f"word{number}" for number in range(400)]
    for seed in range(6):
        rng = random.Random(seed)
        golds = [_gold(rng) for _ in range(problems)]
        texts = [" ".join(rng.choices(words, k=30)) for _ in golds]
        hits = Hits([str(gold) for gold in golds], texts)
        for place, gold in enumerate(golds):
            favourite = _gold(rng)
            for _ in range(8):
                answer = gold if rng.random() < right else favourite if rng.random() < 0.5 else _gold(rng)
                about = " ".join(rng.choices(words, k=20))  # a response that says nothing of its problem
                hits.add(place, str(answer), answer == gold, about)
        assert not hits.verdict().misplaced, (seed, hits.verdict())


def test_letters_of_options_and_gold_answers_that_many_problems_have_say_nothing():
    rng = random.Random(0)
    hits = Hits([rng.choice("ABCD") for _ in range(200)], [f"question {number}" for number in range(200)])
    for place in range(200):
        hits.add(place, rng.choice("ABCD"), False, "question 5")
    assert not hits.verdict().misplaced and hits.verdict().others == 0


def test_a_unit_behind_a_whole_number_is_left_out_and_nothing_else():
    assert [bare(form) for form in ("18\\text{ dollar}", "18", "-3", "18x", "\\frac{1}{2}", "2.5", "")] == [
        *("18", "18", "-3", "18x", "\\frac{1}{2}", "2.5", "")
    ]


# -- what else is odd ------------------------------------------------------------------------------------------------


def row(problem: int, response: str, **more) -> dict:
    return {"problem_id": str(problem), "problem": f"What is {problem} plus zero?", "answer": str(problem),
            "response": response} | more  # fmt: skip


SILENT = [
    ("no box", "So it is 4, I think.", "boxed", "eos", "unmarked", "box none, see `extraction`"),
    ("nothing", " \u200b\n", "conclusion", "eos", "empty", "are empty, see `prompt`"),
    ("open thinking", "<think>It is 4, or", "conclusion", "length", "thinking", "and `unfinished_thinking`"),
    ("thinking alone", "<think>It is 4.</think>\n", "conclusion", "eos", "thinking", "never end their thinking"),
    ("cut", "First we list the cases, of which", "conclusion", "length", "cut", "were cut off, see `max_tokens`"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "extraction", "finish", "kind", "words"), [case[1:] for case in SILENT],
                         ids=[case[0] for case in SILENT])  # fmt: skip
def test_a_hundred_responses_without_an_answer_stop_a_study_and_say_which_setting_helps(
    text, extraction, finish, kind, words
):
    rows = [row(number, text, finish=finish) for number in range(100)]
    found = examined(rows, extraction)
    assert found.loc["no_answer", "severity"] == "severe"
    told = found.loc["no_answer", "text"]
    assert told.startswith("100.0 % of the responses gave no answer: 100 ") and words in told
    assert found.loc[kind, "count"] == 100 and found["count"].get(["empty", "thinking", "cut", "unmarked"]).sum() == 100
    assert examined(rows[:99], extraction).loc["no_answer", "severity"] == "noted", "too few to be sure"
    answered = examined([*rows, row(7, "\\boxed{9}")], extraction)
    assert answered.loc["no_answer", "severity"] == "noted", "a weak policy is no defect of the data"


def test_the_case_without_a_box_names_the_extraction(shared):
    case = json.loads((shared / "cases/data/no-answer-headline.json").read_text())
    assert "see `extraction`" in case["expected"]
    found = examined([row(number, f"The value is {number}.") for number in range(200)], "boxed")
    assert found.loc["no_answer", "severity"] == "severe"
    assert "box none, see `extraction`" in found.loc["no_answer", "text"]


def test_samples_that_are_one_text_are_told(shared):
    rows = json.loads((shared / "cases/data/identical-samples.json").read_text())["input"]
    found = examined(rows).loc["identical_samples"]
    assert found["severity"] == "noted" and "so nothing here tells about N > 1" in found["text"]


def test_near_copies_are_told_and_short_ones_of_a_sure_policy_are_not():
    long = " ".join(f"step {number} of the way" for number in range(20))
    half = [row(p, f"{long} {s // 2} gives \\boxed{{{p}}}" + " ." * (s % 2)) for p in range(60) for s in range(4)]
    assert examined(half).loc["identical_samples", "severity"] == "noted", "each text twice, but for a dot"
    apart = [row(p, f"{long} {s} gives \\boxed{{{p}}}") for p in range(60) for s in range(4)]
    assert examined(apart).loc["identical_samples", "severity"] == "none"
    sure = [row(p, f"\\boxed{{{p + (s == 0 and p % 3 == 0)}}}") for p in range(60) for s in range(4)]
    assert examined(sure).loc["identical_samples", "severity"] == "none"


def test_counts_scripts_and_cut_responses_that_are_right_are_told():
    rows = [row(number, f"\\boxed{{{number}}}") for number in range(20)]
    found = examined([*rows, *rows[:5]])
    assert found.loc["unequal_samples", "severity"] == "noted" and found.loc["unequal_samples", "count"] == 15
    said = "我们把这个数加上零，得到的结果就是原来的数，所以答案是"
    chinese = [row(number, f"{said} \\boxed{{{number}}}") for number in range(5)]
    found = examined([*rows, *chinese]).loc["other_language"]
    assert found["severity"] == "noted" and found["text"].endswith("5 Han or Kana to Latin")
    cut = [row(number, f"\\boxed{{{number}}} and now we check", finish="length") for number in range(5)]
    found = examined([*rows, *cut]).loc["cut_credited"]
    assert found["severity"] == "noted" and found["count"] == 5
    assert set(examined(rows)["severity"]) == {"none"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Let $x$ be the number of apples that he has.", "Latin"),
        ("设 $x$ 为苹果的数量，那么方程是 \\frac{x}{2} = 4", "Han or Kana"),
        ("Пусть x — число яблок, которое у него есть", "Cyrillic"),
        ("\\frac{\\alpha}{\\beta} = \\boxed{\\gamma}", None),
        ("12", None),
    ],
)
def test_the_script_of_a_text_is_that_of_its_words(text, expected):
    assert examination.script(text) == expected


def test_problems_that_are_there_twice_are_told_within_and_between_benchmarks():
    one = pd.DataFrame({"problem": ["What is 1 + 1?", "What  is 1+1?", "Name a prime."]})
    other = pd.DataFrame({"problem": ["name a PRIME", "And this?"]})
    found = pd.DataFrame(examination.of_problems({"one": one, "other": other})).set_index(["benchmark", "finding"])
    assert found["count"].to_dict() == {
        ("one", "duplicate_problems"): 1, ("one", "shared_problems"): 1,
        ("other", "duplicate_problems"): 0, ("other", "shared_problems"): 1,
    }  # fmt: skip
    assert found.loc[("one", "shared_problems"), "text"].endswith("1 in other")


def test_solutions_longer_than_a_prms_context_are_told_with_what_was_done():
    key = {"benchmark": "b", "policy": "p", "budget": 4}
    overlong = pd.DataFrame(
        [
            key | {"prm": "short", "method": "best_of_n", "scored": 48, "overlong": 40.0},
            key | {"prm": "short", "method": "dvts", "scored": 10, "overlong": 8.0},
            key | {"prm": "told", "method": "best_of_n", "scored": 48, "overlong": None},
        ]
    )
    (found,) = examination.of_scores(overlong, {"short": "cut"})
    assert found["severity"] == "noted" and found["prm"] == "short"
    assert found["text"] == "48 of 58 solutions are longer than the context of short: steps past it score 0"


def test_a_search_whose_answers_are_none_is_told_and_one_that_never_answers_stops_a_study():
    key = {"benchmark": "b", "policy": "p", "timed_out": 0, "finished": 0}
    counts = pd.DataFrame(
        [
            key | {"prm": "none", "method": "majority", "budget": 8, "responses": 400, "cut": 0, "no_answer": 400},
            key | {"prm": "x", "method": "beam_search", "budget": 4, "responses": 50, "cut": 9, "no_answer": 10},
            key | {"prm": "x", "method": "beam_search", "budget": 8, "responses": 50, "cut": 0, "no_answer": 0},
            key | {"prm": "x", "method": "dvts", "budget": 8, "responses": 100, "cut": None, "no_answer": 100},
            key | {"prm": "y", "method": "dvts", "budget": 8, "responses": 99, "cut": 0, "no_answer": 1},
        ]
    )
    found = pd.DataFrame(examination.of_searches(counts))
    tables.check("examination", found)
    assert found["pool"].tolist() == ["beam_search", "dvts", "dvts"]
    assert found["severity"].tolist() == ["noted", "severe", "none"]
    assert found["text"][0] == (
        "10.0 % of the answers of beam search gave none; 9 were cut off, see `max_tokens` and `search.max_depth`"
    )
    (stopping,) = examination.stopping(found, []).itertuples()
    assert stopping.prm == "x" and not len(examination.stopping(found, ["no_answer"]))
    assert examination.drawn_of(found) == 0, "answers of searches are no responses of a pool"


# -- golds, cut responses, lines of Windows --------------------------------------------------------------------------


def test_gold_answers_as_gsm8k_ships_them_are_read(shared, tmp_path):
    (given,) = json.loads((shared / "cases/data/gsm8k-gold.json").read_text())["input"]
    (tmp_path / "rows.jsonl").write_text(json.dumps(given))
    frame, _ = recorded.load(tmp_path / "rows.jsonl")
    assert frame["answer"].tolist() == ["18"]
    assert grade_table(frame, frame, workers=1)["correct"].tolist() == [True]
    lines = [json.loads(line) for line in (shared / "cases/data/gsm8k_format.jsonl").read_text().splitlines()]
    golds = pd.DataFrame([{"problem_id": str(line["problem_id"]), "answer": line["answer"]} for line in lines])
    replies = golds.assign(sample=0, response=[f"It is \\boxed{{{line['problem_id'] + 2}}}." for line in lines])
    assert grade_table(replies, golds, workers=1)["correct"].all()


def test_a_response_that_was_cut_concludes_nothing_unless_it_is_asked_for(shared):
    case = json.loads((shared / "cases/data/cut-credited.json").read_text())["input"]
    frame = pd.DataFrame([{"problem_id": "1", "sample": 0, **case}])
    assert grade_table(frame, frame, workers=1)["status"].tolist() == ["no_answer"]
    assert grade_table(frame, frame, cut=True, workers=1)["correct"].tolist() == [True]


@pytest.mark.parametrize(
    ("text", "extraction", "answer"),
    [
        ("We add 3 and 4, which leaves 7", "last_number", None),
        ("So the answer is 7", "conclusion", None),  # it may have been 75
        ("3 + 4 = 7\n#### 7", "boxed", None),
        ("3 + 4 = 7\nFinal answer: 7", "boxed", None),
        ("Final answer: 7\n\nLet us check: 3 +", "conclusion", "7"),
        ("It is \\boxed{7}", "boxed", "7"),
        ("It is \\boxed{7}.\n\nNow a check: 3 + 4 is 8 or", "conclusion", "7"),
        ("<answer>7</answer>", "conclusion", "7"),
        ("It is \\boxed{7", "conclusion", None),
    ],
)
def test_of_a_response_that_was_cut_an_answer_counts_that_was_marked_and_ended(text, extraction, answer):
    assert extract(text, extraction, cut=True) == answer
    assert extract(text, extraction) == "7"


def test_blank_lines_of_windows_part_steps():
    for text in ("one\r\n\r\ntwo\r\n\r\n\\boxed{3}", "one\n\ntwo\n\n\\boxed{3}", "one\r\n\ntwo\n\r\n\\boxed{3}"):
        assert prompts.split_steps(text) == ["one", "two", "\\boxed{3}"], repr(text)


# -- a whole run -----------------------------------------------------------------------------------------------------


def test_a_study_of_misplaced_responses_stops_before_any_number_and_goes_on_where_it_accepts_them(tmp_path):
    root = copy_repository(tmp_path / "repository")
    rows = [row | {"sample": at % 4} for at, row in enumerate(MISPLACED["every response under the next problem"])]
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    study = {
        "study": "s",
        "cut_responses": True,
        "benchmarks": {"b": {"source": "recorded", "path": "rows.jsonl"}},
        "policies": {"p": {"source": "recorded", "path": "rows.jsonl"}},
        "budgets": {"majority": [1, 2]},
        "pilot_samples": 2,
        "first_block": 2,
    }
    output = snakemake(root, write(root, study), ok=False)
    assert "Traceback" not in output
    end = output[output.index("Exiting because a job execution failed") :]
    assert "error: p on b (all): " in end and "`accept_findings: [interleaved]`" in end
    assert "Jobs that do not wait for this go on to their end" in end
    assert not list(root.glob("results/studies/s/**/*.outcomes.parquet")), "no number is made of what was refused"
    output = snakemake(root, write(root, study | {"accept_findings": ["interleaved"]}))
    assert "The data were examined, 160 responses among them: 1 finding, see the report." in output
    page = (root / "results/studies/s/report.html").read_text()
    header = page[page.index('<main id="main">') :]
    alarm, first = header.index("This study accepts data that are wrong"), header.index('class="eyebrow"')
    assert alarm < first and 'id="data"' in page
    table = tables.read("examination", root / "results/studies/s/tables/examination.parquet")
    assert table.query("severity == 'severe'")["finding"].tolist() == ["interleaved"]


def test_a_study_that_was_never_examined_is_and_nothing_but_its_report_runs_again(clone):
    for path in clone.glob("results/studies/smoke/**/*examination.parquet"):
        path.unlink()
    plan = planned(clone, write(clone, smoke(question="Why?")))
    assert plan == {"examine": 2, "findings": 1, "report": 1}


@pytest.mark.parametrize("clause", [" Then Ann loses 3 of them on the bus, how many remain?", " Find twice the sum."])
def test_a_policy_that_ignores_what_a_longer_problem_adds_is_honest(clause):
    """GSM-Symbolic's P1, or parts a and b: the shorter one's answer under the longer one is a plain mistake."""
    things = "apples books coins eggs pens cards shells toys boxes stamps".split()
    texts, golds, rows = [], [], []
    for number in range(60):
        thing, other = things[number % 10], things[(number // 10 + number + 3) % 10]
        text = f"Bob {number} has {number + 3} {thing} and buys {2 * number} {other}. How many {thing} and {other}?"
        texts += [text, text + clause]
        golds += [str(1000 + 13 * number), str(5000 + 17 * number)]
        rows += [(2 * number, golds[-2], True), (2 * number + 1, golds[-2], False), (2 * number + 1, golds[-1], True)]
    hits = Hits(golds, texts)
    for place, answer, right in rows:
        hits.add(place, answer, right, f"Bob has {texts[place].split()[4]} {texts[place].split()[5]}, so {answer}.")
    verdict = hits.verdict()
    assert verdict.others == 60 and not verdict.misplaced, verdict

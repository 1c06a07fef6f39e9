"""Which text of a response is its answer, and why; gold answers as benchmarks write them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from ttstudy.answers import equivalent, extract, find, gold, grade_table
from ttstudy.answers.extraction import KINDS
from ttstudy.answers.gold import with_option
from ttstudy.data import benchmarks, recorded
from ttstudy.errors import StudyError

SHARED = Path(os.environ.get("TTSTUDY_SHARED", Path(__file__).resolve().parents[2] / "shared"))
needs_shared = pytest.mark.skipif(not (SHARED / "grader").is_dir(), reason="the shared test material is not here")

MARKED = [
    (r"Maybe \boxed{3}. No: \boxed{4}.", "4", "box"),
    (r"\boxed{\frac{1}{2}} and, cut short, \boxed{\frac{1}", r"\frac{1}{2}", "box"),
    (r"It is \boxed{\left\{1, 2\right\}}", r"\left\{1, 2\right\}", "box"),
    (r"\boxed{5} in the form \boxed{}.", "5", "box"),
    (r"So $\boxed 72$.", "72", "box"),
    (r"The sum is \boxed{42}. I used the \boxed notation.", "42", "box"),
    (r"\boxed{\text{a } \boxed{9}}", r"\text{a } \boxed{9}", "box"),
    (r"The primes are \boxed{3}, \boxed{5}, \boxed{7}.", "3, 5, 7", "boxes"),
    (r"So $x = \boxed{3}$ or $x = \boxed{5}$.", "3, 5", "boxes"),
    (r"\boxed{3}. Then \boxed{5}.", "5", "box"),
    (r"\boxed{4}" "\n\n" r"\boxed{4}", "4", "box"),
    ("<answer>\n42\n</answer>", "42", "tag"),
    ("The value is 15.\nThat is choice D. #### D", "D", "marker"),
    ("#### Step 2\n#### 1,234", "1,234", "marker"),
    ("Final Answer: The final answer is $42$. I hope it is correct.", "42", "label"),
    ("Add them.\n\n**Final Answer:** 12", "12", "label"),
    ("**Answer:** 2\n\nLet me know if you need more!", "2", "label"),
    ("✅ Final Answer: **73**", "73", "label"),
    ("### Final Answer\n\\[\n\\frac{3}{4}\n\\]", r"\frac{3}{4}", "label"),
    ("**Final Answer:** Nora bought 5 apples.", "5", "label"),
    ("Answer: x = 3 (after checking)", "x = 3", "label"),
    ("Answer: (2, 3)", "(2, 3)", "label"),
    ("Answer: no solution", "no solution", "label"),
    ("综上，答案为：12", "12", "label"),
    ("Réponse : 12", "12", "label"),
    ("Ответ: 15", "15", "label"),
    ("정답: 8", "8", "label"),
    ("The answer is 72, in total, so the farmer earns that much.", "72", "statement"),
    ("The answer is $9{,}500.", "$9{,}500", "statement"),
    ("So the correct option is (C).", "C", "statement"),
    ("La respuesta es 25.", "25", "statement"),
    ("The answer is Maria.", "Maria", "statement"),
    ("故选：B", "B", "label"),
    ("work\nFinal answer: 12\n\u200b", "12", "label"),
]
CONCLUDED = [
    (r"Adding up.\n\nSo the two eat \(\frac{13}{15}\) of the cake together.", r"\frac{13}{15}", "formula"),
    ("Both are out.\n\nTherefore, the domain is:\n\\[\n(-\\infty, 2)\n\\]", r"(-\infty, 2)", "formula"),
    ("So $x = 480$.\n\nThus the value of $x$ when $y=6$ is $480$.", "480", "formula"),
    ("Thus the roots are $x = 2$ and $x = -5$.", "x = 2$ and $x = -5", "formula"),
    (r"The minimum of $f$ is $-4$, attained at $x=1$.", "-4", "formula"),
    (r"The area is $\pi r^2 = 9\pi$ square cm.", r"9\pi", "formula"),
    (r"So $\sqrt{2} \approx 1.414$", r"\sqrt{2}", "formula"),
    ("Half of it is 8 * 9 = 72.\nSo 12 = 12.\n\nSo, 144 divided by 12 is 8.", "8", "number"),
    ("8 pencils, so there are 8 x 2 = 16 pencils, which is 8 dollars.", "8 dollars", "number"),
    ("8 pairs: 8 * 8 = \\$64\n\nSo she pays $64 for 16 glasses.", "$64", "number"),
    ("135 = 90\n\n\\[180 - 135 = 45\\]\n\nHe is 45 miles away after 4 hours.", "45 miles", "number"),
    ("48 / 6 = 8.\n\nTherefore, Tracy got 8 pieces that are 6 inches long each.", "8", "number"),
    ("Therefore, she needs 3 hours and 20 minutes.", "3 hours and 20 minutes", "number"),
    ("It is 3 = 3.\n\nOf 5 cats, 2 are black.", "2", "number"),
    ("The profit is $200,000 - $130,000 = **$70,000**.", "$70,000", "bold"),
    ("She turns 90 degrees. So she is facing **east**.", "east", "bold"),
    ("Thus the coordinates are (3, -2).", "(3, -2)", "formula"),
    ("Therefore x = 4 or x = -1.", "4 or x = -1", "number"),
    ("Therefore, the fastest student is Evelyn.", "Evelyn", "words"),
    ("2 + 2 = 4.\n\nSo there are exactly three ways to pick 2 of 4.", "three", "words"),
    ("答：小明有12个苹果。", "12", "label"),
    ("As asked, = 12.\n\nLet me know if 3 more examples would help!", "12", "number"),
]
NONE = [
    "",
    r"\boxed{ }",
    "I cannot solve it.",
    "The answer cannot be 3.",
    "<think>It could be \\boxed{4}, but the second case must be checked: if n is",
    "<think>perhaps \\boxed{4}</think>",
    r"\boxed{12}. Hmm, that's incorrect, let me redo it: the sum of",
    r"So \(x = 4\). Thus, the sum is \(3 + ",
    "So \\(x = 4\\).\n\nNow, we need to",
    "So it is 4 or 5. Substituting 4:",
    "The total is 12 apples in 3 baskets.",
]
THOUGHT = [
    ("<think>Maybe \\boxed{5}.</think> ... Final Answer: 7", "7"),
    ("A draft \\boxed{9}</think>\nThe total is 7.", "7"),
    ("[THINK]\\boxed{2}[/THINK]So the result is \\boxed{8}", "8"),
    ("◁think▷maybe 4◁/think▷**Answer: 6**", "6"),
    ("<|begin_of_thought|>\\boxed{1}<|end_of_thought|><|begin_of_solution|>It is \\boxed{3}<|end_of_solution|>", "3"),
    ("<|channel|>analysis<|message|>\\boxed{5}<|end|><|start|>assistant<|channel|>final<|message|>It is **11**.", "11"),
    ("<reasoning>Final answer: 3</reasoning>\n<answer>42</answer>", "42"),
    ("<|START_THINKING|>\\boxed{5}<|END_THINKING|>The answer is 6.", "6"),
]
DRAFTS = [
    ("My draft: Final answer: 3\n\nOn second thought, that is wrong.\n\nFinal answer: 4", "4"),
    (r"A first try gives \boxed{5}. That is wrong; corrected it is \boxed{7}.", "7"),
    (r"\boxed{12}. Wait, that is wrong. It should be 14.", "14"),
    (r"\boxed{12}. Wait, is it? 3 * 4 = 12, so it is correct.", "12"),
    (r"It is \boxed{B}." + " More of it." * 40 + " Option A: that is wrong, as 3 is odd.", "B"),
    ("The answer to part one is 3.\n\nNow add 4.\n\nTherefore, both take 7 days.", "7 days"),
    ("A guess is \\boxed{9}. That fails for n = 2.\nFinal answer: 4", "4"),
]


@pytest.mark.parametrize(("response", "answer", "kind"), MARKED)
def test_the_last_answer_that_is_marked_as_one_counts(response, answer, kind):
    found = find(response, "boxed")
    assert found and (found.answer, found.kind) == (answer, kind)
    assert find(response) == found and kind in KINDS
    if kind != "boxes":
        assert response[found.start : found.end].strip() == answer


@pytest.mark.parametrize(("response", "answer", "kind"), CONCLUDED)
def test_else_the_last_sentence_concludes(response, answer, kind):
    found = find(response)
    assert found and (found.answer, found.kind) == (answer, kind)
    if kind != "label":
        assert extract(response, "boxed") is None and extract(response, cut=True) is None


@pytest.mark.parametrize("response", NONE)
def test_a_response_that_states_nothing_has_no_answer(response):
    assert extract(response) is None


@pytest.mark.parametrize(("response", "answer"), THOUGHT)
def test_what_is_thought_is_not_said(response, answer):
    assert extract(response) == answer


def test_thinking_that_never_ends_is_credited_only_where_asked_for():
    open_thought = "<think>So it is \\boxed{4}, but"
    assert extract(open_thought) is None and extract(open_thought, unfinished=True) == "4"


@pytest.mark.parametrize(("response", "answer"), DRAFTS)
def test_a_draft_that_is_taken_back_never_counts(response, answer):
    assert extract(response) == answer


def test_the_last_number_counts_only_where_asked_for():
    assert extract("12 apples cost 1,234.5 in 3 bags.", "boxed") is None
    assert extract("12 apples cost 1,234.5 in all.", "last_number") == "1,234.5"
    assert extract(r"It is \boxed{7}, not 8.", "last_number") == "7" and extract("no number", "last_number") is None


def test_a_policy_that_is_none_is_refused():
    with pytest.raises(ValueError, match="extraction is one of"):
        extract("5", "guess")


@pytest.mark.parametrize(
    "piece",
    [r"\boxed{", "Answer:", "the answer is ", "\n", "$5 ", "<think>", "#### ", "**", r"\[", "1,", "is 5 ", "= ", "* "],
)
def test_text_that_repeats_itself_is_read_in_one_pass(piece):
    # A quadratic search would not end here.
    extract(piece * (400_000 // len(piece)))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0+5=<<0+5=5>>5\n#### 5", "5"),
        ("#### 1,234", "1,234"),
        (r"So it is $\boxed{\frac12}$.", r"\frac12"),
        (["3", 5], "3, 5"),
        (18, "18"),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
        ("D", "D"),
    ],
)
def test_gold_answers_are_read_as_benchmarks_write_them(written, read):
    assert gold(written) == read


@pytest.mark.parametrize("written", ["It is five\nor so", r"\frac{1}{", "---", "x" * 700])
def test_a_gold_answer_that_cannot_be_read_is_refused_with_its_place(written, tmp_path):
    with pytest.raises(ValueError, match="answer|brace|several|characters|says"):
        gold(written)
    row = {"problem_id": "a", "problem": "What?", "answer": written}
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(row | {"problem_id": "b", "answer": "1"}) + "\n" + json.dumps(row))
    with pytest.raises(StudyError, match=r"mine.jsonl: line 2: answer "):
        benchmarks.read_file(path, {})
    path.write_text(json.dumps(row | {"sample": 0, "response": "1"}))
    with pytest.raises(StudyError, match="row 1: answer "):
        recorded.load(path)


def test_a_solution_of_gsm8k_is_a_gold_answer(tmp_path):
    path = tmp_path / "gsm8k.jsonl"
    path.write_text(json.dumps({"problem_id": "0", "problem": "0+5?", "answer": "0+5=<<0+5=5>>5\n#### 5"}))
    benchmark = benchmarks.read_file(path, {})
    responses = pd.DataFrame({"problem_id": ["0"], "sample": [0], "response": ["It is 5."]})
    assert benchmark["answer"].tolist() == ["5"] and grade_table(responses, benchmark).correct.all()


def test_a_letter_has_the_option_that_its_problem_states():
    problem = "What is 3*5?\n(A) 3 (B) 4\n(C) 5 (D) 15"
    assert with_option("D", problem) == "(D) 15" and with_option("D", "What?") == "D"
    benchmark = pd.DataFrame({"problem_id": ["p"], "problem": [problem], "answer": [r"\text{(D)}"]})
    texts = [r"\boxed{15}", r"\boxed{D}", r"\boxed{5}", r"\boxed{(D) 15}", r"\boxed{C}"]
    responses = pd.DataFrame({"problem_id": "p", "sample": range(5), "response": texts})
    assert grade_table(responses, benchmark).correct.tolist() == [True, True, False, True, False]


@needs_shared
def test_shared_responses_are_read_right():
    folder = SHARED / "grader"
    old = [(case["text"], case["gold"], case["equivalent"]) for case in json.loads(
        (folder / "extraction_cases.json").read_text()
    )]  # fmt: skip
    rows = map(json.loads, (folder / "responses_2.jsonl").read_text().splitlines())
    new = [(row["response"], row["gold"], row["expected"]) for row in rows]
    wrong = [
        case for case in old + new
        if ((answer := extract(case[0])) is not None and equivalent(case[1], answer)) != case[2]
    ]  # fmt: skip
    assert len(wrong) <= 0.05 * len(old + new), wrong


READ_FROM_FILES = (
    *("conclusion-condition", "conclusion-latex-fraction", "marker-letter"),
    *("think-draft-label", "think-open", "zero-width"),
)
"""Cases of responses in files of other programs."""


@pytest.mark.parametrize("case", READ_FROM_FILES)
def test_responses_of_other_programs_are_read_right(shared, case):
    told = json.loads((shared / f"cases/data/{case}.json").read_text())
    read = extract(told["input"]["response"])
    if case == "think-open":
        assert read is None
        return
    wanted = told["input"].get("answer") or told["expected"]
    assert read is not None and equivalent(read, gold(wanted))
    assert "and_not" not in told["input"] or not equivalent(read, told["input"]["and_not"])

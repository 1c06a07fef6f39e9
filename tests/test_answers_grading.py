"""Grading of whole tables: limits, hostile text, cache, and the reference grader."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from ttstudy.answers import TimedOut, canonical, equivalent, grade_table, reference, workers
from ttstudy.answers.workers import Lost, Pool, Starved

ROOT = Path(__file__).resolve().parents[1]

DEEP = [
    "{" * 5000 + "1" + "}" * 5000,
    "(" * 3000 + "1" + ")" * 3000,
    "[" * 1000,
    r"\frac{1}{" * 900 + "2" + "}" * 900,
    r"\frac{1}{" * 60 + "2" + "}" * 60,
    r"\sqrt{2+" * 30 + "2" + "}" * 30,
    r"\left(" * 800 + "x" + r"\right)" * 800,
    r"\boxed{" * 2000 + "1" + "}" * 2000,
    r"\text{" * 700,
    r"\begin{pmatrix}" * 300,
    "|x" * 150,
    r"\sin" * 100 + "x",
]
LARGE = [
    "9^{9^{9^{9}}}",
    "9^9^9^9^9",
    "10^{10^{10}}",
    "x^{x^{x^{x^{x^x}}}}",
    "9**9**9**9",
    "100000000!",
    "((100!)!)!",
    r"\binom{10^9}{5\cdot 10^8}",
    r"(10^{100})!",
    r"e^{e^{e^{e^{e}}}}",
    r"\sin(10^{10^{5}})",
    "(x+1)^{100000}",
    "(x+y+z)^{7}(a+b+c)^{7}",
    "(1+x)" * 90,
    "1e999999999",
    "1e-999999999",
    r"\tan\frac{\pi}{2}",
    "9" * 50_000,
    "0." + "3" * 50_000,
    "-" * 40_000 + "1",
    "+".join(["1"] * 20_000),
    "*".join(["x"] * 5000),
    "1" + ",1" * 390,
    r"(1,2)\cup" * 120 + "(3,4)",
    "1<" * 150 + "2",
    r"1\pm" * 150 + "1",
    "1/" * 300 + "1",
    "1,000" + ",000" * 400,
]
BROKEN = [
    r"\frac" * 2000,
    r"\frac{1}{",
    "}}}}{{{{",
    "{" * 50_000,
    "}" * 50_000,
    r"\left( 2 \right",
    "\\",
    "\\" * 20_001,
    "$" * 9999,
    r"\begin{pmatrix} 1 & 2",
    "\x00",
    "7\x005",
    "\x00" * 10_000,
    "\x1b[31m7\x1b[0m",
    "\u202e12\u202c",
    "😀" * 3000,
    "a" * 100_000,
    "_" * 500,
    "^" * 500,
    "!" * 500,
    "=" * 300,
    r"\frac{1}{0}",
    "0^0",
    r"\log_1 5",
    "NaN",
    r"\infty-\infty",
    r"\def\a{\a\a}\a",
    "__import__('os').getpid()",
    "<script>alert(1)</script>",
    "½" * 90,
]
COSTLY = [
    r"\sum_{k=1}^{10^8} \frac{1}{k}",
    r"\int_0^1 e^{-x^2}\sin(x^3)\,dx",
]
"""Honest mathematics that a computer algebra system does not end: stopped by the limit on processor time."""
CLEVER = [
    r"\frac{d}{dx} x^{x^{x^{x}}}",
    r"\sqrt[9^{9^{9}}]{2}",
    r"\binom{10^{10^{10}}}{2}",
    r"\pi^{\pi^{\pi^{\pi}}}",
    r"\lfloor 10^{200}\pi\rfloor",
    r"\lceil e^{e^{e^{e}}}\rceil",
    r"(\sqrt2+\sqrt3+\sqrt5+\sqrt7+\sqrt{11})^{200}",
    r"(x+\sqrt{x+\sqrt{x}})^{64}",
    r"10^{3000}+10^{-3000}",
    r"[0,9^{9^{9}}]\cup(\sin 1, 10^{10^{10}})",
    r"x^{12}+10^{300}x-10^{299}<0",
    r"9^{9^{9}}\%",
    r"\begin{vmatrix}" + r"\\".join("&".join(f"x^{{{i * j}}}" for j in range(9)) for i in range(9)) + r"\end{vmatrix}",
    r"0." + "12" * 900 + r"\ldots",
    "one " + "hundred " * 300,
    "5 ft 6 in " * 60,
]
HOSTILE = DEEP + LARGE + BROKEN + CLEVER
CALLS = 500_000
"""Most calls of functions, Python's and C's, for one of these texts in this process: a fraction of a second."""


@contextmanager
def counted_calls() -> Iterator[list[int]]:
    """How many functions this thread calls, in a list of one."""
    count = [0]

    def note(_frame: object, event: str, _value: object) -> None:
        count[0] += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        yield count
    finally:
        sys.setprofile(None)


def _tables(answers, gold="3"):
    responses = pd.DataFrame(
        {
            "problem_id": "p",
            "sample": range(len(answers)),
            "response": [rf"\boxed{{{answer}}}" for answer in answers],
        }
    )
    return responses, pd.DataFrame({"problem_id": ["p"], "answer": [gold]})


def test_hostile_strings_are_answered_with_little_work_and_harm_nothing_beside_them(monkeypatch):
    assert len(HOSTILE) >= 60
    # Workers have their limit on processor time, which is no test's to measure; a busy machine may let them wait.
    monkeypatch.setattr(workers.shared(), "wall", 600.0)
    for text in HOSTILE:
        with counted_calls() as calls:
            assert canonical(canonical(text)) == canonical(text)
            assert equivalent(r"\frac{3}{1}", text) is False, text[:40]
        assert calls[0] < CALLS, (text[:40], calls)
    good = ["3", r"\sqrt{9}", "4"] * 5
    grades = grade_table(*_tables([*good, *HOSTILE, *good]), workers=2)
    edges = pd.concat([grades[:15], grades[-15:]])
    assert edges.correct.tolist() == [True, True, False] * 10
    assert not grades.correct[15:-15].any() and "timed_out" not in set(grades.status)


def test_a_single_check_ends_in_time_also_with_its_workers_start_and_in_threads(monkeypatch):
    ended, lent = [], []
    lend = Pool.worker

    def watched(pool: Pool, wall: float):
        lent.append(wall)
        return lend(pool, wall)

    def check(text: str) -> None:
        with pytest.raises(TimedOut):
            equivalent("3", text)
        ended.append(text)

    monkeypatch.setattr(Pool, "worker", watched)
    workers.shared().close()
    threads = [threading.Thread(target=check, args=(text,)) for text in COSTLY[:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # One try each, which ends by itself: there is no second one with more patience.
    assert sorted(ended) == sorted(COSTLY[:2]) and lent == [workers.WALL] * 2
    monkeypatch.setattr(workers.shared(), "wall", 600.0)
    assert equivalent("3", r"\sqrt{9}"), "the next check finds a worker"


def test_a_worker_that_is_not_let_run_is_given_up_in_time_and_tried_again_in_a_batch():
    task = {"op": "keys", "answers": [r"\sqrt{2}"]}
    with Pool(1) as pool:
        exact = pool.call(task, wall=600.0)
        with pool.worker() as process:
            pid = process.process.pid
        os.kill(pid, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(Starved):
            pool.call(task, wall=1.0)
        assert time.monotonic() - started >= 1
        assert pool.call(task, wall=600.0) == exact
        with pool.worker() as process:
            os.kill(process.process.pid, signal.SIGSTOP)
        pool.wall = 1.0
        assert pool.map([task]) == [exact], "the machine's fault changes no verdict"


def test_a_check_over_its_time_is_recorded_and_the_batch_goes_on():
    answers = [COSTLY[0], r"\sqrt{9}", COSTLY[1], "3", "4"]
    grades = grade_table(*_tables(answers), seconds=1.0, workers=2)
    assert grades.status.tolist() == ["timed_out", "graded", "timed_out", "graded", "graded"]
    assert grades.correct.tolist() == [False, True, False, True, False]


def test_a_worker_out_of_memory_or_killed_is_replaced():
    with Pool(1, seconds=5, memory_mb=1024) as pool:
        with pool.worker() as process:
            first = process.process.pid
            process.process.kill()
        assert pool.map([{"op": "keys", "answers": [r"\sqrt 2"]}]) == [Lost]
        ((exact, _, _),) = pool.call({"op": "keys", "answers": [r"\sqrt{4}"]})
        assert exact == "q:2/1"
        with pool.worker() as process:
            assert process.process.pid != first
    assert not Path(f"/proc/{first}").exists(), "no zombie stays"


def test_a_check_out_of_memory_is_stopped_by_the_worker_itself_and_the_batch_goes_on():
    large, root = ({"op": "keys", "answers": [text]} for text in (r"\prod_{k=1}^{3} 2^{10^{10}+k}", r"\sqrt{4}"))
    with Pool(1, seconds=60, memory_mb=512) as pool:
        with pool.worker() as process:
            with pytest.raises(Lost):
                process.call(large)
            status = Path(f"/proc/{process.process.pid}/status").read_text()
        assert process.process.poll() is None, "it says so, and lives"
        peak, used = (int(status.split(name)[1].split()[0]) >> 10 for name in ("VmPeak:", "VmHWM:"))
        assert used <= peak <= 512
        found = pool.map([large, root])
        assert found[0] is Lost and found[1][0][0] == "q:2/1"


def test_equivalence_works_in_threads():
    found: list[bool] = []

    def work(number: int) -> None:
        found.append(
            equivalent(rf"\sqrt{{{number}}}\cdot\cos x", rf"\frac{{{number}\cos x}}{{\sqrt{{{number}}}}}")
        )

    threads = [threading.Thread(target=work, args=(number,)) for number in (23, 29, 31, 37, 41, 43)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 6


def test_equivalence_works_in_a_script_without_main_guard_and_leaves_no_process(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from ttstudy.answers import equivalent\n"
        "from ttstudy.answers.workers import shared\n"
        r"print(equivalent('\\sin x', '\\cos(x-\\pi/2)'), shared().free[0].process.pid)"
    )
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
    )
    verdict, pid = done.stdout.split()
    assert verdict == "True" and not Path(f"/proc/{pid}").exists()


def test_the_package_works_alone_in_three_lines(tmp_path):
    package = tmp_path / "ttstudy"
    shutil.copytree(ROOT / "workflow/ttstudy/answers", package / "answers")
    (package / "__init__.py").touch()
    code = (
        "from ttstudy.answers import canonical, equivalent, extract, grade\n"
        "print(grade('So it is \\\\boxed{\\\\frac{1}{2}}.', '#### 0.5'))\n"
        "print(extract('Answer: 3'), equivalent('x+1', '1+x'), canonical('2/4'), grade('No idea.', '3').correct)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert done.stdout.splitlines() == [
        r"Grade(correct=True, answer='\\frac{1}{2}', found='box')",
        r"3 True \frac{1}{2} False",
    ]


def test_plain_numbers_need_neither_worker_nor_algebra():
    code = (
        "import sys; from ttstudy.answers import equivalent; from ttstudy.answers import workers\n"
        "assert equivalent('12', '12.0') and not equivalent('1/2', '0.51') and equivalent('007', '7.0')\n"
        "assert workers._shared is None\n"
        "assert not {'sympy', 'mpmath', 'pandas', 'math_verify'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
    )


def test_a_table_keeps_its_rows_and_says_why_an_answer_is_missing():
    responses = pd.DataFrame(
        {
            "problem_id": ["b", "a", "b", "a", "b"],
            "sample": [1, 0, 0, 1, 2],
            "response": [
                r"\boxed{\frac{2}{4}}",
                r"\boxed{7}",
                "cut short at 0.5",
                r"\boxed{7\text{ cm}}",
                r"\boxed{.5}",
            ],
        }
    )
    benchmark = pd.DataFrame({"problem_id": ["a", "b"], "answer": ["7", "1/2"]})
    grades = grade_table(responses.assign(finish=["eos", "eos", "length", "eos", "eos"]), benchmark)
    assert grades[["problem_id", "sample"]].equals(responses[["problem_id", "sample"]])
    assert grades.status.tolist() == ["graded", "graded", "no_answer", "graded", "graded"]
    assert grades.correct.tolist() == [True, True, False, True, True]
    assert (
        grades.answer.isna().tolist()
        == grades.canonical.isna().tolist()
        == [False, False, True, False, False]
    )
    assert grades.canonical[0] == grades.canonical[4] and grades.canonical[1] == grades.canonical[3]
    cut = grade_table(responses, benchmark.assign(answer=["7", "0.5"]))
    assert cut.status[2] == "graded" and cut.correct[2] and (cut.found[2], cut.place[2]) == ("number", 13)
    with pytest.raises(ValueError, match="no problem 'b'"):
        grade_table(responses, benchmark[:1])
    with pytest.raises(ValueError, match="grader is one of"):
        grade_table(responses, benchmark, grader="kind")


def test_classes_do_not_depend_on_the_gold_answer():
    answers = [r"\sqrt{9}", "3", "6/2", "15", r"15\text{ cm}", r"\frac12", "0.5", "x=3", "4"]
    found = [grade_table(*_tables(answers, gold)).canonical.tolist() for gold in ("3", "nothing", r"15\text{ in}")]
    assert found[0] == found[1] == found[2] and len(set(found[0])) == 4


def test_a_percent_sign_may_be_left_out_only_where_the_problem_asks_for_a_percentage():
    responses, benchmark = _tables([r"10\%", "10", "0.1", "1000"], gold="10")
    assert grade_table(responses, benchmark).correct.tolist() == [False, True, False, False]
    asked = benchmark.assign(problem="By what percent does the area shrink?")
    grades = grade_table(responses, asked)
    assert grades.correct.tolist() == [True, True, False, False]
    assert grades.canonical[0] == grades.canonical[1]


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("1", "100"),
        ("50", "0.5"),
        ("10080", "10081"),
        ("1,2", "12"),
        ("(1,2)", "[1,2)"),
        (r"\text{east}", ""),
        (r"\text{east}", r"\text{west}"),
        (r"15\mbox{ cm}^2", "225"),
        ("(a+5)(b+2)", "(c+5)(b+2)"),
        (r"137\frac12", "68.5"),
        ("1,-2", "1"),
        ("x=5", "5"),
        ("(E)", "e"),
    ],
)
def test_the_reference_grader_accepts_what_the_official_code_accepts(gold, answer):
    assert reference.equal(reference.normalise(answer), reference.normalise(gold))


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        (r"864 \mbox{ inches}^2", "864"),
        (r"\text{east}", "East"),
        (r"137\frac12", "137.5"),
        ("-2,1", "1,-2"),
        ("7", "8"),
    ],
)
def test_the_reference_grader_rejects_what_the_official_code_rejects(gold, answer):
    assert not reference.equal(reference.normalise(answer), reference.normalise(gold))


def test_the_reference_grader_takes_the_last_number_and_lets_no_answer_vote():
    responses = pd.DataFrame(
        {
            "problem_id": "p",
            "sample": range(4),
            "response": [
                "so there are 3 cats and 12 dogs",
                r"\boxed{1200}",
                r"\boxed{3\sqrt{16}}",
                "no idea",
            ],
        }
    )
    benchmark = pd.DataFrame({"problem_id": ["p"], "answer": ["12"]})
    grades = grade_table(responses, benchmark, grader="reference", workers=1)
    assert grades.correct.tolist() == [True, True, True, False]
    assert grades.answer.tolist() == ["12", "1200", r"3\sqrt{16}", ""]
    assert grade_table(responses, benchmark).correct.tolist() == [False, False, True, False]


def test_a_stopped_single_check_raises_rather_than_guesses(monkeypatch):
    monkeypatch.setattr("ttstudy.answers.grading.shared", lambda: pool)
    with Pool(1, seconds=0.5) as pool, pytest.raises(TimedOut, match="stopped by its limits"):
        equivalent("3", r"\sum_{k=1}^{10^8} \frac{1}{k+1}")

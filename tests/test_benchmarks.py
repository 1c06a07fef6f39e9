"""Benchmarks from files: normalised, checked, each mistake named with its row."""

from __future__ import annotations

import pytest

from ttstudy import benchmarks, tables
from ttstudy.study import StudyError

GOOD = '{"problem_id": "p1", "problem": "1+1?", "answer": 2, "level": 1}\n'


def load(tmp_path, text: str, **spec):
    path = tmp_path / "b.jsonl"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return benchmarks.load({"source": "file", "path": str(path)} | spec)


def test_a_file_becomes_a_checked_table(tmp_path):
    frame = load(tmp_path, GOOD + '{"problem_id": 2, "problem": "x", "answer": 27.0}\n')
    assert tables.check("benchmark", frame)["answer"].tolist() == ["2", "27"]
    assert frame["problem_id"].tolist() == ["p1", "2"]
    assert frame["level"].tolist()[0] == "1" and frame["level"].isna().tolist() == [False, True]


def test_columns_may_have_other_names_and_only_the_first_problems_may_be_asked(tmp_path):
    text = '{"id": "a", "question": "q", "gold": "g"}\n{"id": "b", "question": "q", "gold": "g"}\n'
    columns = {"problem_id": "id", "problem": "question", "answer": "gold"}
    assert load(tmp_path, text, columns=columns, problems=1)["problem_id"].tolist() == ["a"]


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path):
    assert len(load(tmp_path, b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())) == 1


MISTAKES = {
    "duplicate id": (GOOD + GOOD, "'p1' is there twice"),
    "no answer": ('{"problem_id": 1, "problem": "x", "answer": ""}\n', "row 1 has no answer"),
    "null answer": ('{"problem_id": 1, "problem": "x", "answer": null}\n', "row 1 has no answer"),
    "nan answer": ('{"problem_id": 1, "problem": "x", "answer": NaN}\n', "row 1 has no answer"),
    "no column": ('{"problem_id": 1, "text": "x", "answer": "1"}\n', "no column 'problem'"),
    "not json": (GOOD + "{oops\n", "line 2 is not valid JSON"),
    "not an object": ("[1, 2]\n", "line 1 is not a JSON object"),
    "empty": ("", "no column 'problem_id'"),
    "newline in id": ('{"problem_id": "a\\nb", "problem": "x", "answer": "1"}\n', "control character"),
    "latin-1": (b'{"problem_id": "\xe9"}\n', "not UTF-8"),
    "deep": ("[" * 100_000 + "\n", "line 1"),
}


@pytest.mark.parametrize(("text", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_names_the_file_and_the_row(tmp_path, text, words):
    with pytest.raises(StudyError) as caught:
        load(tmp_path, text)
    assert words in str(caught.value) and "b.jsonl" in str(caught.value)

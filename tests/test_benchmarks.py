"""Benchmarks from files: normalised and checked; mistakes are in test_bad_input.py."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ttstudy.data import benchmarks, tables
from ttstudy.errors import StudyError
from ttstudy.study import FileBenchmark

GOOD = '{"problem_id": "p1", "problem": "1+1?", "answer": 2, "level": 1}\n'


def loaded(path: Path, **settings) -> pd.DataFrame:
    frame, _ = benchmarks.load(FileBenchmark(source="file", path=str(path), **settings), [str(path)])
    return frame


def load(tmp_path, text: str, **settings) -> pd.DataFrame:
    path = tmp_path / "b.jsonl"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return loaded(path, **settings)


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


def test_a_checksum_is_of_the_problems_whatever_the_files_form(tmp_path):
    frame = load(tmp_path, GOOD)
    known = benchmarks.checksum(frame)
    assert load(tmp_path, GOOD.replace('"answer": 2', '"answer": "2", "note": "x"'), sha256=known).equals(frame)
    frame.to_parquet(tmp_path / "b.parquet")
    again = loaded(tmp_path / "b.parquet", sha256=known)
    assert again["level"].tolist() == ["1"]
    with pytest.raises(StudyError, match=f"b.jsonl: the problems' SHA-256 is .* not {known}"):
        load(tmp_path, GOOD.replace("1+1", "1+2"), sha256=known)

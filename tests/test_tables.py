"""Table contracts: what breaks one is named, nothing half-written is left, the same rows give the same bytes."""

from __future__ import annotations

import pandas as pd
import pytest

from ttstudy import tables

GRADES = pd.DataFrame(
    {
        "problem_id": ["a", "a", "b"],
        "sample": [0, 1, 0],
        "answer": ["1", None, "2"],
        "canonical": ["1", None, "2"],
        "correct": [True, False, False],
        "status": ["graded", "no_answer", "graded"],
    }
)


def test_a_table_comes_back_as_it_went(tmp_path):
    tables.write("grades", GRADES, tmp_path / "g.parquet")
    back = tables.read("grades", tmp_path / "g.parquet")
    assert back["correct"].tolist() == [True, False, False]
    assert back["answer"].isna().tolist() == [False, True, False]
    assert [path.name for path in tmp_path.iterdir()] == ["g.parquet"]


def test_the_same_rows_give_the_same_bytes_whatever_the_column_order(tmp_path):
    tables.write("grades", GRADES, tmp_path / "a.parquet")
    tables.write("grades", GRADES[GRADES.columns[::-1]], tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


BREACHES = {
    "missing column": (lambda t: t.drop(columns="status"), "no column 'status'"),
    "negative count": (lambda t: t.assign(sample=[0, -1, 0]), "sample"),
    "unknown word": (lambda t: t.assign(status=["graded", "lost", "graded"]), "status"),
    "missing value": (lambda t: t.assign(problem_id=["a", None, "b"]), "problem_id"),
    "key twice": (lambda t: t.assign(sample=0), "duplicate"),
}


@pytest.mark.parametrize(("change", "words"), BREACHES.values(), ids=BREACHES.keys())
def test_a_breach_names_file_table_and_column_and_writes_nothing(tmp_path, change, words):
    path = tmp_path / "g.parquet"
    with pytest.raises(tables.TableError, match="table grades") as caught:
        tables.write("grades", change(GRADES), path)
    assert words in str(caught.value) and str(path) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_numbers_that_cannot_be_are_refused():
    row = {
        "benchmark": "b", "policy": "p", "prm": "none", "method": "cot", "budget": 1, "score": "none",
        "vote": "none", "level": "all", "problems": 10, "accuracy": 0.5, "low": 0.4, "high": 0.6,
    }  # fmt: skip
    tables.check("accuracy", pd.DataFrame([row]))
    for wrong in ({"accuracy": 1.2}, {"low": 0.55}, {"high": 0.45}, {"problems": -1}):
        with pytest.raises(tables.TableError):
            tables.check("accuracy", pd.DataFrame([row | wrong]))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not a table at all" * 10], ids=["empty", "magic only", "text"])
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "g.parquet"
    path.write_bytes(content)
    with pytest.raises(tables.TableError, match="not a readable Parquet table"):
        tables.read("grades", path)


def test_a_truncated_file_is_named(tmp_path):
    path = tmp_path / "g.parquet"
    tables.write("grades", GRADES, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(tables.TableError, match="not a readable Parquet table"):
        tables.read("grades", path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(tables.TableError, match="is not there"):
        tables.read("grades", tmp_path / "no.parquet")

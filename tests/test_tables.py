"""Table contracts: what breaks one is named, nothing half-written is left, the same rows give the same bytes."""

from __future__ import annotations

import pandas as pd
import pytest

from ttstudy.data import tables

GRADES = pd.DataFrame(
    {
        "problem_id": ["a", "a", "b"],
        "sample": [0, 1, 0],
        "answer": ["1", None, "2"],
        "found": ["box", None, "label"],
        "place": pd.array([7, None, 0], dtype="Int64"),
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


def test_a_column_that_may_be_there_is_read_where_it_is(tmp_path):
    path = tmp_path / "g.parquet"
    tables.write("grades", GRADES, path)
    assert list(tables.read("grades", path, ["sample", "more?"])) == ["sample"]
    tables.write("grades", GRADES.assign(more=1.5), path)
    assert list(tables.read("grades", path, ["sample", "more?"])) == ["sample", "more"]
    with pytest.raises(tables.TableError, match="lacks a column"):
        tables.read("grades", path, ["sample?", "less"])
    path.write_bytes(b"no table")
    with pytest.raises(tables.DamagedError):
        tables.read("grades", path, ["sample", "more?"])


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


KEY = {"benchmark": "b", "policy": "p", "prm": "none", "method": "cot", "budget": 1}
FLOPS = dict.fromkeys(("flops_policy", "flops_prompt", "flops_prm"), 1e12) | {"flops_total": 3e12, "flops_paper": 1e12}
FLOPS["flops_attention"] = 1e11
TOKENS = ("prompt_tokens", "response_tokens", "discarded_tokens", "prm_tokens", "prm_tokens_reencoded")
ROWS = {
    "accuracy": KEY
    | {"score": "none", "vote": "none", "level": "all", "problems": 9, "accuracy": 0.5, "low": 0.4, "high": 0.6},
    "ledger": KEY
    | dict.fromkeys(TOKENS, 5.0)
    | {"problems": 9, "policy_parameters": 1, "prm_parameters": 1}
    | FLOPS,
    "difficulty": {
        "benchmark": "b", "policy": "p", "problem_id": "x", "samples": 4, "correct": 1, "pass_at_1": 0.25,
        "level": "medium",
    },
    "counts": KEY | {"responses": 4, "finished": 3, "cut": 1, "no_answer": 2, "timed_out": 0},
    "overlong": KEY | {"scored": 4, "overlong": 2},
    "examination": {
        "benchmark": "b", "policy": "p", "prm": "none", "pool": "cot", "finding": "empty", "severity": "none",
        "count": 2, "examined": 4, "text": "",
    },
    "scores": {"problem_id": "x", "sample": 0, "step_scores": [0.5, 1.0], "prm_tokens": 9},
    "search_cost": {"problems": 1, "prompt_tokens": 1, "response_tokens": 9, "discarded_tokens": 5, "prm_tokens": 1,
                    "prm_tokens_reencoded": 1},
    "nodes": {"problem_id": "x", "tree": 0, "node": 1, "parent": 0, "depth": 1, "text": "a", "tokens": 1,
              "score": 0.5, "kept": True, "finish": "eos"},
    "grades": {
        "problem_id": "x", "sample": 0, "answer": "1", "found": "box", "place": 0, "canonical": "1", "correct": True,
        "status": "graded",
    },
    "outcomes": KEY | {"score": "none", "vote": "none", "problem_id": "x", "level": "easy", "value": 1.0},
}  # fmt: skip
NONSENSE = [
    ("accuracy", {"accuracy": 1.2, "high": 1.3}),
    ("accuracy", {"accuracy": float("nan")}),
    ("accuracy", {"low": 0.55}),
    ("accuracy", {"high": 0.45}),
    ("accuracy", {"problems": -1}),
    ("outcomes", {"value": 1.01}),
    ("outcomes", {"value": float("nan")}),
    ("ledger", {"flops_total": 2.9e12}),
    ("ledger", {"response_tokens": -1.0}),
    ("ledger", {"response_tokens": float("inf")}),
    ("ledger", {"flops_prm": float("inf")}),
    ("ledger", {"flops_attention": 3.1e12}),
    ("ledger", {"discarded_tokens": 6.0}),
    ("difficulty", {"correct": 5}),
    ("difficulty", {"pass_at_1": 0.5}),
    ("counts", {"finished": 4}),
    ("counts", {"no_answer": 5}),
    ("overlong", {"overlong": 5}),
    ("examination", {"count": 5}),
    ("scores", {"step_scores": [0.5, float("nan")]}),
    ("scores", {"step_scores": [0.5, 1.5]}),
    ("scores", {"step_scores": [-0.1]}),
    ("scores", {"prm_tokens": -1}),
    ("search_cost", {"discarded_tokens": 10}),
    ("nodes", {"score": 2.0}),
    ("nodes", {"parent": 1}),
    ("grades", {"status": "timed_out"}),
]


@pytest.mark.parametrize(("name", "wrong"), NONSENSE, ids=[f"{name} {wrong}" for name, wrong in NONSENSE])
def test_a_number_that_cannot_be_stops_the_table_with_its_row(tmp_path, name, wrong):
    good = pd.DataFrame([ROWS[name]] * 3)
    key = next((name for name in ("sample", "budget", "problem_id", "pool") if name in good), "problem_id")
    good[key] = ["x", "y", "z"] if key in ("problem_id", "pool") else [1, 2, 3]
    if name == "search_cost":
        good = good.drop(columns=key)
    tables.check(name, good)
    bad = good.copy().astype(object)
    for column, value in wrong.items():
        bad.at[1, column] = value
    with pytest.raises(tables.TableError, match="row 1") as caught:
        tables.write(name, bad, tmp_path / "t.parquet")
    assert f"table {name}" in str(caught.value) and str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == []


def test_a_budget_above_the_pool_names_the_problem():
    from ttstudy.methods import outcomes

    with pytest.raises(tables.TableError, match="problem b has 1 responses in its pool, but N is up to 2"):
        list(outcomes.of_pool(GRADES, {}, {"majority": [2]}, ["a", "b"], 0))


def test_a_byte_that_changed_on_the_disk_is_noticed(tmp_path):
    path = tmp_path / "g.parquet"
    tables.write("grades", GRADES, path)
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(tables.DamagedError, match="run again, and it is made anew"):
        tables.read("grades", path)


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

"""Importers: completions of other programs become recorded responses, and what does not fit is named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.studies import ROOT
from ttstudy.data import importers, recorded
from ttstudy.data.revisions import load as load_study
from ttstudy.errors import StudyError


def line(content: dict) -> str:
    return json.dumps(content, ensure_ascii=False) + "\n"


def sal(**changes) -> dict:
    """A row as search-and-learn writes it: MATH-500's columns, then what best-of-N adds."""
    texts = ["## Step 1: Add\n2+2\n\nTherefore, the final answer is: $\\boxed{4}$.", "One line $\\boxed{5}$", ""]
    return {
        "problem": "2+2?", "solution": "...", "answer": "4", "subject": "Algebra", "level": 2,
        "unique_id": "test/algebra/1.json", "completions": texts, "pred": texts[0],
        "scores": [[0.75, 0.5], [0.25], [0.125]], "completion_tokens": [21, 9, 1],
        "agg_scores": [0.5, 0.25, 0.125], "pred_weighted@1": "4",
    } | changes  # fmt: skip


def test_search_and_learn_comes_through_whole(tmp_path):
    (tmp_path / "best_of_n.jsonl").write_text(line(sal()) + line(sal(unique_id="test/algebra/2.json", problem="3?")))
    rows = list(importers.rows("search-and-learn", tmp_path / "best_of_n.jsonl", "deepseek-prm"))
    (tmp_path / "out.jsonl").write_text("".join(map(line, rows)))
    frame, unused = recorded.load(tmp_path / "out.jsonl")
    assert unused == [] and frame["problem_id"].tolist() == ["test/algebra/1.json"] * 3 + ["test/algebra/2.json"] * 3
    assert frame["response"].tolist()[:3] == sal()["completions"]
    assert frame["scores.deepseek-prm"].tolist()[:3] == sal()["scores"]
    assert [len(steps) for steps in frame["steps"]][:3] == [2, 1, 1]
    assert frame["response_tokens"].tolist()[:3] == [21, 9, 1]
    assert set(frame["level"]) == {"2"} and set(frame["subject"]) == {"Algebra"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"completions": None}, "row 1: no completions"),
        ({"scores": [[0.5], [0.5]]}, "scores has 2 entries for 3 completions"),
        ({"scores": [[0.1] * 7, [0.2], [0.3]]}, "has 7 scores, but 2 parts between blank lines and 3 lines"),
        ({"scores": ["x", [0.2], [0.3]]}, "scores of completion 0: not a list of numbers"),
        ({"completions": "text"}, "completions is not a list of texts"),
        ({"completions": [], "scores": []}, "row 1: no completions; the problem would be missing"),
    ],
)
def test_a_row_of_search_and_learn_that_does_not_fit_is_named(tmp_path, change, words):
    (tmp_path / "b.jsonl").write_text(line(sal(**change)))
    with pytest.raises(StudyError) as caught:
        list(importers.rows("search-and-learn", tmp_path / "b.jsonl"))
    assert words in str(caught.value) and "b.jsonl" in str(caught.value)


def test_ids_that_count_from_zero_stay_apart(tmp_path):
    problems = [line(sal(unique_id=None, id=number, problem=f"{number}+4?")) for number in range(3)]
    (tmp_path / "b.jsonl").write_text("".join(problems))
    rows = list(importers.rows("search-and-learn", tmp_path / "b.jsonl"))
    assert [row["problem_id"] for row in rows] == ["0"] * 3 + ["1"] * 3 + ["2"] * 3


def run(folder: Path, method: str = "best_of_n", temperature: float = 0.7, records: int = 4) -> Path:
    """A folder as the official code leaves it."""
    folder.mkdir()
    config = {"method": method, "gen_config": {"temperature": temperature}, "LM": ["x/policy"], "RM": "/models/my-prm"}
    (folder / "config.json").write_text(json.dumps(config))
    for question in (0, 1, 10):
        (folder / f"question_{question}").mkdir()
        for record in range(records):
            path = {
                "text": f"First {record} ки\nThen $\\boxed{{{question}}}$ ки\n", "value": [0.5, 0.25 + record / 100],
                "extracted_answer": str(question), "completion_tokens": 30 + record, "reward_history": [0.5, 0.25],
            }  # fmt: skip
            path |= {"value": None} if method == "cot" else {}
            content = {"question": f"q{question}?", "groundtruth": str(question), "result": {}, "output": [path]}
            (folder / f"question_{question}/record_{record}.jsonl").write_text(line(content))
    return folder


def test_the_official_codes_runs_become_a_file_and_a_study_by_one_command(tmp_path):
    sampled, greedy = run(tmp_path / "bon"), run(tmp_path / "cot", "cot", 0.0, 1)
    command = [sys.executable, str(ROOT / "scripts/import_responses.py"), "compute-optimal-tts"]
    command += [str(sampled), str(greedy), "out.parquet", "--study", "mine.yaml"]
    environment = {"PYTHONPATH": str(ROOT / "workflow"), "PATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "3 problems, at least 4 samples of each; PRMs: my-prm" in done.stdout
    frame, _ = recorded.load(tmp_path / "out.parquet")
    assert frame["problem_id"].drop_duplicates().tolist() == ["question_0", "question_1", "question_10"]
    assert frame.groupby("greedy")["sample"].agg(["min", "max"]).to_numpy().tolist() == [[0, 3], [0, 0]]
    first = frame[~frame["greedy"]].iloc[1]
    assert first["steps"] == ["First 1", "Then $\\boxed{0}$"] and first["scores.my-prm"] == [0.5, 0.26]
    assert first["response_tokens"] == 31
    study = load_study(tmp_path / "mine.yaml")
    assert study.policies["mine-policy"].greedy and study.budgets.pool + study.pilot_samples == 4
    assert list(study.prms) == ["my-prm"] and not list(tmp_path.glob(".out*"))


def test_a_search_is_no_set_of_samples_and_a_broken_record_is_named(tmp_path):
    with pytest.raises(StudyError, match="'beam_search'; only cot and best_of_n are independent"):
        list(importers.rows("compute-optimal-tts", run(tmp_path / "beam", "beam_search")))
    folder = run(tmp_path / "bon")
    (folder / "question_1/record_2.jsonl").write_text(line({"question": "q", "groundtruth": "1", "output": [{}]}))
    with pytest.raises(StudyError, match=r"question_1/record_2.jsonl: line 1: a path of its output has no text"):
        list(importers.rows("compute-optimal-tts", folder))
    (folder / "question_1/record_2.jsonl").unlink()
    (folder / "question_5").mkdir()
    with pytest.raises(StudyError, match="question_5: holds no response; end that run"):
        list(importers.rows("compute-optimal-tts", folder))
    with pytest.raises(StudyError, match="config.json: not a readable JSON file"):
        list(importers.rows("compute-optimal-tts", tmp_path))


def test_parquet_of_search_and_learn_is_read_too(tmp_path):
    pd.DataFrame([sal()]).to_parquet(tmp_path / "b.parquet")
    rows = list(importers.rows("search-and-learn", tmp_path / "b.parquet"))
    assert [row["scores.prm"] for row in rows] == sal()["scores"]

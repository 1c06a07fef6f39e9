"""Outputs of other programs become recorded responses, known by their content; what does not fit is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from tests.studies import ROOT
from ttstudy.answers import grade_table
from ttstudy.data import importers, recorded
from ttstudy.data.intake import Given
from ttstudy.data.revisions import load as load_study
from ttstudy.errors import StudyError
from ttstudy.kinds.sources import SOURCES, recognised

FIELD = Path(os.environ.get("TTSTUDY_SHARED", ROOT.parent / "shared")) / "data/field"


def line(content: dict) -> str:
    return json.dumps(content, ensure_ascii=False) + "\n"


def written(path: Path, *rows: dict) -> Path:
    path.write_text("".join(map(line, rows)))
    return path


def sal(**changes) -> dict:
    """A row as search-and-learn writes it: MATH-500's columns, then what best-of-N adds."""
    texts = ["## Step 1: Add\n2+2\n\nTherefore, the final answer is: $\\boxed{4}$.", "One line $\\boxed{5}$", ""]
    return {
        "problem": "2+2?", "solution": "...", "answer": "4", "subject": "Algebra", "level": 2,
        "unique_id": "test/algebra/1.json", "completions": texts, "pred": texts[0],
        "scores": [[0.75, 0.5], [0.25], [0.125]], "completion_tokens": [21, 9, 1],
        "agg_scores": [0.5, 0.25, 0.125], "pred_weighted@1": "4",
    } | changes  # fmt: skip


CHAT = "system\nThink.\nuser\n2+2?\nassistant\n"
INSPECT = {
    "id": 1, "epoch": 1, "input": [{"role": "system", "content": "x"}, {"role": "user", "content": "2+2?"}],
    "target": ["4"], "messages": [], "scores": {"match": {"value": "C"}},
    "attachments": {"abc": "So \\boxed{4}"},
    "output": {
        "model": "m", "usage": {"input_tokens": 9, "output_tokens": 5},
        "choices": [{
            "message": {"role": "assistant", "content": [{"type": "reasoning", "reasoning": "Hm."},
                                                         {"type": "text", "text": "attachment://abc"}]},
            "stop_reason": "max_tokens",
        }],
    },
}  # fmt: skip
ROWS: dict[str, list[tuple[dict, list[dict]]]] = {
    "search_and_learn": [
        (sal(), [{"problem_id": "test/algebra/1.json", "scores.prm": [0.75, 0.5], "response_tokens": 21, "level": "2"},
                 {"sample": 1, "scores.prm": [0.25]}, {"steps": [""], "scores.prm": [0.125], "response": ""}]),
    ],
    "math_evaluation_harness": [
        ({"idx": 7, "question": "2+2?", "gt_cot": "x\n#### 4", "gt": "4", "answer": "x", "code": ["\\boxed{4}", "5"],
          "pred": ["4", "5"], "report": [None, None], "score": [True, False], "pred_score": [[3.5], [-1.0]]},
         [{"problem_id": "7", "response": "\\boxed{4}", "scores.rm": [3.5]}, {"sample": 1, "scores.rm": [-1.0]}]),
        ({"idx": 8, "question": "1+1?", "gt": "2", "code": ["2"], "pred": ["2"], "report": [None], "type": "Algebra",
          "level": "Level 1", "finish_reason": ["stop"]},
         [{"problem_id": "8", "answer": "2", "level": "Level 1", "finish": "stop"}]),
    ],
    "nemo_skills": [
        ({"problem": "2+2?", "expected_answer": "4", "generation": "It is 4.", "predicted_answer": None, "level": "L",
          "symbolic_correct": True, "num_generated_tokens": 5, "finish_reason": "length", "type": "Algebra"},
         [{"answer": "4", "response_tokens": 5, "finish": "length", "subject": "Algebra"}]),
    ],
    "lm_evaluation_harness": [
        ({"doc_id": 3, "doc": {"question": "2+2?", "answer": "x\n#### 4"}, "target": "x\n#### 4", "filter": "strict",
          "arguments": {"gen_args_0": {"arg_0": "Q: 2+2?", "arg_1": {"do_sample": False, "temperature": 0.0}}},
          "resps": [["It is 4."]], "filtered_resps": ["4"], "exact_match": 1.0},
         [{"problem_id": "3", "problem": "2+2?", "answer": "4", "greedy": True, "response": "It is 4."}]),
        ({"doc_id": 4, "doc": {"docs": 1}, "target": "4", "arguments": [["Q: 2+2?", {"do_sample": True}]],
          "resps": [["4", "5"]], "filtered_resps": ["4"]},
         [{"problem": "Q: 2+2?", "greedy": False, "response": "4"}, {"sample": 1, "response": "5"}]),
    ],
    "lighteval": [
        ({"doc": {"query": "2+2?", "choices": ["3", "So \\boxed{4}"], "gold_index": [1], "id": "11"}, "metric": {},
          "model_response": {"text": ["It is 4.", "5"], "output_tokens": [[1, 2], [3]], "text_post_processed": None}},
         [{"problem_id": "11", "answer": "4", "response_tokens": 2}, {"sample": 1, "response": "5"}]),
        ({"example": "2+2?", "predictions": "['It is 4.']", "gold": "['4']", "cont_tokens": [[1, 2, 3]], "metrics": {}},
         [{"problem_id": "1", "answer": "4", "response": "It is 4.", "response_tokens": 3}]),
    ],
    "inspect_ai": [
        ({"version": 2, "status": "success", "eval": {"task": "t"}, "samples": [INSPECT, INSPECT | {"epoch": 2}]},
         [{"problem_id": "1", "problem": "2+2?", "answer": "4", "response": "<think>Hm.</think>\nSo \\boxed{4}",
           "finish": "length", "response_tokens": 5, "prompt_tokens": 9}, {"sample": 1}]),
        (INSPECT | {"input": "2+2?", "target": "4"}, [{"problem": "2+2?"}]),
    ],
    "opencompass": [
        ({"origin_prompt": [{"role": "HUMAN", "prompt": "2+2?"}], "prediction": "It is 4.", "gold": "4"},
         [{"problem": "2+2?", "answer": "4", "response": "It is 4."}]),
        ({"origin_prompt": "2+2?", "prediction": ["4", "5"], "gold": "x\n#### 4"},
         [{"problem": "2+2?", "answer": "4"}, {"sample": 1, "response": "5"}]),
    ],
    "rollouts": [
        ({"input": CHAT, "output": "4", "gts": "4", "score": 1.0, "step": 3, "acc": True}, [{"problem": "2+2?"}]),
        ({"input": "2+2?", "output": "4", "label": "4", "reward": 2.5}, [{"answer": "4", "scores.reward": [2.5]}]),
        ({"data_source": "aime", "prompt": [{"role": "system", "content": "x"}, {"role": "user", "content": "2+2?"}],
          "reward_model": {"ground_truth": "4", "style": "rule"}, "responses": ["It is 4.", "5"]},
         [{"problem": "2+2?", "answer": "4", "response": "It is 4."}, {"sample": 1, "response": "5"}]),
        ({"input": "<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n", "output": "4", "gts": ["4"]},
         [{"problem": "2+2?", "answer": "4"}]),
    ],
}  # fmt: skip
FEW = [(name, *pair) for name, pairs in ROWS.items() for pair in pairs]


LIKELIHOODS = ROWS["lm_evaluation_harness"][0][0] | {
    "arguments": {"gen_args_0": {"arg_0": "Q: 2+2?", "arg_1": " 4"}}, "resps": [[["-1.5", "False"]]],
}  # fmt: skip


def loaded(path: Path, **given) -> pd.DataFrame:
    return recorded.load(path, Given(**{"score_kinds": {}, **given}))[0]


@pytest.mark.parametrize(("name", "row", "wanted"), FEW, ids=[f"{f[0]}-{i}" for i, f in enumerate(FEW)])
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_row_of_each_program_is_known_and_read(tmp_path, name, row, wanted, suffix):
    assert [other for other, source in SOURCES.items() if source.recognises(row)] == [name]
    path = written(tmp_path / "output.jsonl", row)
    if suffix == "parquet":
        if name not in ("lighteval", "search_and_learn"):
            pytest.skip("no program writes this as Parquet")
        path = tmp_path / "output.parquet"
        pd.DataFrame([{k: v for k, v in row.items() if v != {}}]).to_parquet(path)
    frame, account = recorded.load(path, Given(score_kinds={}))
    assert account.form == name and len(frame) == len(wanted)
    for found, told in zip(frame.to_dict("records"), wanted, strict=True):
        assert {key: found[key] for key in told} == told


def test_every_source_has_a_row_here_and_no_other_row_is_taken_for_one():
    assert {*ROWS, "compute_optimal_tts"} == set(SOURCES)
    assert recognised({"question": "q", "gold": "4", "text": "x"}) is None


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (sal(completions=None), "row 1: no completions"),
        (sal(scores=[[0.5], [0.5]]), "scores has 2 entries for 3 completions"),
        (sal(scores=[[0.1] * 7, [0.2], [0.3]]), "has 7 scores, but 2 parts between blank lines and 3 lines"),
        (sal(scores=["x", [0.2], [0.3]]), "scores of completion 0: not a list of numbers"),
        (sal(scores=[[10**400, 0.5], [0.2], [0.3]]), "nested in another way than search-and-learn writes it"),
        (sal(completions={"a": 1}), "completions is not a list of texts"),
        (sal(completions=[], scores=[]), "row 1: no completions; the problem would be missing"),
        (LIKELIHOODS, "resps holds no texts; only tasks that generate text"),
        (ROWS["lighteval"][0][0] | {"model_response": "x"}, "model_response is not an object"),
        (INSPECT | {"output": {"choices": []}, "error": {"m": 1}}, "sample '1' has no output: it ended with an error"),
        ({"input": "x", "output": "4", "score": 1}, "no gold answer under gts, "),
        (ROWS["nemo_skills"][0][0] | {"generation": 4}, "generation is not a list of texts"),
        ({"question": "q", "text": "x"}, "no program's output that is known (compute_optimal_tts, "),
    ],
)
def test_a_row_that_does_not_fit_is_named(tmp_path, row, words):
    with pytest.raises(StudyError) as caught:
        loaded(written(tmp_path / "b.jsonl", row))
    assert words in str(caught.value) and "b.jsonl" in str(caught.value)


def test_ids_that_count_from_zero_stay_apart(tmp_path):
    rows = [sal(unique_id=None, id=number, problem=f"{number}+4?") for number in range(3)]
    assert loaded(written(tmp_path / "b.jsonl", *rows))["problem_id"].tolist() == ["0"] * 3 + ["1"] * 3 + ["2"] * 3


def test_files_of_seeds_are_samples_and_of_several_filters_one_is_taken(tmp_path):
    row = ROWS["nemo_skills"][0][0]
    files = [written(tmp_path / f"output-rs{seed}.jsonl", row | {"generation": str(seed)}) for seed in range(3)]
    frame, account = recorded.load([*files, written(tmp_path / "output-greedy.jsonl", row | {"generation": "g"})])
    assert frame["response"].tolist() == ["g", "0", "1", "2"] and frame["sample"].tolist() == [0, 0, 1, 2]
    assert frame["greedy"].tolist() == [True, False, False, False] and account.rows == 4
    row = ROWS["lm_evaluation_harness"][0][0]
    assert len(loaded(written(tmp_path / "s.jsonl", row, row | {"filter": "flexible"}))) == 1


def test_a_log_that_is_a_zip_of_samples_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "log.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", "{}")
        for epoch in (1, 2):
            archive.writestr(f"samples/1_epoch_{epoch}.json", json.dumps(INSPECT | {"epoch": epoch}))
    assert loaded(tmp_path / "log.eval")["sample"].tolist() == [0, 1]


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


def imported(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts/import_responses.py"), *arguments]
    environment = {"PYTHONPATH": str(ROOT / "workflow"), "PATH": ""}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_official_codes_runs_become_a_file_and_a_study_by_one_command(tmp_path):
    run(tmp_path / "bon")
    run(tmp_path / "cot", "cot", 0.0, 1)
    name = "a name of a study " * 5  # case importer-name
    done = imported(tmp_path, "compute-optimal-tts", "bon", "cot", "out.parquet", "--study", f"{name}.yaml")
    assert done.returncode == 0, done.stderr
    assert "3 problems, at least 4 samples of each; PRMs: my-prm; read as compute_optimal_tts" in done.stdout
    frame, _ = recorded.load(tmp_path / "out.parquet")
    assert frame["problem_id"].drop_duplicates().tolist() == ["question_0", "question_1", "question_10"]
    assert frame.groupby("greedy")["sample"].agg(["min", "max"]).to_numpy().tolist() == [[0, 3], [0, 0]]
    first = frame[~frame["greedy"]].iloc[1]
    assert first["steps"] == ["First 1", "Then $\\boxed{0}$"] and first["scores.my-prm"] == [0.5, 0.26]
    assert first["response_tokens"] == 31
    study = load_study(tmp_path / f"{name}.yaml")
    (policy,) = study.policies.values()
    assert policy.greedy and study.budgets.pool == 4 and not study.pilot_samples and list(study.prms) == ["my-prm"]
    assert not list(tmp_path.glob(".out*"))


def test_a_study_is_written_for_what_a_file_has():
    kinds = {"prm": "probability", "rm": "outcome"}
    text = importers.study("x", Path("f.jsonl"), kinds, 32, False)
    assert "pilot_samples: 8" in text and "score_kind: outcome" in text and "- 24\n" in text
    text = importers.study("x", Path("f.jsonl"), {}, 0, True)
    assert "greedy: true" in text and "budgets: {}" in text


def test_beams_are_no_samples_and_a_broken_record_is_named(tmp_path):
    config = run(tmp_path / "beam", "beam_search") / "config.json"
    with pytest.raises(StudyError, match="'beam_search'; only cot and best_of_n are independent"):
        loaded(config.parent / "question_0/record_0.jsonl")
    folder = run(tmp_path / "bon")
    file = folder / "question_1/record_2.jsonl"
    file.write_text(line({"question": "q", "groundtruth": "1", "output": [{}]}))
    with pytest.raises(StudyError, match=r"record_2.jsonl: .* row 1: a path of its output has no text"):
        loaded(file)
    # Case importer-beam: no file name tells it.
    beams = sal(completions=["S1\n\n\\boxed{4}", "S1\n\n\\boxed{5}"], scores=None, completion_tokens=None)
    with pytest.raises(StudyError, match="beams of a search, not independent samples \\(100% of the pairs"):
        loaded(written(tmp_path / "completions.jsonl", beams))
    with pytest.raises(StudyError, match="its name says beam_search"):
        loaded(written(tmp_path / "beam_search_completions.jsonl", sal()))
    done = imported(tmp_path, "search-and-learn", "beam_search_completions.jsonl", "out.jsonl")
    assert done.returncode == 1 and done.stderr.startswith("error: ") and not (tmp_path / "out.jsonl").exists()
    # A phrase that begins responses to several problems is no step of a search.
    texts = {p: [f"Let us see.\n\n{p} {n}.\n\nIt is {n}." for n in range(4)] for p in "abc"}
    bare = {"scores": None, "completion_tokens": None}
    phrases = [sal(problem=p, unique_id=p, completions=texts[p], **bare) for p in texts]
    assert len(loaded(written(tmp_path / "phrases.jsonl", *phrases))) == 12


def verdicts(name: str) -> pd.DataFrame:
    """Our verdict on each response of a file, beside the one that its source states (None: it states none)."""
    files = sorted(FIELD.glob(name))
    frame = loaded(files)
    problems = frame.drop_duplicates("problem_id")[["problem_id", "problem", "answer"]].assign(level=None, subject=None)
    graded = grade_table(frame, problems, extraction="conclusion")
    return graded[["problem_id", "sample", "correct", "answer"]]


@pytest.mark.skipif(not FIELD.is_dir(), reason=f"needs the shared files of other programs ({FIELD})")
def test_real_files_come_in_and_agree_with_their_sources():
    nemo, harness = verdicts("nemo-skills-output-rs*.jsonl"), verdicts("lm-eval-samples-gsm8k.jsonl")
    assert len(nemo) == 15 and abs(nemo["correct"].mean() - 0.867) < 0.005
    assert harness["correct"].tolist().count(True) == 2 and len(harness) == 3
    for name, allowed in (("rho-7b-gsm8k-cot.jsonl", {"53", "138", "181"}), ("tora-70b-gsm8k.jsonl", {"98"})):
        rows = [json.loads(text) for text in (FIELD / name).read_text().splitlines()]
        theirs = {str(row["idx"]): row.get("score", [row["pred"][0] == row["gt"]])[0] for row in rows}
        ours = verdicts(name).set_index("problem_id")
        other = {key for key, value in theirs.items() if ours.loc[key, "correct"] != value}
        # rho 53, 138, 181: its grader takes an equation, or the hour after the result. ToRA 98: "in 15 minutes", ours.
        assert other <= allowed and len(ours) == len(rows)
    # That its completions are mixed is for the examination of data; it is read.
    assert len(loaded(FIELD / "search-and-learn-bon-8b-n16-interleaved.jsonl")) == 400

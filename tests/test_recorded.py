"""Recorded responses: files read whole or not at all, pools that stay apart, and a study from a file to its report."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.studies import ROOT, copy_repository, planned, snakemake, write
from ttstudy.analysis import difficulty
from ttstudy.answers import grade_table
from ttstudy.data import recorded, recorded_rows, tables
from ttstudy.errors import StudyError
from ttstudy.methods import outcomes
from ttstudy.study import from_mapping

SHARED = Path(os.environ.get("TTSTUDY_SHARED", ROOT.parent / "shared")) / "data/recorded/gsm8k-200.parquet"


def rows(problems: int = 6, samples: int = 12, seed: int = 0) -> list[dict]:
    """Responses to sums, right with a chance that falls with the problem, and two PRMs: one good, one blind."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(problems):
        for sample in range(samples):
            right = rng.random() < 0.95 - 0.8 * i / problems
            answer = 3 * i if right else 3 * i + int(rng.integers(1, 4))
            steps = [f"We add {i} and {2 * i}.", f"The sum is \\boxed{{{answer}}}."]
            good = [0.9, 0.8 if right else 0.3]
            blind = [float(x) for x in rng.random(2).round(3)]
            found.append(
                {"problem_id": f"p{i}", "problem": f"{i}+{2 * i}?", "answer": str(3 * i), "sample": sample,
                 "response": "\n\n".join(steps), "steps": steps, "scores.good": good, "scores.blind": blind}
            )  # fmt: skip
    return found


def jsonl(path: Path, content: list) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in content))
    return path


def test_the_same_rows_from_jsonl_from_parquet_and_with_nested_scores_are_the_same_table(tmp_path):
    content = rows()
    flat, account = recorded.load(jsonl(tmp_path / "a.jsonl", content))
    assert account.unused == [] and len(flat) == 72
    tables.check("recorded", flat)
    pd.DataFrame(content).to_parquet(tmp_path / "a.parquet")
    nested = [{k: v for k, v in row.items() if not k.startswith("scores.")} for row in content]
    for row, whole in zip(nested, content, strict=True):
        row |= {"scores": {"good": whole["scores.good"], "blind": whole["scores.blind"]}, "note": "x"}
        del row["steps"]  # the response between blank lines is the same steps
    again, account = recorded.load(jsonl(tmp_path / "b.jsonl", nested))
    assert account.unused == ["note"]
    for other in (recorded.load(tmp_path / "a.parquet")[0], again):
        pd.testing.assert_frame_equal(flat, other)


BROKEN = {
    "no answer": ({"answer": None}, "no answer"),
    "blank problem": ({"problem": " "}, "problem is empty"),
    "no response": ({"response": None}, "no response"),
    "a response that is an object": ({"response": {"x": 1}}, "response is not a text"),
    "a numbered list of responses": ({"response": ["x", "y"]}, "sample is one number, but response is a list"),
    "an empty list of responses": ({"response": []}, "response is an empty list"),
    "no number": ({"sample": None}, "no sample, which other rows have"),
    "no id": ({"problem_id": None}, "no problem_id, which other rows have"),
    "a sample that is a word": ({"sample": "first"}, "sample is 'first'"),
    "a negative sample": ({"sample": -1}, "sample is -1"),
    "an endless sample": ({"sample": float("inf")}, "sample is inf"),
    "a sample twice": ({"sample": 3}, "sample 3 again of problem 'p0'"),
    "another answer": ({"answer": "77"}, "another answer than earlier rows of problem 'p0'"),
    "steps that are a text": ({"steps": "one"}, "steps is not a list of texts"),
    "too few scores": ({"scores.good": [0.5]}, "scores.good has 1 numbers for 2 steps"),
    "a score above one": ({"scores.good": [0.5, 3.0]}, "scores.good has 3.0, which is not between 0 and 1"),
    "a score that is no number": ({"scores.good": [0.5, float("nan")]}, "scores.good has nan"),
    "scores that are texts": ({"scores.good": ["a", "b"]}, "scores.good is not a list of numbers"),
    "no scores": ({"scores.good": None}, "no scores.good, which other rows have"),
    "a finish that is no text": ({"finish": 7}, "finish is 7, not a text"),
    "a control character": ({"problem_id": "a\nb"}, "problem_id must be one line"),
    "greedy as a text": ({"greedy": "yes"}, "greedy is 'yes'"),
    "tokens below zero": ({"tokens": -4}, "tokens is -4"),
    "a text without end": ({"response": "x" * (recorded_rows.LONGEST_TEXT + 1)}, "response is longer than"),
    "not JSON": ("{oops", "not valid JSON"),
    "a number": ("7", "not a JSON object"),
    "nested without end": ("[" * 100_000, "JSON nested too deeply"),
}


@pytest.mark.parametrize(("change", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_row_is_named_with_its_number_and_why(tmp_path, change, words):
    content = rows(1, 6)
    content[4] = change if isinstance(change, str) else content[4] | change
    with pytest.raises(StudyError) as caught:
        recorded.load(jsonl(tmp_path / "r.jsonl", content))
    message = str(caught.value)
    assert "r.jsonl: a row cannot be used, so nothing was read" in message
    assert f"row 5: {words}" in message and len(message) < 400


def test_many_broken_rows_are_counted_and_only_the_first_are_listed(tmp_path):
    content = [row | {"response": None} for row in rows(3, 10)]
    with pytest.raises(StudyError, match=r"30 of 30 rows cannot be used.*and 20 more") as caught:
        recorded.load(jsonl(tmp_path / "r.jsonl", content))
    assert str(caught.value).count("no response") == recorded.SHOWN
    for name, content in (("e.jsonl", b""), ("e.parquet", b"PAR1 not")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(StudyError, match=name):
            recorded.load(tmp_path / name)


def test_pilot_and_pool_share_no_response_and_a_block_ends_where_the_file_does(tmp_path):
    content = rows(2, 12)
    content += [row | {"sample": 99, "greedy": True} for row in rows(2, 1)]
    frame, _ = recorded.load(jsonl(tmp_path / "r.jsonl", content[::-1]))
    ids = ["p0", "p1"]
    pilot = recorded.responses(frame, ids, "pilot", (0, 3), 4, 6)
    pool = recorded.responses(frame, ids, "samples", (0, 15), 4, 6)
    cot = recorded.responses(frame, ids, "cot", (0, 0), 4, 6)
    assert pilot["recorded"].tolist() == [0, 1, 2, 3] * 2 and pilot["problem_id"].tolist() == ["p0"] * 4 + ["p1"] * 4
    assert pool["recorded"].tolist() == list(range(4, 12)) * 2 and pool["sample"].tolist() == list(range(8)) * 2
    assert len(cot) == 2 and cot["sample"].tolist() == [0, 0]
    for table in (pilot, pool, cot):
        assert tables.check("responses", table)["response_tokens"].isna().all()
    scores = recorded.scores(frame, pool, "good")
    own = {(row["problem_id"], row["sample"]): row["scores.good"] for row in rows(2, 12)}
    assert [own[p, s + 4] for p, s in zip(scores["problem_id"], scores["sample"], strict=True)] == [
        list(values) for values in scores["step_scores"]
    ]
    with pytest.raises(StudyError, match="'p0' has 12 recorded responses, but 13 are needed: 4 for the pilot"):
        recorded.responses(frame, ids, "samples", (0, 15), 4, 9)
    with pytest.raises(StudyError, match=r"no column 'scores.best' \(PRMs there: good, blind\)"):
        recorded.scores(frame, pool, "best")


def study(**changes) -> dict:
    config = yaml.safe_load((ROOT / "workflow/studies/recorded.yaml").read_text())
    config |= {
        "prms": {"good": {"source": "recorded"}, "other": {"source": "recorded", "column": "blind"}},
        "budgets": {"majority": [1, 4, 8], "best_of_n": [4, 8]},
        "pilot_samples": 4,
        "first_block": 8,
        "extraction": "boxed",
    }
    return config | changes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"budgets": {"majority": [4], "dvts": [4]}}, "budgets.dvts: no policy here can be searched with"),
        ({"budgets": {"majority": None}}, "policies.recorded-policy: recorded responses need budgets.majority"),
        (
            {"policies": {"mine": {"source": "checkpoint", "path": "x"}}},
            "prms.good: its scores are recorded, but the policy 'mine' is not",
        ),
    ],
)
def test_what_recorded_responses_cannot_do_is_refused(change, words):
    with pytest.raises(StudyError) as caught:
        from_mapping(study(**change))
    assert words in str(caught.value)


def test_a_whole_study_from_a_file_and_a_broken_file(tmp_path, monkeypatch):
    root = copy_repository(tmp_path / "repository")
    config = write(root, study())
    assert "the environment variable TTSTUDY_RECORDED is not set" in snakemake(root, config, "-n", ok=False)
    content = rows(12, 12)
    monkeypatch.setenv("TTSTUDY_RECORDED", str(jsonl(tmp_path / "broken.jsonl", [*content[:7], "{", *content[8:]])))
    output = snakemake(root, config, ok=False)
    assert "row 8: not valid JSON" in output and "Traceback" not in output
    assert not list(root.glob("results/imported/*.parquet"))

    monkeypatch.setenv("TTSTUDY_RECORDED", str(jsonl(tmp_path / "good.jsonl", content)))
    snakemake(root, config)
    assert planned(root, config) == {}
    folder = root / "results/studies/recorded/tables"
    accuracy = tables.read("accuracy", folder / "accuracy.parquet")
    whole = accuracy[(accuracy["level"] == "all") & (accuracy["budget"] == 8)].set_index(["method", "prm", "vote"])
    assert set(accuracy["method"]) == {"majority", "best_of_n", "coverage"}
    assert whole.loc[("best_of_n", "good", "prm_max")]["accuracy"].min() > 0.9
    assert tables.read("ledger", folder / "ledger.parquet")["flops_total"].isna().all()
    claims = tables.read("claims", folder / "claims.parquet").set_index("claim")
    assert claims.loc[5, "verdict"] == "not run" and "search" in claims.loc[5, "needs"]
    page = re.sub(r"<[^>]+>", "", (root / "results/studies/recorded/report.html").read_text())
    unsearched = "DVTS, REBASE and particle filtering are not possible"
    for words in (unsearched, "FLOPs of recorded-policy are not known", "sampled answer"):
        assert words in page
    assert "0 parameters" not in page


@pytest.mark.skipif(not SHARED.is_file(), reason=f"needs the shared recorded responses ({SHARED})")
def test_public_completions_with_seven_prms():
    frame, _ = recorded.load(SHARED)
    ids = list(frame["problem_id"].drop_duplicates())
    benchmark = frame[["problem_id", "problem", "answer"]].drop_duplicates().assign(level=None, subject=None)
    pilot, pool = (
        grade_table(recorded.responses(frame, ids[:40], name, block, 8, 24), benchmark, extraction="conclusion")
        for name, block in (("pilot", (0, 7)), ("samples", (0, 23)))
    )
    assert len(pilot) == 40 * 8 and len(pool) == 40 * 24
    assert difficulty.levels(pilot)["pass_at_1"].mean() > 0.9
    scores = recorded.scores(frame, recorded.responses(frame, ids[:40], "samples", (0, 23), 8, 24), "skywork-prm-7b")
    budgets = {"majority": [1, 24], "best_of_n": [24]}
    found = {(m, p): f for m, p, f in outcomes.of_pool(pool, {"skywork-prm-7b": scores}, budgets, ids[:40], 0)}
    one, voted = (found["majority", "none"].query(f"budget == {n}")["value"].mean() for n in (1, 24))
    assert 0.9 < one < voted <= 1
    assert found["best_of_n", "skywork-prm-7b"]["value"].mean() > one

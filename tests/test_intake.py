"""Files from outside: one reader for every form, columns by name or path, what small data allow, and a whole study."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.studies import ROOT, copy_repository, snakemake, write
from ttstudy.analysis.diagnostics import alone
from ttstudy.analysis.diagnostics.labelled import read_labelled
from ttstudy.answers import grade_table
from ttstudy.dag.contents import found
from ttstudy.data import benchmarks, recorded, tables
from ttstudy.data.intake import Given
from ttstudy.data.picking import pick
from ttstudy.errors import StudyError
from ttstudy.kinds.labelled import LABELLINGS
from ttstudy.methods import outcomes, voting
from ttstudy.run import preflight

CASES = Path(os.environ.get("TTSTUDY_SHARED", ROOT.parent / "shared")) / "cases/data"


def case(name: str):
    """What a shared case gives as input."""
    if not CASES.is_dir():
        pytest.skip(f"needs the shared cases ({CASES})")
    return json.loads((CASES / f"{name}.json").read_text())["input"]


def jsonl(path: Path, rows: list) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


PLAIN = [
    {"problem_id": f"p{i}", "problem": f"{i}+1?", "answer": str(i + 1), "sample": n, "response": f"a, \"{i}\"\n\nb{n}",
     "scores.prm": [0.5, 0.25], "tokens": 7, "greedy": False, "finish": "stop"}
    for i in range(2) for n in range(3)
]  # fmt: skip


def test_every_form_of_a_file_gives_the_same_table(tmp_path):
    whole, _ = recorded.load(jsonl(tmp_path / "a.jsonl", PLAIN))
    text = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "a.json").write_text(json.dumps(PLAIN, indent=1))
    (tmp_path / "array.jsonl").write_text(json.dumps(PLAIN))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(text))
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf \n" + json.dumps(PLAIN).encode()))
    flat = pd.DataFrame(PLAIN)
    flat.to_parquet(tmp_path / "a.parquet")
    flat.assign(**{"scores.prm": flat["scores.prm"].map(json.dumps)}).to_csv(tmp_path / "a.csv", index=False)
    flat.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    for name in ("a.json", "array.jsonl", "a.jsonl.gz", "a.json.gz", "a.parquet", "a.csv", "a.tsv"):
        pd.testing.assert_frame_equal(recorded.load(tmp_path / name)[0], whole, obj=name)
    several = tmp_path / "runs"
    several.mkdir()
    for number, row in enumerate(PLAIN):
        jsonl(several / f"part-{number}.jsonl", [row])
    jsonl(several / "part-10.jsonl", [PLAIN[0] | {"sample": 3}])
    for paths in ("runs", "runs/*.jsonl", [f"runs/part-{n}.jsonl" for n in (0, 1, 2, 3, 4, 5, 10)]):
        files = found(tmp_path, paths, "key")
        assert [file.stem for file in files][-2:] == ["part-5", "part-10"]
        assert len(recorded.load(files)[0]) == 7
    with pytest.raises(StudyError, match="another answer than earlier rows") as caught:
        recorded.load([several / "part-0.jsonl", jsonl(several / "b.jsonl", [PLAIN[1] | {"answer": "9"}])])
    assert "b.jsonl row 1: another answer" in str(caught.value)
    for paths, words in (("none/*.jsonl", "key: no file is named like"), ("gone.jsonl", "key: there is no file")):
        with pytest.raises(StudyError, match=words):
            found(tmp_path, paths, "key")


def test_problems_come_from_the_same_forms(tmp_path):
    rows = [{"doc": {"q": f"{i}?", "key": i}, "gold": [f"work\n#### {i}"]} for i in range(3)]
    columns = {"problem_id": "doc.key", "problem": "doc.q", "answer": "gold[0]"}
    (tmp_path / "a.json").write_text(json.dumps(rows))
    halves = [jsonl(tmp_path / "1.jsonl", rows[:1]), jsonl(tmp_path / "2.jsonl", rows[1:])]
    for files in (tmp_path / "a.json", halves):
        assert benchmarks.read_file(files, columns)["answer"].tolist() == ["0", "1", "2"]
    pd.DataFrame([{"problem_id": "007", "problem": "x, y?", "answer": "1.50"}]).to_csv(tmp_path / "a.csv", index=False)
    assert benchmarks.read_file(tmp_path / "a.csv", {}).iloc[0].tolist()[:3] == ["007", "x, y?", "1.50"]
    with pytest.raises(StudyError, match=r"no column 'doc.text' \(it has: doc, doc.q, doc.key, gold\)"):
        benchmarks.read_file(tmp_path / "a.json", columns | {"problem": "doc.text"})
    halves = [jsonl(tmp_path / name, rows[1:2]) for name in ("1.jsonl", "2.jsonl")]
    with pytest.raises(StudyError, match=r"2.jsonl: line 1: problem_id '1' is there twice \(first in 1.jsonl, line 1"):
        benchmarks.read_file(halves, columns)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a", {"b": [1, {"c": 2}], "d.e": 3, "t": '{"u": [4]}'}), ("a.b[0]", 1), ("a.b[1].c", 2), ("a.b[-1].c", 2),
        ("x.y", 5), ("a.t.u[0]", 4), ("a.gone", None), ("a.b[7]", None), ("a.b.c", None), ("a..b", None), ("a[", None),
    ],
)  # fmt: skip
def test_a_path_finds_what_stands_there_and_nothing_else(path, value):
    row = {"a": {"b": [1, {"c": 2}], "d.e": 3, "t": '{"u": [4]}'}, "x.y": 5, "x": {"y": 6}}
    assert pick(row, path) == value


def test_columns_name_what_is_what_and_lists_are_samples(tmp_path):
    row = case("no-columns-mapping")[0]
    columns = {"problem": "question", "answer": "gt", "response": "code"}
    frame, account = recorded.load(jsonl(tmp_path / "q.jsonl", [row]), Given(columns=columns))
    assert frame["response"].tolist() == ["\\boxed{4}", "\\boxed{5}"] and frame["sample"].tolist() == [0, 1]
    assert frame["problem_id"].nunique() == 1 and account.unused == ["idx", "score"]
    lists = row | {"n": [3, 4], "rm": [[0.5], [0.25]], "why": ["stop", "abort"]}
    columns |= {"tokens": "n", "scores.rm": "rm", "finish": "why", "problem_id": "idx"}
    frame, account = recorded.load(jsonl(tmp_path / "q.jsonl", [lists]), Given(columns=columns))
    assert frame["response_tokens"].tolist() == [3, 4] and frame["scores.rm"].tolist() == [[0.5], [0.25]]
    assert frame["finish"].tolist() == ["stop", "unknown"] and dict(account.finishes) == {"abort": 1}
    for change, words in (
        ({"n": [3]}, "tokens has 1 entries for 2 responses"),
        ({"code": []}, "response is an empty list"),
        ({"gt": None}, "no answer"),
    ):
        with pytest.raises(StudyError, match=words):
            recorded.load(jsonl(tmp_path / "q.jsonl", [lists | change]), Given(columns=columns))
    with pytest.raises(StudyError, match=r"no column 'text' \(it has: idx, question, gt, code, score\); map it"):
        recorded.load(jsonl(tmp_path / "q.jsonl", [row]), Given(columns={**columns, "problem": "text"}))


def test_ends_of_apis_are_mapped_or_kept_as_unknown_and_counted(tmp_path):
    """Case finish-names."""
    ends = ["content_filter", "max_tokens", "tool_calls", "abort", "LENGTH", "end_turn", "model_length", None]
    rows = [PLAIN[0] | {"sample": n, "finish": end} for n, end in enumerate(ends)]
    frame, account = recorded.load(jsonl(tmp_path / "r.jsonl", rows))
    assert frame["finish"].tolist() == [
        *("unknown", "length", "unknown", "unknown", "length", "eos", "context", "unknown"),
    ]
    assert dict(account.finishes) == {"content_filter": 1, "tool_calls": 1, "abort": 1}


def test_broken_rows_are_left_out_where_the_study_says_so_and_counted(tmp_path):
    rows = [json.dumps(row) for row in PLAIN]
    rows[1], rows[4] = "{oops", json.dumps(PLAIN[4] | {"answer": ""})
    path = tmp_path / "r.jsonl"
    path.write_text("\n".join(rows))
    frame, account = recorded.load(path, Given(skip_broken=2))
    assert len(frame) == 4 and [why[:6] for why in account.left_out] == ["row 2:", "row 5:"]
    assert account.notes()["left_out"] == "2" and account.rows == 6
    with pytest.raises(StudyError, match=r"2 of 6 rows cannot be used, .* \(more than skip_broken: 1\)"):
        recorded.load(path, Given(skip_broken=1))
    # A file of nothing but broken rows is refused, however many may be left out.
    with pytest.raises(StudyError, match="a row cannot be used"):
        recorded.load(jsonl(path, [PLAIN[0] | {"answer": ""}]), Given(skip_broken=9))


def test_scores_are_taken_for_what_the_study_says_that_they_are(tmp_path):
    row = {"problem_id": "p", "problem": "q", "answer": "4"} | case("orm-score")
    response = row["response"]
    rows = [row | {"sample": 0}, row | {"sample": 1, "scores": {"rm": -40.0}}, row | {"sample": 2, "scores.x": 9}]
    rows[2]["scores"] = {"rm": 70}
    path = jsonl(tmp_path / "r.jsonl", rows[:2])
    frame, _ = recorded.load(path, Given(score_kinds={"rm": "outcome"}))
    drawn = frame[["problem_id", "sample"]].assign(recorded=frame["sample"], response=response)
    scores = tables.check("scores", recorded.scores(frame, drawn, "rm", "outcome"))["step_scores"].tolist()
    assert [len(values) for values in scores] == [2, 2] and scores[0][0] == scores[0][1] > 0.5 > scores[1][0] > 0
    with pytest.raises(StudyError, match="1 numbers for 2 steps; of a reward model that scores whole"):
        recorded.load(path)
    # Of a PRM that no study uses, any numbers will do.
    assert len(recorded.load(jsonl(path, rows[:2]), Given(score_kinds={}))[0]) == 2
    logits = [PLAIN[0] | {"scores.prm": [-2.0, 3.0]}]
    with pytest.raises(StudyError, match="not between 0 and 1; of logits, set the PRM's `score_kind: logit`"):
        recorded.load(jsonl(path, logits), Given(score_kinds={"prm": "probability"}))
    frame, _ = recorded.load(path, Given(score_kinds={"prm": "logit"}))
    drawn = frame[["problem_id", "sample"]].assign(recorded=frame["sample"])
    (found,) = recorded.scores(frame, drawn, "prm", "logit")["step_scores"]
    assert np.allclose(found, [1 / (1 + np.exp(2)), 1 / (1 + np.exp(-3))])


def test_of_rewards_on_any_scale_the_order_stays(tmp_path):
    values = [-1e6, -3.0, 0.0, 2.0, 50.0, 51.0, 1e6]
    rows = [PLAIN[0] | {"sample": n, "scores.prm": value} for n, value in enumerate(values)]
    for kept in (values, values[1:6]):
        frame, _ = recorded.load(jsonl(tmp_path / "r.jsonl", rows), Given(score_kinds={"prm": "outcome"}))
        frame = frame[[value in kept for value in values]]
        drawn = frame[["problem_id", "sample"]].assign(recorded=frame["sample"])
        found = [steps[0] for steps in recorded.scores(frame, drawn, "prm", "outcome")["step_scores"]]
        assert found == sorted(found) and len(set(found)) == len(found) and 0 < found[0] and found[-1] < 1
    shares = [PLAIN[0] | {"sample": n, "scores.prm": value} for n, value in enumerate([0.0, 0.7])]
    frame, _ = recorded.load(jsonl(tmp_path / "r.jsonl", shares), Given(score_kinds={"prm": "outcome"}))
    drawn = frame[["problem_id", "sample"]].assign(recorded=frame["sample"])
    assert [s[0] for s in recorded.scores(frame, drawn, "prm", "outcome")["step_scores"]] == [0.0, 0.7]


def test_uneven_pools_give_all_that_they_have():
    right = {"a": [False, True], "b": [True, True, True, False, False]}
    rows = [(name, n, "4" if one else "5", one) for name, each in right.items() for n, one in enumerate(each)]
    grades = pd.DataFrame(rows, columns=["problem_id", "sample", "canonical", "correct"])
    found = {m: f for m, _, f in outcomes.of_pool(grades, {}, {"majority": [1, 4]}, ["a", "b"], 0, uneven=True)}
    by = found["majority"].set_index(["problem_id", "budget"])["value"]
    two, five = grades[grades["problem_id"] == "a"], grades[grades["problem_id"] == "b"]
    alone = voting.values(voting.Pool.build(two), [1, 2], "none").set_index("budget")["value"]
    whole = voting.values(voting.Pool.build(five), [1, 4], "none").set_index("budget")["value"]
    assert by["a", 4] == alone[2] == 0.5 and by["a", 1] == alone[1] and by["b", 4] == whole[4]
    with pytest.raises(StudyError, match="2 responses in its pool, but N is up to 4"):
        list(outcomes.of_pool(grades, {}, {"majority": [4]}, ["a", "b"], 0))


SOLUTIONS = {
    "plain": {"problem": "p", "steps": ["a", "b"], "first_error": 1, "policy": "m"},
    "processbench": {"id": "a-0", "generator": "m", "problem": "p", "steps": ["a", "b"], "label": 1},
    "prm800k": {
        "generation": 1, "question": {"problem": "p"},
        "label": {"finish_reason": "found_error", "steps": [
            {"completions": [{"text": "a", "rating": 1}], "chosen_completion": 0, "human_completion": None},
            {"completions": [{"text": "b", "rating": -1}], "chosen_completion": None, "human_completion": None},
        ]},
    },
    "prmbench": {
        "original_question": "o", "original_process": ["x", "y"], "modified_question": "p", "reason": "",
        "modified_process": ["a", "b"], "error_steps": [2], "classification": "circular", "idx": "1",
    },
}  # fmt: skip


@pytest.mark.parametrize("form", LABELLINGS)
def test_labelled_solutions_are_known_by_their_content(tmp_path, form):
    row = SOLUTIONS[form]
    assert [name for name, each in LABELLINGS.items() if each.recognises(row)] == [form]
    (tmp_path / "a.json").write_text(json.dumps([row]))
    for told in (form, None):
        (solution,) = read_labelled(tmp_path / "a.json", told).to_dict("records")
        assert (solution["problem"], solution["steps"], solution["first_error"]) == ("p", ["a", "b"], 1)


def test_forms_of_labelled_solutions_at_their_edges(tmp_path):
    row = SOLUTIONS["prmbench"] | {"classification": "redundency"}
    frame = read_labelled(jsonl(tmp_path / "a.jsonl", [row, SOLUTIONS["prmbench"] | {"error_steps": []}]))
    assert frame["policy"].tolist() == ["correct", "redundency", "circular"]
    assert frame["first_error"].tolist() == [-1, 1, -1] and frame["problem"].tolist() == ["o", "p", "p"]
    with pytest.raises(StudyError, match=r"in no form that is known \(plain, .* it has: question, text"):
        read_labelled(jsonl(tmp_path / "a.jsonl", [{"question": "q", "text": "x"}]))
    (tmp_path / "c.json").write_text(json.dumps(case("json-array")))
    assert read_labelled(tmp_path / "c.json").iloc[0]["first_error"] == -1


def test_scores_beside_labels_tell_a_prms_skill_and_flaws_from_a_file_alone(tmp_path):
    rows = []
    for i in range(40):
        first = i % 4 - 1  # -1: none
        right = [first < 0 or n < first for n in range(3)]
        sharp = [0.9 if one else 0.1 for one in right]
        rows.append({"problem": f"p{i}", "steps": ["a", "bb", "ccc"], "label": first, "generator": "m",
                     "scores.sharp": sharp, "scores.blind": [0.5] * 3})  # fmt: skip
    skill, flaws = alone.diagnosed([jsonl(tmp_path / "a.jsonl", rows)])
    by = skill.set_index(["prm", "policy"])
    assert by.loc[("sharp", "all"), ["auc", "f1"]].tolist() == [1, 1] and by.loc[("blind", "m"), "auc"] == 0.5
    assert set(flaws["prm"]) == {"sharp", "blind"} and len(flaws) >= 8
    nested = [{**row, "out": {"s": [4.0 if s > 0.5 else -4.0 for s in row["scores.sharp"]]}} for row in rows]
    command = [sys.executable, str(ROOT / "scripts/judge_scores.py"), "a.jsonl", "--scores", "out.s", "--logits"]
    jsonl(tmp_path / "a.jsonl", nested)
    environment = {"PYTHONPATH": str(ROOT / "workflow"), "PATH": ""}
    run = subprocess.run([*command, "--output", "o"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0 and pd.read_csv(tmp_path / "o/skill.csv")["f1"].tolist() == [1, 1], run.stderr
    for change, words in (
        ({"scores.sharp": [0.5]}, "line 40: scores.sharp has 1 numbers for 3 steps"),
        ({"scores.sharp": None}, "1 solutions have no scores of 'sharp'"),
    ):
        with pytest.raises(StudyError, match=words):
            alone.diagnosed([jsonl(tmp_path / "a.jsonl", [*rows[:39], rows[39] | change])])


# -- studies ---------------------------------------------------------------------------------------------------------


def config(**changes) -> dict:
    recorded_policy = {"source": "recorded", "path": "r.jsonl"}
    return {
        "study": "small",
        "benchmarks": {"b": {"source": "recorded", "policy": "p"}},
        "policies": {"p": recorded_policy},
        "budgets": {"majority": [1]},
        "pilot_samples": 0,
    } | changes


def said(root: Path, study: dict) -> str:
    try:
        preflight.opened(write(root, study), root)
    except StudyError as error:
        return str(error)
    return ""


def test_what_a_file_lacks_is_told_before_any_job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jsonl(tmp_path / "r.jsonl", [row | {"scores.other": [0.5, 0.5]} for row in PLAIN])
    assert said(tmp_path, config(budgets={"majority": [3]})) == ""  # case pilot-eats: all samples, no pilot
    few = said(tmp_path, config(budgets={"majority": [4]}, pilot_samples=1))
    assert "problem 'p0' has 3 recorded responses, but 5 are needed: 1 for the pilot" in few and "uneven: true" in few
    uneven = config(budgets={"majority": [4]})
    uneven["policies"]["p"] |= {"uneven": True}
    assert said(tmp_path, uneven) == ""
    prms = {"rm72b": {"source": "recorded"}}  # case prm-name
    wrong = said(tmp_path, config(prms=prms, budgets={"best_of_n": [2]}))
    assert "prms.rm72b: the responses of policies.p have no column 'scores.rm72b' (PRMs there: prm, other)" in wrong
    assert "policies.p: recorded responses need budgets.majority" in said(tmp_path, config(budgets={}))
    greedy = config(budgets={}, policies={"p": {"source": "recorded", "path": "r.jsonl", "greedy": True}})
    assert "problem 'p0' has no greedy response" in said(tmp_path, greedy)
    assert "set `pilot_samples: 0`" in said(tmp_path, greedy | {"pilot_samples": 2})
    recorded_policy = {"source": "recorded", "path": "r.jsonl"}
    both = config(policies={"p": recorded_policy | {"format": "plain", "columns": {"steps": "x"}}})
    assert "has `columns` and `format`" in said(tmp_path, both)
    stranger = config(benchmarks={"b": {"source": "recorded", "policy": "nobody"}})
    assert "'nobody' is no recorded policy" in said(tmp_path, stranger)
    twice = config(benchmarks={"b": {"source": "recorded", "policy": "p", "path": "r.jsonl"}})
    assert "has `policy` and `path`" in said(tmp_path, twice)
    misspelt = config(policies={"p": recorded_policy | {"columns": {"respons": "x"}}})
    assert "'respons' is no column" in said(tmp_path, misspelt)
    jsonl(tmp_path / "r.jsonl", [row | {"greedy": True} for row in PLAIN if row["sample"] == 0])
    assert "all its responses are greedy" in said(tmp_path, config())


def test_single_responses_are_the_greedy_ones_where_the_study_says_so(tmp_path):
    rows = case("greedy-only")
    marked, _ = recorded.load(jsonl(tmp_path / "a.jsonl", rows))
    bare, _ = recorded.load(jsonl(tmp_path / "b.jsonl", [{k: v for k, v in r.items() if k != "greedy"} for r in rows]))
    ids = [row["problem_id"] for row in rows]
    for frame in (marked, bare):
        cot = recorded.responses(frame, ids, "cot", (0, 0), 0, 0)
        problems = frame[["problem_id", "problem", "answer"]].assign(level=None, subject=None)
        assert grade_table(cot, problems)["correct"].all() and len(cot) == 5


def test_lists_uneven_counts_outcome_scores_and_a_lone_greedy_answer_end_in_a_report(tmp_path):
    """Cases greedy-only, pilot-eats and orm-score in one run: nothing but what small data have."""
    root = copy_repository(tmp_path / "repository")
    many, one = [], []
    for i in range(6):
        texts = [f"We add.\n\nIt is \\boxed{{{i + n % 2}}}." for n in range(8 if i else 5)]
        rm = [[4.0 - 8 * (n % 2)] for n in range(len(texts))]
        ends = ["max_tokens", "content_filter", *["stop"] * (len(texts) - 2)]
        many.append({"doc": {"q": f"{i}+0?", "id": f"p{i}"}, "gold": f"{i}", "out": texts, "rm": rm, "why": ends})
        one.append({"problem_id": f"p{i}", "problem": f"{i}+0?", "answer": f"{i}", "response": f"\\boxed{{{i % 3}}}"})
    jsonl(root / "many-1.jsonl", [*many[:3], {"doc": {"q": "broken?"}, "gold": "", "out": ["x"]}])
    jsonl(root / "many-2.jsonl", many[3:])
    jsonl(root / "one.jsonl", one)
    columns = {"problem_id": "doc.id", "problem": "doc.q", "answer": "gold", "response": "out"}
    columns |= {"scores.rm": "rm", "finish": "why"}
    files = {"source": "recorded", "path": "many-*.jsonl", "columns": columns, "skip_broken": 1}
    study = {
        "study": "small",
        "benchmarks": {"sums": {"source": "recorded", "policy": "many"}},
        "policies": {
            "many": files | {"uneven": True},
            "one": {"source": "recorded", "path": "one.jsonl", "format": "plain", "greedy": True},
        },
        "prms": {"rm": {"source": "recorded", "score_kind": "outcome"}},
        "pairs": {"rm": ["many"]},
        "budgets": {},
        "budgets_of": {"many": {"majority": [1, 8], "best_of_n": [8]}},
        "pilot_samples": 0,
    }
    snakemake(root, write(root, study))
    folder = root / "results/studies/small/tables"
    accuracy = tables.read("accuracy", folder / "accuracy.parquet").query("level == 'all'")
    best = accuracy.query("method == 'best_of_n' and vote == 'prm_max'")
    assert set(accuracy["policy"]) == {"many", "one"} and (best["accuracy"] == 1).all() and len(best)
    assert accuracy.query("policy == 'one'")["accuracy"].tolist() == [0.5]
    page = re.sub(r"<[^>]+>", "", " ".join((root / "results/studies/small/report.html").read_text().split()))
    for words in (
        "Of 13 rows of recorded responses, 1 could not be used and was left out",
        "How 6 responses ended is not known: content_filter (6).",
        "Problems may have fewer responses of many than N (`uneven`)",
        "by its own Pass@1 on the very responses that are judged",
    ):
        assert words in page
    # Of a policy that answered once, alone, too; its problems come from a table with a broken row as well.
    names = {"problem_id": "id", "problem": "asked", "answer": "gold", "response": "said"}
    pd.DataFrame([*one, one[0] | {"answer": ""}]).rename(columns=names).to_csv(root / "one.csv", index=False)
    alone = study | {"study": "single", "policies": {"one": study["policies"]["one"]}, "prms": {}, "pairs": None}
    alone["benchmarks"] = {
        "again": {"source": "recorded", "path": "one.jsonl", "format": "plain"},
        "same": {"source": "recorded", "path": "one.csv", "columns": names, "skip_broken": 1},
    }
    snakemake(root, write(root, alone | {"budgets_of": {}}, "single.yaml"))
    accuracy = tables.read("accuracy", root / "results/studies/single/tables/accuracy.parquet").query("level == 'all'")
    assert accuracy["accuracy"].tolist() == [0.5, 0.5] and (root / "results/studies/single/report.html").is_file()

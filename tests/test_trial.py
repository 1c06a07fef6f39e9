"""Trials and what grows of them: few problems, few responses, a price; nothing is drawn or asked for twice."""

from __future__ import annotations

import json
import re
import shutil

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests import chat_server, paths
from tests.studies import ROOT, copy_repository, fresh, smoke, snakemake, write
from ttstudy.dag import cells
from ttstudy.dag.cells import Cell
from ttstudy.dag.layout import open_layout
from ttstudy.data import benchmarks, revisions
from ttstudy.report import behind
from ttstudy.run import borrowing, plan
from ttstudy.run.drafts import Wanted, draft
from ttstudy.study import from_mapping
from ttstudy.study.policies import money

PROBLEMS = [{"problem_id": f"p{n}", "problem": f"Compute {n}+2.", "answer": str(n + 2)} for n in range(4)]


def asking(address: str, **changes) -> dict:
    """A study of one policy behind an endpoint."""
    far = {"source": "openai", "model": "far", "base_url": address, "key_variable": None, "prompt": "plain"}
    return {
        "study": "asking",
        "benchmarks": {"mine": {"source": "file", "path": "data/problems.jsonl"}},
        "policies": {"far": far | {"price": {"input": 2.0, "output": 8.0, "currency": "EUR"}}},
        "budgets": {"majority": [2]},
        "pilot_samples": 1,
    } | changes


# -- problems --------------------------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=5), min_size=1, max_size=30), st.integers(1, 40), st.integers(0, 10))
def test_a_larger_trial_has_the_problems_of_a_smaller_one_in_the_files_order(texts, limit, more):
    frame = pd.DataFrame({"problem_id": [str(n) for n in range(len(texts))], "problem": texts})
    small, large = (list(benchmarks.drawn(frame, n)["problem_id"]) for n in (limit, limit + more))
    assert set(small) <= set(large) and len(small) == min(limit, len(texts))
    assert large == sorted(large, key=int)


def test_a_trial_is_no_first_page_of_a_file_that_is_sorted():
    frame = pd.DataFrame({"problem": [f"Problem {n}" for n in range(500)]})
    places = [int(text.split()[1]) for text in benchmarks.drawn(frame, 100)["problem"]]
    assert 200 < sum(places) / 100 < 300 and min(places) < 50 and max(places) > 450


# -- responses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("largest", "first", "edges"),
    [(4, None, [4]), (16, None, [16]), (64, None, [64]), (100, None, [64, 100]), (256, None, [64, 128, 256]),
     (4, 64, [64]), (100, 64, [64, 128]), (256, 256, [256])],
)  # fmt: skip
def test_no_response_is_drawn_beyond_the_largest_budget_unless_first_block_says_so(largest, first, edges):
    study = from_mapping(asking("http://host/v1", budgets={"majority": [1, largest]}, first_block=first))
    blocks = [block for block in cells.pool_blocks(study, Cell("mine", "far")) if block.pool == "samples"]
    assert [block.last + 1 for block in blocks] == edges
    assert [block.first for block in blocks] == [0, *edges[:-1]]


def test_what_a_trial_drew_and_scored_is_taken_over_and_the_whole_is_as_if_there_had_been_none(finished, tmp_path):
    trial = {"limit": 6, "budgets": {"majority": [2], "best_of_n": [2]}}
    root, config = fresh(finished, tmp_path / "clone", **trial)
    layouts = [open_layout(from_mapping(smoke(**each)), root) for each in (trial | {"first_block": None}, {})]
    wanted = [paths.scores(layout, "sums", "smoke-8k", "smoke-good") for layout in layouts]
    drawn = [paths.pools(layout, "sums", "smoke-8k", "samples")[0] for layout in layouts]
    config = write(root, {key: value for key, value in smoke(**trial).items() if key != "first_block"})
    snakemake(root, config, wanted[0])
    rows = pd.read_parquet(root / drawn[0])
    assert rows.groupby("problem_id").size().to_dict() == dict.fromkeys(rows["problem_id"], 2)
    assert rows["problem_id"].nunique() == 6
    snakemake(root, write(root, smoke()), wanted[1])
    for path in (drawn[1], wanted[1]):
        assert (root / path).read_bytes() == (finished / path).read_bytes()
    logs = "".join(path.read_text() for path in (root / "results/logs").rglob("0000-0007.log"))
    assert re.findall(r"(sample|score) .*; 12 were there from other jobs", logs) == ["sample", "score"]


def test_rows_are_taken_from_no_table_whose_problems_or_policy_are_others(finished, tmp_path):
    root, config = fresh(finished, tmp_path / "clone", limit=6)
    for name in ("results/sums", "results/benchmarks", "results/specs"):
        shutil.copytree(finished / name, root / name, dirs_exist_ok=True)
    study = smoke(limit=6, sampling=smoke()["sampling"] | {"responses": {"temperature": 0.8, "max_tokens": 90}})
    layout = open_layout(from_mapping(study), root)
    path = paths.pools(layout, "sums", "smoke-8k", "pilot")[0]
    snakemake(root, write(root, study), path)
    log = (root / "results/logs/sample" / path.removeprefix("results/")).with_suffix(".log").read_text()
    assert "tokens drawn" in log and "were there" not in log


def test_rows_from_several_jobs_stand_in_the_order_of_the_problems():
    def rows(*keys):
        return pd.DataFrame(keys, columns=["problem_id", "sample"])

    known = pd.concat([rows(("b", 0), ("a", 0)), rows(("a", 2), ("b", 2))])
    every = [(name, sample) for name in ("b", "a") for sample in range(3)]
    for drawn in (rows(("a", 1), ("b", 1)), rows()):
        found = borrowing.ordered([known, drawn], pd.Series(["b", "a"]))
        wanted = [key for key in every if len(drawn) or key[1] != 1]
        assert [*found[["problem_id", "sample"]].itertuples(index=False, name=None)] == wanted


# -- prices and paths ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A trial of a study in a folder of its own, and the whole of it: (root, requests of each)."""
    root = copy_repository(tmp_path_factory.mktemp("asked") / "clone")
    own = root / "own"
    (own / "data").mkdir(parents=True)
    (own / "data/problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS))
    counts = []
    with chat_server.answering(ROOT / "workflow/checkpoints/mini-20k") as address:
        for changes in ({"limit": 2}, {"budgets": {"majority": [2, 3]}}):
            config = write(own, asking(address, **changes), f"{len(counts)}.yaml")
            snakemake(root, config.relative_to(root))
            logs = "".join(path.read_text() for path in (root / "results/logs/ask").rglob("*.log"))
            counts.append(sum(map(int, re.findall(r": (\d+) responses in", logs))))
            if len(counts) == 1:
                shutil.copytree(root / "results/studies/asking", root / "trial")
    return root, counts


def test_only_what_a_trial_did_not_ask_for_is_asked_for(asked):
    _, (trial, both) = asked
    assert trial == 2 * (1 + 1 + 2)  # pilot, greedy, pool
    assert both == 4 * (1 + 1 + 3)


def page(folder) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", (folder / "report.html").read_text()))


def test_the_page_says_that_it_is_a_trial_and_of_how_many_problems(asked):
    root, _ = asked
    assert "This is a trial: it has 2 of 4 problems of mine." in page(root / "trial")
    assert "2 of 4 problems of mine" in page(root / "trial").split("This is a trial")[0]
    assert "This is a trial" not in page(root / "results/studies/asking")


def test_the_page_says_what_the_responses_cost(asked):
    root, _ = asked
    found = [pd.read_parquet(path) for path in root.glob("results/mine/far/*/????-????.parquet")]
    whole = pd.concat(frame for frame in found if frame["problem_id"].nunique() == 4)
    assert len(whole) == 4 * (1 + 1 + 3)
    paid = (2 * whole["prompt_tokens"].sum() + 8 * whole["response_tokens"].sum()) / 1e6
    text = page(root / "results/studies/asking")
    assert f"The responses of this study cost {money(paid)} EUR" in text and "per million tokens" in text
    methods = text.split("What each method costs")[-1].split("Prices are those")[0]
    assert money(paid) != "0.00" and "Majority" in methods and "Coverage" not in methods
    row = charged(root)
    assert (row["jobs"], row["unrecorded"], row["currency"]) == (3, 0, "EUR")
    assert row["price"] == pytest.approx(paid) and row["price"] > 0


def charged(root) -> dict:
    """What the records of the whole study's jobs say."""
    paths = [path for path in root.glob("results/mine/far/*/????-????.parquet")]
    whole = [path for path in paths if pd.read_parquet(path)["problem_id"].nunique() == 4]
    (row,) = behind.charged(behind.records(("ask", path) for path in whole), asking("http://host/v1")["policies"])
    return row


def test_the_plan_says_what_the_responses_will_cost(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS))
    layout = open_layout(from_mapping(asking("http://host/v1")), tmp_path)
    frame = plan.plan(layout)
    assert frame["responses"].sum() == 4 * (1 + 1 + 2) and (frame["currency"] == "EUR").all()
    assert re.fullmatch(r"Price: about [\d.e-]+ EUR \(far [\d.e-]+\), from .*", plan.prices(frame)[0])
    per_response = frame["price"] / frame["responses"]
    assert (per_response > frame["policy_tokens"] / frame["responses"] * 8 / 1e6).all()  # the prompts cost too


def test_paths_start_from_the_folder_of_the_file_that_names_them(tmp_path, monkeypatch):
    base = {"study": "base", "benchmarks": {"b": {"source": "file", "path": ["data/*.jsonl", "/data/more.jsonl"]}},
            "policies": {"p": {"source": "checkpoint", "path": "../models/p"},
                         "log": {"source": "recorded", "path": "$LOGS"}},
            "budgets": {"majority": [2]}}  # fmt: skip
    above = {"base": "../base/study.yaml", "study": "above", "policies": {"q": {"source": "checkpoint", "path": "q"}}}
    for name, content in (("base", base), ("own/above", above)):
        (tmp_path / "studies" / name).mkdir(parents=True)
        write(tmp_path / "studies" / name, content)
    above["base"] = "../../base/study.yaml"
    write(tmp_path / "studies/own/above", above)
    monkeypatch.chdir(tmp_path)
    for file in ("studies/own/above/study.yaml", tmp_path / "studies/own/above/study.yaml"):
        study = revisions.load(file)
        assert study.benchmarks["b"].path == ["studies/base/data/*.jsonl", "/data/more.jsonl"]
        found = [study.policies[name].path for name in ("p", "q", "log")]
        assert found == ["studies/models/p", "studies/own/above/q", "$LOGS"]
    monkeypatch.chdir(tmp_path / "studies/base")
    outside = revisions.load("../own/above/study.yaml")
    assert outside.policies["q"].path == str((tmp_path / "studies/own/above/q").resolve())
    assert outside.benchmarks["b"].path[0] == "data/*.jsonl"


# -- pairs -----------------------------------------------------------------------------------------------------------


def pairs(told: dict | None) -> dict[str, list[str]]:
    config = smoke(pairs=told)
    another = config["policies"]["smoke-8k"]
    study = from_mapping(config | {"policies": config["policies"] | {"new-8k": another}})
    return {prm: [name for name in study.policies if prm in study.prms_of(name)] for prm in study.prms}


EVERY = ["smoke-8k", "smoke-40k", "new-8k"]
GOOD, OTHER = "smoke-good", "smoke-undertrained"


@pytest.mark.parametrize(
    ("told", "good", "other"),
    [
        (None, EVERY, EVERY),
        ({}, EVERY, EVERY),
        ({OTHER: ["smoke-8k"]}, EVERY, ["smoke-8k"]),
        ({OTHER: ["not smoke-40k"]}, EVERY, ["smoke-8k", "new-8k"]),
        ({OTHER: ["smoke-*"]}, EVERY, ["smoke-8k", "smoke-40k"]),
        ({OTHER: ["*-8k", "not new-*"]}, EVERY, ["smoke-8k"]),
        ({OTHER: []}, EVERY, []),
        ({"*": ["smoke-8k"]}, ["smoke-8k"], ["smoke-8k"]),
        ({"*": ["smoke-8k"], GOOD: ["*"]}, EVERY, ["smoke-8k"]),
        ({"*": ["smoke-8k"], "smoke-u*": ["not *"]}, ["smoke-8k"], []),
    ],
)
def test_every_prm_goes_with_every_policy_unless_said(told, good, other):
    assert pairs(told) == {GOOD: good, OTHER: other}


def test_a_policy_that_is_added_to_the_default_study_gets_every_prm():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["policies"]["mine"] = {"source": "hub", "id": "Qwen/Qwen2.5-0.5B-Instruct", "prompt": "qwen"}
    study = from_mapping(config)
    assert study.prms_of("mine") == list(study.prms)
    assert study.prms_of("mini-20k") == ["prm-good"]


def test_a_draft_in_another_folder_names_what_was_given_where_it_lies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("studies", "models/own"):
        (tmp_path / name).mkdir(parents=True)
    wanted = Wanted("mine", ("models/own",), benchmark="problems.csv", folder=tmp_path / "studies")
    (tmp_path / "studies/mine.yaml").write_text(draft(wanted))
    study = revisions.load("studies/mine.yaml")
    assert study.policies["own"].path == "models/own" and study.benchmarks["problems"].path == "problems.csv"

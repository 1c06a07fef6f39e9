"""A study whose PRM is generative, from its configuration through every rule to the ledger and the page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests import judge_checkpoints
from tests.studies import ROOT, copy_repository, planned, snakemake, write

SAMPLES = 3


def study() -> dict:
    judge = {"source": "checkpoint", "path": "judge", "format": "thinkprm"}
    return {
        "study": "judged",
        "benchmarks": {"mine": {"source": "miniature", "problems": 2, "seed": 1}},
        "miniature": yaml.safe_load((ROOT / "config.yaml").read_text())["miniature"],
        "policies": {"small": {"source": "checkpoint", "path": "policy"}},
        "prms": {"judge": judge | {"verdicts": {"samples": SAMPLES, "max_tokens": 12, "temperature": 1.0}}},
        "budgets": {"majority": [2], "best_of_n": [2], "beam_search": [4], "dvts": [4]},
        "sampling": {
            "cot": {"temperature": 0.0, "max_tokens": 60},
            "responses": {"temperature": 0.8, "max_tokens": 60},
            "search": {"temperature": 0.8, "max_tokens": 30},
        },
        "search": {"max_depth": 3},
        "pilot_samples": 2,
        "first_block": 2,
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = copy_repository(tmp_path_factory.mktemp("judged"))
    shutil.copytree(ROOT / "workflow/checkpoints/mini-20k", root / "policy")
    judge_checkpoints.make(root / "judge")
    snakemake(root, write(root, study()))
    return root


def table(root: Path, pattern: str) -> pd.DataFrame:
    (path,) = root.glob(f"results/{pattern}")
    return pd.read_parquet(path)


def test_scores_are_shares_of_judgements_and_tell_what_they_took(root):
    scores = table(root, "mine/small/samples-*/scores/judge-*/0000-0001.parquet")
    responses = table(root, "mine/small/samples-*/0000-0001.parquet")
    for row, steps in zip(scores.itertuples(), responses["steps"], strict=True):
        assert len(row.step_scores) == len(steps) > 0
        assert all(round(score * SAMPLES, 6) in range(SAMPLES + 1) for score in row.step_scores)
        # The prompt alone has more tokens than the steps have characters.
        assert row.prm_tokens > sum(map(len, steps)) and 0 < row.prm_positions < row.prm_tokens**2 / 2
        assert row.no_verdict <= SAMPLES * len(steps)
    assert scores["no_verdict"].sum() > 0 and scores["step_scores"].map(max).max() > 0


def test_the_ledger_charges_the_judge_for_what_it_reads_and_writes(root):
    ledger = pd.read_parquet(root / "results/studies/judged/tables/ledger.parquet").set_index("method")
    scores = table(root, "mine/small/samples-*/scores/judge-*/0000-0001.parquet")
    pooled = ledger.loc["best_of_n"]
    assert pooled["prm_tokens"] == scores["prm_tokens"].sum()
    met, shape = scores["prm_positions"].sum(), json.loads((root / "judge/config.json").read_text())
    attention = 4 * shape["num_hidden_layers"] * shape["hidden_size"] * met
    assert pooled["flops_prm"] == pytest.approx(2 * pooled["prm_parameters"] * pooled["prm_tokens"] + attention)
    for method in ("beam_search", "dvts"):
        searched = ledger.loc[method]
        assert searched["prm_tokens"] > 5 * searched["response_tokens"] > 0
        assert searched["flops_prm"] > 2 * searched["prm_parameters"] * searched["prm_tokens"]


def test_searches_are_steered_by_it_and_every_node_has_a_share(root):
    nodes = table(root, "mine/small/beam_search/judge-*/0004.nodes.parquet")
    assert set((nodes["score"] * SAMPLES).round(6)) <= {*map(float, range(SAMPLES + 1))} and nodes["score"].max() > 0
    accuracy = pd.read_parquet(root / "results/studies/judged/tables/accuracy.parquet")
    judged = set(accuracy[accuracy["prm"] == "judge"]["method"])
    assert {"best_of_n", "beam_search", "dvts"} <= judged
    assert (root / "results/studies/judged/report.html").stat().st_size > 10_000


def test_the_same_study_gives_the_same_bytes_and_another_number_of_judgements_moves_them_alone(root):
    config = study()
    config["prms"]["judge"]["verdicts"]["samples"] = SAMPLES + 1
    plan = planned(root, write(root, config, "more.yaml"))
    assert plan["score"] == 1 and plan["search"] == 2 and "sample" not in plan
    (old,) = root.glob("results/mine/small/samples-*/scores/judge-*/0000-0001.parquet")
    before = pd.read_parquet(old)
    old.unlink()
    snakemake(root, root / "study.yaml", str(old.relative_to(root)))
    pd.testing.assert_frame_equal(pd.read_parquet(old), before, check_exact=True)

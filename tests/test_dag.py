"""The whole study, run for real: what reruns and what does not."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest

from tests.studies import ROOT, copy_repository, fresh, planned, smoke, snakemake, write
from ttstudy.dag import layout as dag
from ttstudy.dag import stamps, todo
from ttstudy.dag.layout import open_layout
from ttstudy.study import from_mapping

ANALYSIS = {
    *("label", "diagnostics", "outcomes", "ledger", "accuracy", "graders", "adaptive", "strategy", "headline"),
    *("claims", "explorer", "examine", "findings", "report"),
}
MODEL_STEPS = {"train_policy", "train_reward_model", "benchmark", "sample", "score", "search"}


def jobs(root: Path, **changes) -> dict[str, int]:
    return planned(root, write(root, smoke(**changes), "changed.yaml"))


def test_the_report_is_there_and_names_its_study(finished):
    page = (finished / "results/studies/smoke/report.html").read_text()
    assert "smoke" in page and "</html>" in page
    assert "fficial code&#39;s grader" in page


def test_every_job_of_a_run_left_a_record_of_what_it_took(finished):
    known = json.loads((finished / "results/studies/smoke/provenance.json").read_text())
    rules = {row["rule"]: row for row in known["steps"]}
    assert set(rules) >= MODEL_STEPS | ANALYSIS - {"report"} | {"grade", "difficulty", "training"}
    for rule, row in rules.items():
        assert row["cached"] == row["unrecorded"] == 0 and row["cpu_seconds"] > 0 and row["peak_bytes"] > 2**20, rule
    assert {known["libraries"][step]["torch"] for step in ("sample", "search", "score")} == {version("torch")}
    drawn = pd.concat(pd.read_parquet(path) for path in finished.glob("results/sums/*/[pcs]*-*/[0-9]*[0-9].parquet"))
    assert rules["sample"]["tokens"] == drawn["response_tokens"].sum() > 0
    assert set(known["problems"]) == {"sums"} and len(known["problems"]["sums"]) == 16
    assert known["config"]["study"] == "smoke" and known["code"]["scripts/report.py"]


def test_snakemakes_own_report_has_every_table_and_figure_with_its_caption(finished):
    snakemake(finished, finished / "study.yaml", "--report", "own.html")
    page = (finished / "own.html").read_text()
    for path in finished.glob("results/studies/smoke/tables/*.parquet"):
        name = path.stem
        caption = (ROOT / f"reports/captions/{name}.rst").read_text().split(":")[0].split("\n")[0]
        assert caption in page and f'"table": "{name}"' in page, name
    assert '"figure": "headline-0"' in page and "one file, which needs no network".lower() in page.lower()


def test_nothing_changed_plans_nothing(clone):
    assert jobs(clone) == {}


def test_a_new_budget_draws_only_the_new_blocks(clone):
    config = smoke()
    largest = config["budgets"]["majority"][-1]
    budgets = config["budgets"] | {
        "majority": [*config["budgets"]["majority"], 4 * largest],
        "best_of_n": [*config["budgets"]["best_of_n"], 4 * largest],
    }
    plan = jobs(clone, budgets=budgets)
    policies, prms = len(config["policies"]), len(config["prms"])
    assert plan.pop("sample") == plan.pop("grade") == 2 * policies
    assert plan.pop("score") == 2 * policies * prms
    assert set(plan) <= ANALYSIS


def test_a_new_search_budget_searches_only_there(clone):
    config = smoke()
    budgets = copy.deepcopy(config["budgets"])
    budgets["beam_search"].append(2 * budgets["beam_search"][-1])
    plan = jobs(clone, budgets=budgets)
    assert plan.pop("search") == plan.pop("grade_search") == len(config["policies"]) * len(config["prms"])
    assert set(plan) <= ANALYSIS


def test_a_new_prm_draws_nothing_but_its_own_search(clone):
    config = smoke()
    name, settings = next(iter(config["prms"].items()))
    another = copy.deepcopy(settings)
    another["definition"]["seed"] += 1
    plan = jobs(clone, prms=config["prms"] | {"another": another})
    assert plan.pop("train_reward_model") == 1
    assert "sample" not in plan and "grade" not in plan and "difficulty" not in plan
    assert plan.pop("score") == len(config["policies"]) * 1
    assert plan.pop("search") == plan.pop("grade_search")
    assert set(plan) <= ANALYSIS | {"training"}


def test_a_labelled_set_is_scored_by_every_prm_and_runs_nothing_else(clone):
    rows = [("Compute 2+3+4.", ["2+3=5, so 5+4", "5+4=8, so \\boxed{8}"], 1)]
    rows += [("Compute 2+3.", ["2+3=5, so \\boxed{5}"], -1)]
    lines = [{"problem": p, "steps": steps, "label": label, "generator": "hand"} for p, steps, label in rows]
    (clone / "hand.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    changed = write(clone, smoke(labelled={"hand": {"path": "hand.jsonl", "format": "processbench"}}), "changed.yaml")
    prms = list(smoke()["prms"])
    plan = planned(clone, changed)
    assert plan.pop("labelled") == 1 and plan.pop("score_labelled") == len(prms)
    assert set(plan) == {"diagnostics", "claims", "report"}
    snakemake(clone, changed, "--until", "diagnostics")
    skill = pd.read_parquet(clone / "results/studies/smoke/tables/prm_skill.parquet")
    hand = skill[(skill["benchmark"] == "hand") & (skill["policy"] == "hand")].set_index("prm")
    assert sorted(hand.index) == sorted(prms) and (hand["steps"] == 3).all() and (hand["wrong_solutions"] == 1).all()
    flaws = pd.read_parquet(clone / "results/studies/smoke/tables/diagnostics.parquet")
    assert set(flaws["benchmark"]) == {"sums", "hand"}


def test_one_policys_temperature_runs_that_policys_chain_alone(clone):
    config = smoke()
    policies = copy.deepcopy(config["policies"])
    name = next(iter(policies))
    policies[name]["sampling"] = {"responses": {"temperature": 0.9}}
    plan = jobs(clone, policies=policies)
    assert plan["sample"] == plan["grade"] == 2  # its pilot and its block; not its greedy response
    assert plan["score"] == len(config["prms"])
    assert plan["difficulty"] == plan["outcomes"] == plan["ledger"] == plan["adaptive"] == 1
    assert "search" not in plan and "train_policy" not in plan


def test_levels_predicted_with_prms_score_the_pilot_and_nothing_else(clone):
    config = smoke()
    plan = jobs(clone, difficulty={"label_free": "prm"})
    assert plan.pop("score") == len(config["policies"]) * len(config["prms"])
    assert set(plan) <= ANALYSIS


def test_quantile_levels_change_the_analysis_alone(clone):
    plan = jobs(clone, difficulty={"scheme": "quantile"})
    assert plan.pop("difficulty") == len(smoke()["policies"])
    assert set(plan) <= ANALYSIS


def test_a_setting_changed_back_finds_the_old_results(finished, tmp_path):
    root = copy_repository(tmp_path / "clone", finished)
    for name in ("results", ".snakemake"):
        shutil.copytree(finished / name, root / name, symlinks=True)
    policies = copy.deepcopy(smoke()["policies"])
    policies[next(iter(policies))]["sampling"] = {"responses": {"temperature": 0.9}}
    changed = write(root, smoke(policies=policies), "changed.yaml")
    snakemake(root, changed)
    assert planned(root, changed) == {}
    plan = planned(root, write(root, smoke()))
    assert not set(plan) & MODEL_STEPS


def test_a_docstring_edited_in_any_module_plans_nothing(clone):
    for path in [*(clone / "workflow/ttstudy").rglob("*.py"), *(clone / "scripts").glob("*.py")]:
        text = path.read_text()
        if text.startswith('"""'):
            path.write_text('"""Edited.' + text[3:])
        path.write_text(path.read_text() + "\n# a comment\n")
    assert jobs(clone) == {}


def test_touching_every_source_file_plans_nothing(clone):
    for path in clone.glob("workflow/**/*"):
        if path.is_file():
            os.utime(path)
    for path in (clone / "scripts").iterdir():
        os.utime(path)
    assert jobs(clone) == {}


def test_the_voting_module_changes_analysis_and_report_only(clone):
    for name in ("methods/voting", "methods/pool", "kinds/estimators"):
        path = clone / f"workflow/ttstudy/{name}.py"
        path.write_text(path.read_text() + "\n_ANOTHER = 1\n")
    plan = jobs(clone)
    assert {"outcomes", "accuracy", "report"} <= set(plan)
    assert set(plan) <= ANALYSIS | {"difficulty"}


def test_a_report_template_changes_the_report_only(clone):
    template = next((clone / "reports/templates").rglob("*.html*"))
    template.write_text(template.read_text() + "\n<!-- edited -->\n")
    assert jobs(clone) == {"report": 1}


def test_difficulty_thresholds_change_analysis_only(clone):
    plan = jobs(clone, difficulty={"thresholds": [60, 20]})
    assert "difficulty" in plan and not set(plan) & (MODEL_STEPS | {"grade", "grade_search"})


def test_the_other_grader_has_graded_already(clone):
    plan = jobs(clone, grader="reference")
    assert {"outcomes", "graders", "report"} <= set(plan)
    assert not set(plan) & (MODEL_STEPS | {"grade", "grade_search"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"polices": {}}, "polices: unknown key"),
        ({"budgets": {"beam_search": [6]}}, "budgets.beam_search: 6 is not a multiple"),
        ({"benchmarks": {"mine": {"source": "file", "path": "no.jsonl"}}}, "benchmarks.mine.path: there is no file"),
    ],
    ids=["unknown key", "budget", "missing file"],
)
def test_a_bad_configuration_stops_before_anything_runs(finished, tmp_path, change, words):
    root, config = fresh(finished, tmp_path / "bad", **change)
    output = snakemake(root, config, ok=False)
    assert words in output and "Traceback" not in output
    assert not (root / "results/benchmarks").exists()


def test_nothing_to_do_is_found_without_heavy_libraries_and_by_one_look_at_each_result(finished, monkeypatch):
    # Seconds are the timing's: reports/benchmarks/scale.py.
    told = {"PYTHONPROFILEIMPORTTIME": "1"}
    output = snakemake(finished, finished / "study.yaml", "--dry-run", env=told)
    imported = set(re.findall(r"^import time:.*\| +([\w.]+)$", output, flags=re.MULTILINE))
    assert "Nothing to be done" in output and {"ttstudy.dag.todo", "ttstudy.dag.stamps"} <= imported
    heavy = {"torch", "transformers", "pandas", "pandera", "scipy", "statsmodels", "matplotlib", "sympy", "tokenizers"}
    assert not heavy & imported
    looked: list[Path] = []
    look = stamps.of
    monkeypatch.setattr(stamps, "of", lambda path: looked.append(path) or look(path))
    layout = open_layout(from_mapping(smoke()), finished)
    assert todo.Standing(layout).dirty() == {}
    assert sorted(looked) == sorted(finished / path for job in dag.jobs(layout) for path in job.spec.outputs.values())


def test_the_rules_hold_no_configuration_in_shell_text():
    for path in [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]:
        text = path.read_text()
        assert "{config[" not in text, path
        assert "{wildcards." not in text, path
        assert "\n    run:" not in text and "\n    script:" not in text, path

"""The plan: near what a run then uses, nothing for what is there, no network, and a limit that is kept."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests import slurm_cluster
from tests.studies import command, copy_repository, environment, smoke, snakemake, write
from ttstudy.dag import hours
from ttstudy.dag.cells import Cell, Search
from ttstudy.dag.layout import open_layout
from ttstudy.data import tables
from ttstudy.errors import StudyError
from ttstudy.models.resources import table
from ttstudy.run import plan, schedule, speeds
from ttstudy.run.schedule import Timed
from ttstudy.study import from_mapping

LARGE: dict = {
    "study": "large",
    "benchmarks": {"MATH-500": {"source": "hub", "id": "HuggingFaceH4/MATH-500"}},
    "policies": {
        "qwen-0.5b": {"source": "hub", "id": "Qwen/Qwen2.5-0.5B-Instruct", "prompt": "qwen", "engine": "vllm"},
        "qwen-72b": {"source": "hub", "id": "Qwen/Qwen2.5-72B-Instruct", "prompt": "qwen", "engine": "vllm",
                     "vllm": {"tensor_parallel": 2, "max_model_len": 8192}},
    },
    "prms": {
        "prm-7b": {"source": "hub", "id": "Qwen/Qwen2.5-Math-PRM-7B"},
        "prm-72b": {"source": "hub", "id": "Qwen/Qwen2.5-Math-PRM-72B", "engine": "vllm",
                    "vllm": {"tensor_parallel": 2}},
    },
    "budgets": {"majority": [4, 256], "best_of_n": [4, 256], "beam_search": [4, 256], "dvts": [4, 256]},
    "first_block": 64,
}  # fmt: skip


def used(ledger: pd.DataFrame, pilot: float) -> tuple[float, float]:
    """Tokens drawn and read by a finished run: pools and DVTS once, at their largest N."""
    whole = ledger[ledger["method"] != "coverage"]
    largest = whole.groupby(["policy", "prm", "method"])["budget"].transform("max")
    once = whole[(whole["method"] == "beam_search") | (whole["budget"] == largest)]
    drawn = once[once["method"] != "best_of_n"]["response_tokens"].sum() + pilot
    return drawn, once["prm_tokens"].sum()


def copy_pilots(finished, target) -> list[Path]:
    """Put the pilots of a finished run, and nothing else, into a folder; their paths in the run."""
    pilots = [path for path in finished.glob("results/sums/*/pilot-*/????-????.parquet")]
    for path in pilots:
        copy = target / path.relative_to(finished)
        copy.parent.mkdir(parents=True)
        shutil.copy(path, copy)
    return pilots


@pytest.mark.parametrize("with_pilot", [False, True], ids=["from priors", "from the pilot"])
def test_the_plan_is_near_the_tokens_that_the_run_then_uses(finished, tmp_path, with_pilot):
    pilots = copy_pilots(finished, tmp_path / "results-of-pilots")
    root = tmp_path / "results-of-pilots" if with_pilot else tmp_path
    planned = plan.total(plan.plan(open_layout(from_mapping(smoke()), root)))
    ledger = tables.read("ledger", finished / "results/studies/smoke/tables/ledger.parquet")
    spent = sum(tables.read("responses", path)["response_tokens"].sum() for path in pilots)
    drawn, read = used(ledger, 0 if with_pilot else spent)
    assert planned["policy_tokens"] == pytest.approx(drawn, rel=0.25)
    assert planned["policy_tokens"] + planned["prm_tokens"] == pytest.approx(drawn + read, rel=0.25)


def test_what_prms_read_in_searches_is_planned_within_a_tenth_of_what_the_engine_counts(finished, tmp_path):
    copy_pilots(finished, tmp_path)
    key = ["policy", "prm", "method", "budget"]
    planned = plan.plan(open_layout(from_mapping(smoke()), tmp_path)).set_index(key)
    ledger = tables.read("ledger", finished / "results/studies/smoke/tables/ledger.parquet").set_index(key)
    searches = [row for row in planned.index if row[2] in ("beam_search", "dvts")]
    assert len(searches) == 8
    for search in searches:
        counted = ledger.loc[search, "prm_tokens"] / ledger.loc[search, "response_tokens"]
        expected = planned.loc[search, "prm_tokens"] / planned.loc[search, "policy_tokens"]
        assert expected == pytest.approx(counted, rel=0.1), search


def test_what_is_there_costs_nothing(finished):
    planned = plan.total(plan.plan(open_layout(from_mapping(smoke()), finished)))
    assert planned["jobs"] == 0 == planned["policy_tokens"] == planned["flops"] and planned["jobs_done"] > 10


def test_a_large_policy_with_a_large_prm_is_priced_on_four_gpus_without_a_network(tmp_path):
    layout = open_layout(from_mapping(LARGE), tmp_path)
    frame = plan.plan(layout)
    assert len(tables.check("plan", frame)) == len(frame)
    key = ["policy", "prm", "method", "budget"]
    rows = frame[frame["benchmark"] == "MATH-500"].groupby(key).sum(numeric_only=True)
    most = frame.groupby(key)["gpus"].max()
    beam = rows.loc["qwen-72b", "prm-72b", "beam_search", 256]
    shards = int(beam["jobs"])
    tokens = 500 * 256 * 400
    cell = Cell("MATH-500", "qwen-72b")
    search = Search(cell, "prm-72b", "beam_search", 256)
    again = 500 * hours.read_in_search(layout, search, hours.assumed(layout, cell)) / tokens
    assert most["qwen-72b", "prm-72b", "beam_search", 256] == 4 and beam["policy_tokens"] == tokens
    assert beam["prm_tokens"] == pytest.approx(again * tokens)
    assert beam["flops"] == pytest.approx(2 * 72e9 * (1 + again) * tokens)
    # Two A100 for each model, 15 % of peak drawing and 45 % reading; each waits for the other, all four are held.
    drawing, reading = (
        2 * 72e9 * count / (2 * 312e12 * share) for count, share in ((tokens, 0.15), (again * tokens, 0.45))
    )
    opening = 2 * (60 + 144 / 2) * shards
    overlap = table()["speed"]["overlap"] * min(drawing, reading)
    assert beam["hours"] == pytest.approx((drawing + reading - overlap + opening) / 3600)
    assert beam["gpu_hours"] == pytest.approx(4 * beam["hours"])
    assert beam["idle_hours"] == pytest.approx(2 * (drawing + reading - 2 * overlap) / 3600)
    assert most["qwen-0.5b", "prm-7b", "beam_search", 4] == 1
    assert rows.loc["qwen-72b", "none", "samples"]["responses"].sum() == 500 * 256
    fetched = frame[frame["method"] == "fetch"].set_index(["policy", "prm"])["disk_gb"]
    assert fetched["none", "prm-72b"] == pytest.approx(144)
    with pytest.raises(StudyError, match=r"max_gpu_hours: this run needs about [\d,]+ GPU-hours"):
        plan.refuse_above(layout, 10)


def test_engines_with_more_gpus_are_priced_on_them(tmp_path):
    def best_and_beam(vllm):
        policy = LARGE["policies"]["qwen-0.5b"] | {"engine": "vllm", "vllm": vllm}
        study = LARGE | {"policies": {"qwen-0.5b": policy}, "max_job_hours": 1000}
        frame = plan.plan(open_layout(from_mapping(study), tmp_path))
        of = frame[(frame["prm"] == "prm-7b") & (frame["budget"] == 256) | (frame["method"] == "cot")]
        return of.set_index("method")

    one, four = best_and_beam({}), best_and_beam({"tensor_parallel": 2, "data_parallel": 2})
    assert [one["gpus"][name] for name in ("cot", "best_of_n", "beam_search")] == [1, 1, 1]
    # Beside a policy on several GPUs, on each of which vLLM takes the same share, a PRM has one of its own.
    assert [four["gpus"][name] for name in ("cot", "best_of_n", "beam_search")] == [4, 1, 5]
    # Four times as fast on four GPUs, but for loading; in a search, they are held while the PRM reads on its one.
    opening = hours.loading(0.5e9, 1)
    assert four["hours"]["cot"] - opening == pytest.approx((one["hours"]["cot"] - opening) / 4)
    assert four["gpu_hours"]["beam_search"] > 2 * one["gpu_hours"]["beam_search"]


def test_labelled_sets_and_label_free_levels_are_read_by_every_prm(tmp_path):
    (tmp_path / "set.jsonl").write_text('{"problem": "1+1", "steps": ["it is 2", "so 2"], "first_error": null}\n' * 3)
    more = {"labelled": {"known": {"path": "set.jsonl"}}, "difficulty": {"label_free": "prm"}}
    frame = plan.plan(open_layout(from_mapping(LARGE | more), tmp_path)).set_index("method")
    known = frame.loc["labelled"]
    assert set(known["benchmark"]) == {"known"} and sorted(known["prm"]) == ["prm-72b", "prm-7b"]
    assert known["prm_tokens"].tolist() == [pytest.approx(3 * 14 / 2.5)] * 2 and (known["gpu_hours"] > 0).all()
    pilots = frame.loc["pilot"]
    assert len(pilots[pilots["prm"] != "none"]) == 4 and (pilots["prm_tokens"] > 0).sum() == 4


def test_recorded_responses_cost_nothing(tmp_path):
    rows = [{"problem_id": "p", "problem": "1+1", "answer": "2", "sample": n, "response": "2"} for n in range(16)]
    pd.DataFrame(rows).assign(**{"scores.prm": [[0.5]] * 16}).to_json(
        tmp_path / "r.jsonl", orient="records", lines=True
    )
    study = {
        "study": "recorded",
        "benchmarks": {"b": {"source": "recorded", "path": "r.jsonl"}},
        "policies": {"p": {"source": "recorded", "path": "r.jsonl"}},
        "prms": {"prm": {"source": "recorded"}},
        "budgets": {"majority": [4], "best_of_n": [4]},
    }
    frame = plan.plan(open_layout(from_mapping(study), tmp_path))
    assert frame.empty and len(tables.check("plan", frame)) == 0 == plan.total(frame)["gpu_hours"]


def test_plan_and_limit_on_the_command_line(tmp_path):
    root = copy_repository(tmp_path)
    config = write(root, LARGE | {"max_gpu_hours": 10})
    assert "no revision is pinned" in snakemake(root, config, ok=False)
    output = snakemake(root, config, "plan")
    assert "GPU-hours" in output and "jobs that call or make a model are done" in output
    frame = tables.read("plan", root / "results/studies/large/plan.parquet")
    assert frame["gpu_hours"].sum() > 100
    ids = {item["id"]: "0" * 40 for group in ("policies", "prms") for item in LARGE[group].values()}
    (root / "study.revisions.yaml").write_text(f"model: {ids}\ndataset: {{HuggingFaceH4/MATH-500: {'1' * 40}}}\n")
    assert "max_gpu_hours: this run needs about" in snakemake(root, config, ok=False)
    assert not (root / "results/benchmarks").exists()


@pytest.mark.skipif(not slurm_cluster.PLUGIN.is_dir(), reason="the Slurm plugin is not installed")
def test_a_dry_run_for_slurm_lists_what_each_job_asks_for(tmp_path):
    root = copy_repository(tmp_path)
    config = write(root, LARGE)
    site = {"gpu_partition": "big", "cpu_partition": "small", "account": "me", "gpu_model": "a100", "cpus_per_gpu": 6}
    write(root, site, "site.yaml")
    env = environment() | {"PYTHONPATH": str(slurm_cluster.PLUGIN), "TTSTUDY_SITE": str(root / "site.yaml")}
    line = [part.replace("default", "slurm") for part in command(config, "--dry-run")]
    env["SLURM_CONF"] = os.devnull  # no cluster is asked
    output = subprocess.run(line, cwd=root, env=env, capture_output=True, text=True).stdout
    found = re.findall(r"^( *)(?:local)?rule (\w+):\n((?:\1    .*\n)+)", output, flags=re.MULTILINE)
    jobs = [(rule, text) for _, rule, text in found]
    own = {rule for indent, rule, _ in found if not indent}
    ours = {"all", "fetch_model", "benchmark", "sample", "search", "join_search", "score", "grade", "grade_search"}
    assert own == ours
    assert all("gpu=0" in text for indent, _, text in found if indent), "a group holds a step with a GPU"
    assert len(jobs) == int(re.search(r"^total +(\d+)", output, flags=re.MULTILINE)[1])
    for rule, text in jobs:
        assert rule == "all" or "runtime=" in text and "slurm_partition=" in text, text
    search = next(text for rule, text in jobs if rule == "search" and "qwen-72b" in text and "prm-72b" in text)
    gpus = "gpu=4 nodes=1 cpus_per_gpu=6 gpu_model=a100"
    for wanted in f"{gpus} mem_mb=312000 slurm_partition=big slurm_account=me".split():
        assert wanted in search
    # Half as much again as the plan, in ten-minute steps: no job is planned for more than twelve.
    minutes = [int(text) for text in re.findall(r"runtime=(\d+)", output)]
    assert 17 * 60 < max(minutes) <= 18 * 60 and not any(each % 10 for each in minutes)
    claims = next(text for rule, text in jobs if rule == "claims")
    assert "slurm_partition=small" in claims and "nodes=" not in claims


def test_a_generative_prm_is_priced_for_what_it_may_write(tmp_path):
    def read(**prm):
        hub = {"source": "hub", "revision": "1" * 40, "parameters": 7e9} | prm
        study = LARGE | {"prms": {"prm": hub}, "max_job_hours": 1e6}
        frame = plan.plan(open_layout(from_mapping(study), tmp_path))
        of = frame[(frame["policy"] == "qwen-0.5b") & (frame["prm"] == "prm") & (frame["budget"] == 256)]
        return of.set_index("method")

    plain = read(id="Qwen/Qwen2.5-Math-PRM-7B")
    thinking = read(id="launch/ThinkPRM-7B", verdicts={"samples": 2, "max_tokens": 1000})
    stepwise = read(id="GenPRM/GenPRM-7B", verdicts={"samples": 2, "max_tokens": 1000})
    more = {name: frame["prm_tokens"] - plain["prm_tokens"] for name, frame in {"t": thinking, "s": stepwise}.items()}
    responses = 500 * 128  # of the last block
    assert more["t"]["best_of_n"] == responses * 2 * 1000 and more["s"]["best_of_n"] == 8 * more["t"]["best_of_n"]
    judged = 500 * 256 * (400 + 8 * (2 * 1000 + (150 + 400) / 2))
    assert thinking["prm_tokens"]["beam_search"] == stepwise["prm_tokens"]["beam_search"] == judged
    scoring = thinking.loc["best_of_n"]
    # 15 % of one A100's peak, as for drawing.
    busy = 2 * 7e9 * scoring["prm_tokens"] / (0.15 * 312e12) / 3600
    assert scoring["gpu_hours"] == pytest.approx(busy + hours.loading(7e9, 1))


def test_a_model_on_a_cpu_takes_no_gpu_and_its_hours_are_those_of_a_core(tmp_path):
    own = {"source": "hub", "id": "HuggingFaceTB/SmolLM2-135M-Instruct", "revision": "1" * 40, "parameters": 0.135e9}
    study = LARGE | {"policies": {"smollm2": own}, "prms": {}, "budgets": {"majority": [1, 4, 16]}}
    frame = plan.plan(open_layout(from_mapping(study), tmp_path))
    drawn = frame[frame["policy_tokens"] > 0]
    assert (drawn["gpus"] == 0).all() and (drawn["gpu_hours"] == 0).all()
    rate = table()["speed"]["cpu_tflops"]["drawing"] * 1e12 / (2 * 0.135e9)
    assert drawn["cpu_hours"].sum() == pytest.approx(drawn["policy_tokens"].sum() / rate / 3600)


def test_speeds_that_finished_jobs_measured_go_before_those_that_are_assumed(finished, monkeypatch):
    layout = open_layout(from_mapping(smoke()), finished)
    known = plan.measured(layout)
    assert set(known) == {"smoke-8k", "smoke-40k", "smoke-good", "smoke-undertrained"}
    records = [json.loads(path.read_text()) for path in finished.glob("results/sums/smoke-8k/*/.*.job.json")]
    drawn = [each for each in records if each["step"] == "sample"]
    assert known["smoke-8k"].rate == pytest.approx(sum(r["tokens"] for r in drawn) / sum(r["seconds"] for r in drawn))
    assert known["smoke-8k"].jobs == len(drawn) == 3 and known["smoke-8k"].hardware == drawn[0]["hardware"]
    more = smoke(budgets=smoke()["budgets"] | {"majority": [2, 8, 128]})
    frame = plan.plan(open_layout(from_mapping(more), finished))
    block = frame[(frame["policy"] == "smoke-8k") & (frame["budget"] == 128) & (frame["prm"] == "none")].iloc[0]
    assert block["speed_from"] == speeds.MEASURED
    assert block["cpu_hours"] == pytest.approx(block["policy_tokens"] / known["smoke-8k"].rate / 3600)
    (line,) = speeds.words(known)
    assert line.startswith("Measured by finished jobs on ") and "smoke-8k" in line
    monkeypatch.setitem(table()["speed"]["measured"], "smoke-8k", 10.0)
    assert speeds.speed(layout, "smoke-8k", 1e4, 0, True, known) == (10.0, speeds.STATED)


def test_days_are_those_of_a_schedule_with_every_jobs_own_width():
    # Three jobs of three GPUs and one hour on eight: two at a time. A division would say 9/8 hours.
    assert schedule.hours([Timed(1, 3)] * 3, 8) == 2
    assert schedule.hours([Timed(1, 8), *[Timed(1, 1)] * 8], 8) == 2
    # No job spans two machines of eight unless it is wider than one.
    assert schedule.hours([Timed(1, 5)] * 3, 16) == 2 and schedule.hours([Timed(1, 5)] * 3, 24) == 1
    assert schedule.hours([Timed(2, 16), Timed(1, 8)], 16) == 3
    assert schedule.hours([Timed(1, 9)], 8) is None and schedule.hours([Timed(1, 18)], 20) is None
    # Scores wait for the whole block: both its shards.
    block = [Timed(1, 1, makes="b"), Timed(3, 1, makes="b"), Timed(1, 1, after="b")]
    assert schedule.hours(block, 8) == 4 and schedule.hours([], 8) == 0

"""The plan: near what a run then uses, nothing for what is there, no network, and a limit that is kept."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pandas as pd
import pytest

from tests import slurm_cluster
from tests.studies import command, copy_repository, environment, smoke, snakemake, write
from ttstudy.dag.layout import open_layout
from ttstudy.data import tables
from ttstudy.errors import StudyError
from ttstudy.run import plan
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


@pytest.mark.parametrize("with_pilot", [False, True], ids=["from priors", "from the pilot"])
def test_the_plan_is_near_the_tokens_that_the_run_then_uses(finished, tmp_path, with_pilot):
    pilots = [path for path in finished.glob("results/sums/*/pilot-*/????-????.parquet")]
    for path in pilots if with_pilot else []:
        target = tmp_path / path.relative_to(finished)
        target.parent.mkdir(parents=True)
        shutil.copy(path, target)
    planned = plan.total(plan.plan(open_layout(from_mapping(smoke()), tmp_path)))
    ledger = tables.read("ledger", finished / "results/studies/smoke/tables/ledger.parquet")
    spent = sum(tables.read("responses", path)["response_tokens"].sum() for path in pilots)
    drawn, read = used(ledger, 0 if with_pilot else spent)
    assert planned["policy_tokens"] == pytest.approx(drawn, rel=0.25)
    assert planned["policy_tokens"] + planned["prm_tokens"] == pytest.approx(drawn + read, rel=0.25)


def test_what_is_there_costs_nothing(finished):
    planned = plan.total(plan.plan(open_layout(from_mapping(smoke()), finished)))
    assert planned["jobs"] == 0 == planned["policy_tokens"] == planned["flops"] and planned["jobs_done"] > 10


def test_a_large_policy_with_a_large_prm_is_priced_on_four_gpus_without_a_network(tmp_path):
    frame = plan.plan(open_layout(from_mapping(LARGE), tmp_path))
    assert len(tables.check("plan", frame)) == len(frame)
    key = ["policy", "prm", "method", "budget"]
    rows = frame[frame["benchmark"] == "MATH-500"].set_index(key).sort_index()
    beam = rows.loc["qwen-72b", "prm-72b", "beam_search", 256]
    tokens = 500 * 256 * 400
    assert beam["gpus"] == 4 and beam["policy_tokens"] == tokens == beam["prm_tokens"]
    assert beam["flops"] == pytest.approx(2 * 72e9 * 2 * tokens)
    # Two A100 for each model, 15 % of peak drawing and 45 % reading, one after the other, four GPUs held.
    seconds = beam["flops"] / 2 / (2 * 312e12) * (1 / 0.15 + 1 / 0.45)
    assert beam["gpu_hours"] == pytest.approx(4 * seconds / 3600)
    assert rows.loc["qwen-0.5b", "prm-7b", "beam_search", 4]["gpus"] == 1
    assert rows.loc["qwen-72b", "none", "samples"]["responses"].sum() == 500 * 256
    fetched = frame[frame["method"] == "fetch"].set_index(["policy", "prm"])["disk_gb"]
    assert fetched["none", "prm-72b"] == pytest.approx(144)
    with pytest.raises(StudyError, match=r"max_gpu_hours: this run needs about [\d,]+ GPU-hours"):
        plan.refuse_above(open_layout(from_mapping(LARGE), tmp_path), 10)


def test_engines_with_more_gpus_are_priced_on_them(tmp_path):
    def best_and_beam(vllm):
        policy = LARGE["policies"]["qwen-0.5b"] | {"engine": "vllm", "vllm": vllm}
        frame = plan.plan(open_layout(from_mapping(LARGE | {"policies": {"qwen-0.5b": policy}}), tmp_path))
        of = frame[(frame["prm"] == "prm-7b") & (frame["budget"] == 256) | (frame["method"] == "cot")]
        return of.set_index("method")

    one, four = best_and_beam({}), best_and_beam({"tensor_parallel": 2, "data_parallel": 2})
    assert [one["gpus"][name] for name in ("cot", "best_of_n", "beam_search")] == [1, 1, 1]
    # Beside a policy on several GPUs, on each of which vLLM takes the same share, a PRM has one of its own.
    assert [four["gpus"][name] for name in ("cot", "best_of_n", "beam_search")] == [4, 1, 5]
    # Four times as fast on four GPUs; in a search, they are held while the PRM reads on its one.
    assert four["gpu_hours"]["cot"] == pytest.approx(one["gpu_hours"]["cot"])
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
    assert own == {"all", "fetch_model", "benchmark", "sample", "search", "score", "grade", "grade_search"}
    assert all("gpu=0" in text for indent, _, text in found if indent), "a group holds a step with a GPU"
    assert len(jobs) == int(re.search(r"^total +(\d+)", output, flags=re.MULTILINE)[1])
    for rule, text in jobs:
        assert rule == "all" or "runtime=" in text and "slurm_partition=" in text, text
    search = next(text for rule, text in jobs if rule == "search" and "qwen-72b" in text and "prm-72b" in text)
    gpus = "gpu=4 nodes=1 cpus_per_gpu=6 gpu_model=a100"
    for wanted in f"{gpus} mem_mb=360000 runtime=2880 slurm_partition=big slurm_account=me".split():
        assert wanted in search
    claims = next(text for rule, text in jobs if rule == "claims")
    assert "slurm_partition=small" in claims and "nodes=" not in claims


def test_a_generative_prm_is_priced_for_what_it_may_write(tmp_path):
    def read(**prm):
        hub = {"source": "hub", "revision": "1" * 40, "parameters": 7e9} | prm
        frame = plan.plan(open_layout(from_mapping(LARGE | {"prms": {"prm": hub}}), tmp_path))
        of = frame[(frame["policy"] == "qwen-0.5b") & (frame["prm"] == "prm") & (frame["budget"] == 256)]
        return of.set_index("method")

    plain = read(id="Qwen/Qwen2.5-Math-PRM-7B")
    thinking = read(id="launch/ThinkPRM-7B", verdicts={"samples": 2, "max_tokens": 1000})
    stepwise = read(id="GenPRM/GenPRM-7B", verdicts={"samples": 2, "max_tokens": 1000})
    more = {name: frame["prm_tokens"] - plain["prm_tokens"] for name, frame in {"t": thinking, "s": stepwise}.items()}
    responses = 500 * 128  # of the last block
    assert more["t"]["best_of_n"] == responses * 2 * 1000 and more["s"]["best_of_n"] == 8 * more["t"]["best_of_n"]
    assert more["t"]["beam_search"] == more["s"]["beam_search"] == 500 * 256 * 8 * (2 * 1000 + (150 + 400) / 2)
    hours = thinking.loc["best_of_n"]
    # 15 % of one A100's peak, as for drawing.
    assert hours["gpu_hours"] == pytest.approx(2 * 7e9 * hours["prm_tokens"] / (0.15 * 312e12) / 3600)

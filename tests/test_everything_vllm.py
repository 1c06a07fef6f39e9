"""A study on vLLM and on running servers, from its problems to its report: every option that needs no GPU."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests import hub_server, rewards_checkpoints
from tests.endpoint import KEY, serve
from tests.studies import ROOT, copy_repository, planned, snakemake, write
from tests.vllm_session import POLICY
from ttstudy.models.padding import pad_heads
from ttstudy.prms.serving import command

PROBLEMS = [("Compute 2+3+4.", 9), ("Compute 7+6.", 13)]
VLLM = {"enforce_eager": True, "gpu_memory_utilization": 0.5, "kv_cache_gib": 0.25, "max_model_len": 200}
ASKED = {"key_variable": "SERVER_KEY", "concurrency": 8, "timeout_s": 300.0, "attempts": 3, "model": "mini"}
POLICY_SERVER = {**ASKED, "url": "$POLICY_SERVER", "max_model_len": 200}
PRM_SERVER = {**ASKED, "url": "$PRM_SERVER"}
SOURCES = ("trained", "folder", "hubbed")


def study() -> dict:
    """Trained, given and fetched policies and PRMs, each on vLLM and on a server; each PRM with one policy."""
    shipped = yaml.safe_load((ROOT / "config.yaml").read_text())
    policies = {
        "trained": {"source": "trained", "definition": shipped["policies"]["mini-180k"]["definition"]},
        "folder": {"source": "checkpoint", "path": "models/policy"},
        "hubbed": {"source": "hub", "id": "some/policy", "dtype": "float32", "parameters": 1.8e5},
    }
    prms = {
        "folder-prm": {"source": "checkpoint", "path": "models/prm", "format": "qwen"},
        "hubbed-prm": {"source": "hub", "id": "some/prm", "format": "qwen", "parameters": 1e5},
    }
    drawn = {"temperature": 1.0, "top_p": 0.95, "max_tokens": 40}
    on_vllm = {"engine": "vllm", "vllm": VLLM | {"max_num_seqs": 16}}
    at_server = {"engine": "served", "served": POLICY_SERVER}
    return {
        "study": "on-vllm",
        "miniature": shipped["miniature"],
        "benchmarks": {"mine": {"source": "file", "path": "problems.jsonl"}},
        "policies": {name: entry | on_vllm for name, entry in policies.items()}
        | {f"{name}-served": copy.deepcopy(entry) | at_server for name, entry in policies.items()},
        "prms": {name: entry | {"engine": "vllm", "vllm": VLLM} for name, entry in prms.items()}
        | {f"{name}-served": entry | {"engine": "served", "served": PRM_SERVER} for name, entry in prms.items()},
        "pairs": {
            "folder-prm": ["folder"], "hubbed-prm": ["folder-served"],
            "folder-prm-served": ["folder"], "hubbed-prm-served": ["folder-served"],
        },
        "budgets": {"majority": [2], "best_of_n": [2]},
        "budgets_of": {name: {"beam_search": [4], "best_of_n": [2]} for name in ("folder", "folder-served")},
        "sampling": {"cot": drawn | {"temperature": 0.0}, "responses": drawn, "search": drawn | {"max_tokens": 12}},
        "search": {"max_depth": 2},
        "pilot_samples": 1,
        "first_block": 2,
    }  # fmt: skip


@pytest.fixture(scope="module")
def root(vllm, tmp_path_factory):
    """A copy of the repository with the study, run to its report beside two servers."""
    root = copy_repository(tmp_path_factory.mktemp("on-vllm"))
    shutil.copytree(POLICY, root / "workflow/checkpoints" / POLICY.name)
    shutil.copytree(POLICY, root / "models/policy")
    rewards_checkpoints.make(root / "models/prm", "qwen", wide=True)
    (root / "problems.jsonl").write_text(
        "".join(
            json.dumps({"problem_id": f"p{i}", "problem": text, "answer": str(gold)}) + "\n"
            for i, (text, gold) in enumerate(PROBLEMS)
        )
    )
    config = write(root, study(), "on-vllm.yaml")
    ids = {"some/policy": root / "models/policy", "some/prm": root / "models/prm"}
    pinned = {id: {"revision": hub_server.COMMIT} for id in ids}
    (root / "on-vllm.revisions.yaml").write_text(json.dumps({"model": pinned}))
    repositories = {
        ("models", id): hub_server.Repository({file.name: file.read_bytes() for file in folder.iterdir()})
        for id, folder in ids.items()
    }
    with hub_server.serving(repositories) as server:
        snakemake(root, config, "fetch", env=server.environment(root / "home"))
    words = command(root / "models/prm", cache=root / "served-prm")
    at = words.index("--port")
    options = [*words[3:at], *words[at + 2 :], "--served-model-name", "mini"]
    padded = pad_heads(POLICY, root / "padded", 32)
    with (
        serve(vllm, padded, root / "policy.log") as policy,
        serve(vllm, Path(words[2]), root / "prm.log", *options) as prm,
    ):
        addresses = {"POLICY_SERVER": f"http://127.0.0.1:{policy}/v1", "PRM_SERVER": f"http://127.0.0.1:{prm}"}
        told = addresses | {"SERVER_KEY": KEY, "TTSTUDY_VLLM_PYTHON": str(vllm)}
        snakemake(root, config, env=told)
        assert planned(root, config) == {}
    return root


def test_a_study_on_vllm_and_on_servers_ends_in_its_report(root):
    accuracy = pd.read_parquet(root / "results/studies/on-vllm/tables/accuracy.parquet")
    assert set(accuracy["policy"]) == {name + end for name in SOURCES for end in ("", "-served")}
    assert set(accuracy["prm"]) == {"none", *study()["prms"]}
    assert set(accuracy[accuracy["method"] == "beam_search"]["policy"]) == {"folder", "folder-served"}
    assert KEY not in (root / "results/studies/on-vllm/report.html").read_text()


def greedy(root: Path, policy: str) -> dict[str, str]:
    blocks = [pd.read_parquet(path) for path in root.glob(f"results/mine/{policy}/cot-*/*[0-9].parquet")]
    return pd.concat(blocks).set_index("problem_id")["response"].to_dict()


def test_the_same_weights_answer_the_same_on_vllm_and_on_a_server_wherever_they_come_from(root):
    answers = [greedy(root, source + end) for source in SOURCES for end in ("", "-served")]
    assert all(each == answers[0] for each in answers) and len(answers[0]) == len(PROBLEMS)

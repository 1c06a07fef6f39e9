"""A researcher's own GGUF file and problems, and the hub's: by configuration alone, through the rules to a report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests import gguf_files, hub_server, rewards_checkpoints
from tests.studies import copy_repository, planned, snakemake, write

PROBLEMS = [
    {"id": f"p{number}", "question": f"What is {number} + {number}? <b>Say</b> =1+1", "gold": str(2 * number)}
    for number in range(4)
]


def policy_checkpoint(folder: Path, architecture: str) -> Path:
    """A tiny random Llama or Qwen2 checkpoint, saved by transformers itself."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    folder.mkdir(parents=True)
    tokenizer = rewards_checkpoints.byte_level(["<|begin|>", "<|end|>"], [])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|begin|>", eos_token="<|end|>")
    fast.chat_template = "{{ bos_token }}{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    fast.save_pretrained(folder)
    config = AutoConfig.for_model(
        architecture,
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=fast.bos_token_id,
        eos_token_id=fast.eos_token_id,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A copy of the repository with a study over checkpoints and problems of one's own, run to its report."""
    root = copy_repository(tmp_path_factory.mktemp("own"))
    for architecture in ("llama", "qwen2"):
        policy_checkpoint(root / "models" / architecture, architecture)
    gguf_files.write(root / "models" / "llama", root / "models" / "llama.gguf", "qwen2", "F16")
    rewards_checkpoints.make(root / "models" / "prm", "qwen")
    (root / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS))
    # fmt: off
    study = {
        "study": "own",
        "benchmarks": {
            "mine": {
                "source": "file",
                "path": "problems.jsonl",
                "columns": {"problem_id": "id", "problem": "question", "answer": "gold"},
            }
        },
        "policies": {
            "llama": {
                "source": "gguf", "path": "models/llama.gguf", "prompt": "llama", "dtype": "float32",
                "cutoff": "2024-01", "pretraining_tokens": 1e9, "thinking": "none", "system": "Add.", "stop": ["~~~"],
                "examples": [{"problem": "1+1?", "response": "2"}], "sampling": {"search": {"top_k": 40}},
            },
            "qwen": {"source": "hub", "id": "some/qwen2", "prompt": "qwen", "dtype": "float32"},
        },
        "prms": {"prm": {"source": "hub", "id": "Qwen/Qwen2.5-Math-PRM-7B", "device": "cpu"}},
        "budgets": {"majority": [4], "best_of_n": [4], "beam_search": [4], "dvts": [4]},
        "sampling": {
            "cot": {"temperature": 0, "max_tokens": 12},
            "responses": {"temperature": 0.7, "max_tokens": 12},
            "search": {"temperature": 0.7, "max_tokens": 6},
        },
        "search": {"max_depth": 3},
        "pilot_samples": 4,
        "first_block": 4,
    }
    # fmt: on
    config = write(root, study)
    assert "no revision is pinned for policies.qwen (some/qwen2), prms.prm" in snakemake(root, config, ok=False)
    assert planned(root, config)["fetch_model"] == 2
    folders = {"some/qwen2": "qwen2", "Qwen/Qwen2.5-Math-PRM-7B": "prm"}
    repositories = {
        ("models", id): hub_server.Repository({file.name: file.read_bytes() for file in folder.iterdir()})
        for id, folder in ((id, root / "models" / name) for id, name in folders.items())
    }
    (root / "study.revisions.yaml").write_text(f"model: {dict.fromkeys(folders, hub_server.COMMIT)}\n")
    with hub_server.serving(repositories) as server:
        snakemake(root, config, "fetch", env=server.environment(root / "home"))
    for name in folders.values():
        shutil.rmtree(root / "models" / name)
    snakemake(root, config)  # offline
    return root


def test_the_study_reaches_its_report_with_every_method(root):
    accuracy = pd.read_parquet(root / "results/studies/own/tables/accuracy.parquet")
    assert set(accuracy["method"]) == {"cot", "coverage", "majority", "best_of_n", "beam_search", "dvts"}
    assert set(accuracy["policy"]) == {"llama", "qwen"} and set(accuracy["benchmark"]) == {"mine"}
    page = (root / "results/studies/own/report.html").read_text()
    assert "<b>Say" not in page
    cells = root.glob("results/studies/own/cells/*/*.explorer.parquet")
    explorer = pd.concat(pd.read_parquet(path) for path in cells)
    assert explorer["problem"].str.contains("<b>Say</b>", regex=False).all()


def test_what_a_random_model_writes_is_counted_as_it_is(root):
    counts = pd.read_parquet(root / "results/studies/own/tables/counts.parquet")
    assert (counts["responses"] > 0).all()
    assert (counts["finished"] + counts["cut"] <= counts["responses"]).all()


def test_a_changed_weight_file_is_a_changed_policy(root):
    assert planned(root, root / "study.yaml") == {}
    weights = root / "models/llama.gguf"
    content = bytearray(weights.read_bytes())
    content[-4] ^= 1
    weights.write_bytes(bytes(content))
    plan = planned(root, root / "study.yaml")
    assert plan["convert_model"] == 1 and plan["sample"] == 3 and plan["search"] == 2

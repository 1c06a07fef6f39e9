"""Every key of a study, and what a change of it touches: no more, no less.

A study is laid out before and after the change; the jobs that differ are those that a finished study would run. Each
key of the schema has a row; a key without one fails. That Snakemake plans just these is held by `test_cache_truth.py`.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.studies import smoke
from ttstudy.dag.layout import jobs, open_layout
from ttstudy.study import from_mapping

SCHEMA = json.loads((Path(__file__).parent.parent / "workflow/schemas/study.schema.json").read_text())

# -- what is touched -------------------------------------------------------------------------------------------------

PAGE = "report"
TESTED = f"claims {PAGE}"
SHOWN = f"headline {TESTED}"
CHOSEN = f"strategy {SHOWN}"
VALUED = f"outcomes accuracy findings graders adaptive {CHOSEN}"
COUNTED = f"ledger {VALUED}"
CELLS = f"explorer {COUNTED}"
LEVELS = f"difficulty {VALUED}"
POOL = f"grade examine score label diagnostics {CELLS}"
PILOT = f"grade examine difficulty {CELLS}"
DRAWN = f"{POOL} {PILOT}"
SEARCHED = f"search grade_search diagnostics {CELLS}"
SIZES = f"ledger training accuracy findings graders {CHOSEN}"
JUDGED = f"score {SEARCHED}"
STUDY = f"examine difficulty training diagnostics {CELLS}"
EVERY = "train_policy train_reward_model benchmark sample " + f"{DRAWN} {SEARCHED} {STUDY}"
NOTHING = ""


def _set(*path: str, to: Any):
    """A change: one key to another value."""

    def change(config: dict) -> None:
        inner = config
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = to

    return change


def _drop(*path: str):
    def change(config: dict) -> None:
        inner = config
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]

    return change


def _add_prm(config: dict) -> None:
    another = copy.deepcopy(config["prms"]["smoke-good"])
    another["definition"]["seed"] = 5
    config["prms"]["another"] = another


def _add_policy(config: dict) -> None:
    another = copy.deepcopy(config["policies"]["smoke-8k"])
    another["definition"]["seed"] = 5
    config["policies"]["another"] = another


_POLICY, _PRM = ("policies", "smoke-8k"), ("prms", "smoke-good")
_NEW_PRM = f"train_reward_model training {JUDGED}"
_VLLM = {"engine": "vllm"}

OF_SMOKE = {
    "Study.accept_findings": (_set("accept_findings", to=["no_answer"]), f"examine findings {PAGE}"),
    "Study.benchmarks": (_set("benchmarks", "more", to={"source": "miniature", "problems": 4, "seed": 2}),
                         f"benchmark sample {DRAWN} {SEARCHED}"),
    "Study.budgets": (_set("budgets", "majority", to=[2, 4, 8]), COUNTED),
    "Study.budgets_of": (_set("budgets_of", to={"smoke-8k": {"majority": [2, 8]}}), f"diagnostics {CELLS}"),
    "Study.difficulty": (_set("difficulty", to={"scheme": "quantile"}), LEVELS),
    "Study.extraction": (_set("extraction", to="boxed"), f"grade examine grade_search difficulty diagnostics {CELLS}"),
    "Study.first_block": (_set("first_block", to=4), f"sample {POOL}"),
    "Study.grader": (_set("grader", to="reference"), f"examine difficulty diagnostics {CELLS}"),
    "Study.limit": (_set("limit", to=4), f"benchmark sample {DRAWN} {SEARCHED}"),
    "Study.max_gpu_hours": (_set("max_gpu_hours", to=1.0), PAGE),
    "Study.max_job_hours": (_set("max_job_hours", to=1.0), PAGE),
    "Study.miniature": (_set("miniature", "task", "tilt", to=-0.4), EVERY),
    "Study.pairs": (_set("pairs", to={"smoke-good": ["smoke-8k"]}), f"diagnostics {CELLS}"),
    "Study.pilot_samples": (_set("pilot_samples", to=4), f"sample {PILOT}"),
    "Study.policies": (_add_policy, f"train_policy training sample {DRAWN} {SEARCHED}"),
    "Study.prms": (_add_prm, _NEW_PRM),
    "Study.primary_claims": (_set("primary_claims", to=[5, 45]), TESTED),
    "Study.published": (_set("published", to=["rStar-Math-7B"]), PAGE),
    "Study.question": (_set("question", to="Why?"), PAGE),
    "Study.references": (_set("references", to=["smoke-40k"]), f"examine difficulty diagnostics {CELLS}"),
    "Study.results": (_set("results", to="elsewhere"), EVERY),
    "Study.runs": (_set("runs", to={"searches": 2}), f"search grade_search diagnostics {CELLS}"),
    "Runs.searches": (_set("runs", to={"searches": 3}), SEARCHED),
    "Runs.samples": (_set("runs", to={"samples": 3}), f"sample {POOL}"),
    "Study.sampling": (_set("sampling", "cot", "max_tokens", to=80), f"sample grade examine {CELLS}"),
    "Study.score": (_set("score", to="min"), f"adaptive {CHOSEN}"),
    "Study.search": (_set("search", to={"max_depth": 7}), SEARCHED),
    "Study.seed": (_set("seed", to=8), f"sample {DRAWN} {SEARCHED}"),
    "Study.study": (_set("study", to="other"), STUDY),
    "Study.unfinished_thinking": (_set("unfinished_thinking", to=True),
                                  f"grade examine grade_search difficulty diagnostics {CELLS}"),
    "Study.cut_responses": (_set("cut_responses", to=True),
                            f"grade examine grade_search difficulty diagnostics {CELLS}"),
    "Study.vote": (_set("vote", to="prm_max"), f"adaptive {CHOSEN}"),
    "Budgets.majority": (_set("budgets", "majority", to=[2, 8, 32]), f"sample {POOL}"),
    "Budgets.confidence": (_set("budgets", "confidence", to=[2, 8]), f"diagnostics {COUNTED}"),
    "Budgets.best_of_n": (_set("budgets", "best_of_n", to=[8]), COUNTED),
    "Budgets.beam_search": (_set("budgets", "beam_search", to=[4, 8]), SEARCHED),
    "Budgets.dvts": (_set("budgets", "dvts", to=[8]), COUNTED),
    "Budgets.particle_filtering": (_set("budgets", "particle_filtering", to=[8]), SEARCHED),
    "Budgets.rebase": (_set("budgets", "rebase", to=[6]), SEARCHED),
    "Definition.model": (_set(*_POLICY, "definition", "model", "hidden", to=18),
                         f"train_policy train_reward_model training sample {DRAWN} {SEARCHED}"),
    "Definition.training": (_set(*_PRM, "definition", "training", "tokens", to=100_000), _NEW_PRM),
    "Definition.seed": (_set(*_PRM, "definition", "seed", to=1), _NEW_PRM),
    "Definition.version": (_set(*_PRM, "definition", "version", to=2), _NEW_PRM),
    "Difficulty.label_free": (_set("difficulty", "label_free", to="prm"), f"score {CELLS}"),
    "Difficulty.scheme": (_set("difficulty", "scheme", to="quantile"), LEVELS),
    "Difficulty.thresholds": (_set("difficulty", "thresholds", to=[60, 20]), LEVELS),
    "Miniature.task": (_set("miniature", "task", "largest", to=21), EVERY),
    "MiniatureBenchmark.problems": (_set("benchmarks", "sums", "problems", to=12),
                                    f"benchmark sample {DRAWN} {SEARCHED}"),
    "MiniatureBenchmark.seed": (_set("benchmarks", "sums", "seed", to=2), f"benchmark sample {DRAWN} {SEARCHED}"),
    "MiniatureBenchmark.split": (_set("benchmarks", "sums", "split", to="validation"),
                                 f"benchmark sample {DRAWN} {SEARCHED}"),
    "MiniatureBenchmark.task": (_set("benchmarks", "sums", "task", to={"operations": [1, 3]}),
                                f"benchmark sample {DRAWN} {SEARCHED}"),
    "Sampling.confidence": (_set("sampling", "confidence", to={}), f"sample {POOL}"),
    "Sampling.cot": (_set("sampling", "cot", "temperature", to=0.1), f"sample grade examine {CELLS}"),
    "Sampling.responses": (_set("sampling", "responses", "temperature", to=0.8), f"sample {DRAWN}"),
    "Sampling.search": (_set("sampling", "search", "temperature", to=0.8), SEARCHED),
    "SamplingSettings.max_tokens": (_set("sampling", "responses", "max_tokens", to=80), f"sample {DRAWN}"),
    "SamplingSettings.temperature": (_set("sampling", "responses", "temperature", to=1.0), f"sample {DRAWN}"),
    "SamplingSettings.top_k": (_set("sampling", "responses", "top_k", to=5), f"sample {DRAWN}"),
    "SamplingSettings.top_p": (_set("sampling", "responses", "top_p", to=0.9), f"sample {DRAWN}"),
    "SamplingChange.max_tokens": (_set(*_POLICY, "sampling", "search", "max_tokens", to=30), SEARCHED),
    "SamplingChange.temperature": (_set(*_POLICY, "sampling", "search", "temperature", to=0.9), SEARCHED),
    "SamplingChange.top_k": (_set(*_POLICY, "sampling", "search", "top_k", to=5), SEARCHED),
    "SamplingChange.top_p": (_set(*_POLICY, "sampling", "search", "top_p", to=0.9), SEARCHED),
    "SamplingChanges.cot": (_set(*_POLICY, "sampling", "cot", "top_p", to=0.9), f"sample grade examine {CELLS}"),
    "SamplingChanges.responses": (_set(*_POLICY, "sampling", "responses", "top_p", to=0.9), f"sample {DRAWN}"),
    "SamplingChanges.search": (_set(*_POLICY, "sampling", "search", "top_p", to=0.8), SEARCHED),
    "Search.answers": (_set("search", "answers", to="candidates"), SEARCHED),
    "Search.beam_width": (_set("search", "beam_width", to=2), SEARCHED),
    "Search.dedup": (_set("search", "dedup", to=True), SEARCHED),
    "Search.lookahead": (_set("search", "lookahead", to=1), SEARCHED),
    "Search.max_depth": (_set("search", "max_depth", to=9), SEARCHED),
    "Search.max_live": (_set("search", "max_live", to=64), PAGE),
    "Search.problems_per_block": (_set("search", "problems_per_block", to=3), PAGE),
    "Search.refill": (_set("search", "refill", to=False), SEARCHED),
    "Search.score": (_set("search", "score", to="min"), SEARCHED),
    "Search.semantics": (_set("search", "semantics", to="reference"), SEARCHED),
    "Search.stop_on_boxed": (_set("search", "stop_on_boxed", to=True), SEARCHED),
    "TrainedPolicy.definition": (_set(*_POLICY, "definition", "seed", to=3),
                                 f"train_policy train_reward_model training sample {DRAWN} {SEARCHED}"),
    "TrainedPolicy.device": (_set(*_POLICY, "device", to="cuda"), f"sample {DRAWN} {SEARCHED}"),
    "TrainedPolicy.engine": (_set(*_POLICY, "engine", to="vllm"), f"sample {DRAWN} {SEARCHED}"),
    "TrainedPolicy.prompt": (_set(*_POLICY, "prompt", to="qwen"), f"sample {DRAWN} {SEARCHED}"),
    **{
        f"TrainedPolicy.{key}": (_set(*_POLICY, key, to=value), f"sample {DRAWN} {SEARCHED}")
        for key, value in {"system": "Add.", "examples": [{"problem": "1+1?", "response": "2."}]}.items()
    },
    "TrainedPolicy.stop": (_set(*_POLICY, "stop", to=["#"]), f"sample {DRAWN}"),
    "TrainedPolicy.thinking": (_set(*_POLICY, "thinking", to="open"), f"sample {DRAWN} {SEARCHED}"),
    "TrainedPolicy.sampling": (_set(*_POLICY, "sampling", to={"cot": {"temperature": 0.2}}),
                               f"sample grade examine {CELLS}"),
    "TrainedPRM.definition": (_set(*_PRM, "definition", "seed", to=7), _NEW_PRM),
    "TrainedPRM.device": (_set(*_PRM, "device", to="cpu"), JUDGED),
    "TrainedPRM.overflow": (_set(*_PRM, "overflow", to="cut"), JUDGED),
    "TrainedPRM.engine": (_set(*_PRM, "engine", to="vllm"), JUDGED),
    "TrainedPRM.policies": (_set(*_PRM, "policies", to=["smoke-40k", "smoke-8k"]), PAGE),
    "TrainedPRM.transformers": (_set(*_PRM, "transformers", to={"prefix_cache_gib": 1.0}), PAGE),
    "TransformersPRMOptions.prefix_cache_gib": (_set(*_PRM, "transformers", "prefix_cache_gib", to=2.0), PAGE),
}  # fmt: skip
"""By `Class.key` of the schema: a change of the smoke study, and the rules that it touches."""


def _on_vllm(config: dict) -> None:
    config["policies"]["smoke-8k"] |= _VLLM
    config["prms"]["smoke-good"] |= _VLLM


OF_VLLM = {
    **{
        f"VllmOptions.{key}": (_set(*_POLICY, "vllm", key, to=value), f"sample {DRAWN} {SEARCHED}")
        for key, value in {"tensor_parallel": 2, "max_model_len": 64, "enforce_eager": True,
                           "batch_invariant": True}.items()
    },
    **{
        f"VllmOptions.{key}": (_set(*_POLICY, "vllm", key, to=value), PAGE)
        for key, value in {"data_parallel": 2, "gpu_memory_utilization": 0.4, "kv_cache_gib": 2.0,
                           "max_num_seqs": 8}.items()
    },
    **{
        f"VllmPRMOptions.{key}": (_set(*_PRM, "vllm", key, to=value), JUDGED)
        for key, value in {"tensor_parallel": 2, "enforce_eager": True}.items()
    },
    **{
        f"VllmPRMOptions.{key}": (_set(*_PRM, "vllm", key, to=value), PAGE)
        for key, value in {"max_model_len": 64, "gpu_memory_utilization": 0.4, "kv_cache_gib": 2.0}.items()
    },
    "TrainedPolicy.vllm": (_set(*_POLICY, "vllm", to={"tensor_parallel": 4}), f"sample {DRAWN} {SEARCHED}"),
    "TrainedPRM.vllm": (_set(*_PRM, "vllm", to={"tensor_parallel": 4}), JUDGED),
}  # fmt: skip

_SERVER = {"engine": "served", "served": {"url": "http://host:8000"}}


def _on_server(config: dict) -> None:
    config["policies"]["smoke-8k"] |= copy.deepcopy(_SERVER)
    config["prms"]["smoke-good"] |= copy.deepcopy(_SERVER)


OF_SERVER = {
    **{
        f"{section}.{key}": (_set(*model, "served", key, to=value), PAGE)
        for key, value in {"url": "$SERVER", "model": "other", "key_variable": "KEY", "concurrency": 8,
                           "timeout_s": 9.0, "attempts": 2}.items()
        for section, model in (("ServedOptions", _POLICY), ("ServedPRMOptions", _PRM))
    },
    "ServedOptions.max_model_len": (_set(*_POLICY, "served", "max_model_len", to=64), f"sample {DRAWN} {SEARCHED}"),
    "TrainedPolicy.served": (_set(*_POLICY, "served", "max_model_len", to=32), f"sample {DRAWN} {SEARCHED}"),
    "TrainedPRM.served": (_set(*_PRM, "served", "concurrency", to=9), PAGE),
}  # fmt: skip

OF_GROWN = {
    "Search.rebase": (_set("search", "rebase", to={"temperature": 0.2}), SEARCHED),
    "Search.particle_filtering": (_set("search", "particle_filtering", to={"temperature": 0.5}), SEARCHED),
    "Rebase.temperature": (_set("search", "rebase", "temperature", to=0.3), SEARCHED),
    "ParticleFiltering.temperature": (_set("search", "particle_filtering", "temperature", to=2.0), SEARCHED),
    "TokenConfidence.group": (_set("sampling", "confidence", "group", to=16), f"sample {POOL}"),
    **{
        f"GeneratedBenchmark.{key}": (_set("benchmarks", "words", key, to=value),
                                      f"benchmark sample grade examine score difficulty search grade_search {CELLS}")
        for key, value in {"problems": 3, "seed": 4, "depth": [1, 3], "largest": 200}.items()
    },
    "TokenConfidence.likeliest": (_set("sampling", "confidence", "likeliest", to=5), f"sample {POOL}"),
}
"""Of a study with what the smoke study leaves out: searches with options of their own, confidences, word problems."""

_ROW = {"problem_id": "p", "problem": "1+1?", "answer": "2", "sample": 0, "scores.judge": [0.5]}
_COMMIT = "0" * 40


def given(folder: Path) -> dict:
    """A study of everything that is not the miniature's, in files below a folder."""
    for name in ("policy", "policy-2", "prm", "prm-2"):
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        architecture = "Qwen2ForProcessRewardModel" if "prm" in name else "Qwen2ForCausalLM"
        (place / "config.json").write_text(json.dumps({"architectures": [architecture], "name": name}))
        (place / "model.safetensors").write_bytes(name.encode())
    for name in ("mine", "mine-2"):
        row = {"problem_id": 1, "problem": f"{name}?", "answer": 2, "other": 3}
        (folder / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    for name in ("recorded", "recorded-2"):
        (folder / f"{name}.jsonl").write_text(json.dumps(_ROW | {"response": name}) + "\n")
    for name in ("labelled", "labelled-2"):
        row = {"problem": "1+1?", "steps": [name], "first_error": -1}
        (folder / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    for name in ("quant", "quant-2"):
        (folder / f"{name}.gguf").write_bytes(name.encode())
    return {
        "study": "given",
        "max_job_hours": 1e6,  # no job is shared out, however slow its engine is thought to be
        "benchmarks": {
            "mine": {"source": "file", "path": "mine.jsonl"},
            "hub": {"source": "hub", "id": "owner/data", "revision": _COMMIT},
            "old": {"source": "recorded", "path": "recorded.jsonl"},
        },
        "policies": {
            "folder": {"source": "checkpoint", "path": "policy"},
            "hub-policy": {"source": "hub", "id": "owner/policy", "revision": _COMMIT, "engine": "vllm"},
            "quant": {"source": "gguf", "path": "quant.gguf"},
            "far": {"source": "openai", "model": "m"},
            "logged": {"source": "recorded", "path": "recorded.jsonl", "greedy": True},
        },
        "prms": {
            "folder-prm": {"source": "checkpoint", "path": "prm"},
            "hub-prm": {"source": "hub", "id": "owner/prm", "revision": _COMMIT, "format": "qwen", "engine": "vllm"},
            "writer": {"source": "checkpoint", "path": "policy", "format": "thinkprm"},
            "hub-writer": {"source": "hub", "id": "GenPRM/GenPRM-7B", "revision": _COMMIT},
            "judge": {"source": "recorded"},
        },
        "pairs": {
            "writer": ["folder"],
            "hub-writer": ["folder"],
            "folder-prm": ["folder", "hub-policy", "quant", "far"],
            "hub-prm": ["folder", "hub-policy", "far"],
            "judge": ["logged"],
        },
        "labelled": {
            "set": {"path": "labelled.jsonl"},
            "far-set": {"source": "hub", "id": "owner/marked", "revision": _COMMIT, "file": "a.json"},
        },
        "budgets": {"majority": [2], "best_of_n": [2], "beam_search": [4]},
        "pilot_samples": 2,
        "first_block": 2,
    }


_UNLABELLED = f"grade score {CELLS}"
_DRAWN = f"sample {_UNLABELLED} {PILOT} "
_SEARCHED = f"search grade_search {CELLS}"
_TAKEN = f"recorded_responses recorded_scores grade {PILOT}"
_FLAWS = f"score_labelled diagnostics {TESTED}"
_PROBLEMS = f"benchmark ask {_DRAWN} {_SEARCHED} recorded_responses recorded_scores"
_ASKED = f"ask grade score {PILOT}"
_JUDGED = f"score {_FLAWS} {_SEARCHED}"
_OWN, _HUB, _FAR, _LOG, _QUANT = (
    ("policies", name) for name in ("folder", "hub-policy", "far", "logged", "quant")
)
_SHOWN = {"problem": "1+1?", "response": "2."}
_GGUF = {"source": "gguf", "path": "quant.gguf"}

OF_GIVEN = {
    "Study.labelled": (_set("labelled", "more", to={"path": "labelled-2.jsonl"}), f"labelled {_FLAWS}"),
    "FileBenchmark.published": (_set("benchmarks", "mine", "published", to="2024-02"), SHOWN),
    "HubBenchmark.published": (_set("benchmarks", "hub", "published", to="2024-02-07"), SHOWN),
    "RecordedBenchmark.published": (_set("benchmarks", "old", "published", to="2024-02"), SHOWN),
    "CheckpointPolicy.cutoff": (_set(*_OWN, "cutoff", to="2023-12"), SHOWN),
    "HubPolicy.cutoff": (_set(*_HUB, "cutoff", to="2023-12"), SHOWN),
    "OpenAIPolicy.price": (_set(*_FAR, "price", to={"input": 1.0, "output": 4.0}), PAGE),
    **{
        f"Price.{key}": (_set(*_FAR, "price", to={"input": 1.0, "output": 4.0} | {key: value}), PAGE)
        for key, value in {"input": 2.0, "output": 5.0, "currency": "EUR"}.items()
    },
    "OpenAIPolicy.cutoff": (_set(*_FAR, "cutoff", to="2023-12"), SHOWN),
    "RecordedPolicy.cutoff": (_set(*_LOG, "cutoff", to="2023-12"), SHOWN),
    "FileBenchmark.columns": (_set("benchmarks", "mine", "columns", to={"answer": "other"}), _PROBLEMS),
    "FileBenchmark.path": (_set("benchmarks", "mine", "path", to="mine-2.jsonl"), _PROBLEMS),
    "FileBenchmark.problems": (_set("benchmarks", "mine", "problems", to=1), _PROBLEMS),
    "FileBenchmark.sha256": (_set("benchmarks", "mine", "sha256", to="0" * 64), PAGE),
    "HubBenchmark.columns": (_set("benchmarks", "hub", "columns", to={"answer": "other"}), _PROBLEMS),
    "HubBenchmark.file": (_set("benchmarks", "hub", "file", to="x.jsonl"), _PROBLEMS),
    "HubBenchmark.id": (_set("benchmarks", "hub", "id", to="owner/other"), _PROBLEMS),
    "HubBenchmark.problems": (_set("benchmarks", "hub", "problems", to=1), _PROBLEMS),
    "HubBenchmark.revision": (_set("benchmarks", "hub", "revision", to="1" * 40), _PROBLEMS),
    "HubBenchmark.sha256": (_set("benchmarks", "hub", "sha256", to="0" * 64), PAGE),
    "HubBenchmark.checksums": (_set("benchmarks", "hub", "checksums", to={"x.jsonl": "0" * 64}), PAGE),
    "HubBenchmark.split": (_set("benchmarks", "hub", "split", to="train"), _PROBLEMS),
    "RecordedBenchmark.path": (_set("benchmarks", "old", "path", to="recorded-2.jsonl"), f"recorded {_PROBLEMS}"),
    "RecordedBenchmark.columns": (_set("benchmarks", "old", "columns", to={"response": "x"}), f"recorded {_PROBLEMS}"),
    "RecordedBenchmark.format": (_set("benchmarks", "old", "format", to="plain"), f"recorded {_PROBLEMS}"),
    "RecordedBenchmark.policy": (_set("benchmarks", "old", to={"source": "recorded", "policy": "logged"}), PAGE),
    "RecordedBenchmark.skip_broken": (_set("benchmarks", "old", "skip_broken", to=1), f"recorded {_PROBLEMS}"),
    "CheckpointPolicy.device": (_set(*_OWN, "device", to="cuda"), f"{_DRAWN} {_SEARCHED}"),
    "CheckpointPolicy.dtype": (_set(*_OWN, "dtype", to="bfloat16"), f"{_DRAWN} {_SEARCHED}"),
    "CheckpointPolicy.engine": (_set(*_OWN, "engine", to="vllm"), f"{_DRAWN} {_SEARCHED}"),
    "CheckpointPolicy.path": (_set(*_OWN, "path", to="policy-2"), f"training {_DRAWN} {_SEARCHED}"),
    "CheckpointPolicy.pretraining_tokens": (_set(*_OWN, "pretraining_tokens", to=1e9), SIZES),
    "CheckpointPolicy.prompt": (_set(*_OWN, "prompt", to="qwen"), f"{_DRAWN} {_SEARCHED}"),
    "CheckpointPolicy.thinking": (_set(*_OWN, "thinking", to="open"), f"{_DRAWN} {_SEARCHED}"),
    "CheckpointPolicy.sampling": (_set(*_OWN, "sampling", to={"search": {"top_k": 3}}), _SEARCHED),
    "CheckpointPolicy.vllm": (_set(*_OWN, to={"source": "checkpoint", "path": "policy", "engine": "vllm",
                                              "vllm": {"tensor_parallel": 2}}), f"{_DRAWN} {_SEARCHED}"),
    "HubPolicy.active_parameters": (_set(*_HUB, "active_parameters", to=1e9), SIZES),
    "HubPolicy.device": (_set(*_HUB, to={"source": "hub", "id": "owner/policy", "revision": _COMMIT, "device": "cuda"}),
                         f"{_DRAWN} {_SEARCHED}"),
    "HubPolicy.dtype": (_set(*_HUB, "dtype", to="float32"), f"{_DRAWN} {_SEARCHED}"),
    "HubPolicy.engine": (_set(*_HUB, "engine", to="transformers"), f"{_DRAWN} {_SEARCHED}"),
    "HubPolicy.id": (_set(*_HUB, "id", to="owner/other"), f"fetch_model training {_DRAWN} {_SEARCHED}"),
    "HubPolicy.parameters": (_set(*_HUB, "parameters", to=1e9), SIZES),
    "HubPolicy.pretraining_tokens": (_set(*_HUB, "pretraining_tokens", to=1e12), SIZES),
    "HubPolicy.prompt": (_set(*_HUB, "prompt", to="llama"), f"{_DRAWN} {_SEARCHED}"),
    "HubPolicy.thinking": (_set(*_HUB, "thinking", to="none"), f"{_DRAWN} {_SEARCHED}"),
    "HubPolicy.revision": (_set(*_HUB, "revision", to="1" * 40), f"fetch_model training {_DRAWN} {_SEARCHED}"),
    "HubPolicy.checksums": (_set(*_HUB, "checksums", to={"config.json": "0" * 64}), PAGE),
    "HubPolicy.sampling": (_set(*_HUB, "sampling", to={"search": {"top_k": 3}}), _SEARCHED),
    "CheckpointPolicy.served": (_set(*_OWN, to={"source": "checkpoint", "path": "policy"} | _SERVER),
                                f"{_DRAWN} {_SEARCHED}"),
    "HubPolicy.served": (_set(*_HUB, to={"source": "hub", "id": "owner/policy", "revision": _COMMIT} | _SERVER),
                         f"{_DRAWN} {_SEARCHED}"),
    "HubPolicy.vllm": (_set(*_HUB, "vllm", to={"tensor_parallel": 2}), f"{_DRAWN} {_SEARCHED}"),
    "GGUFPolicy.cutoff": (_set(*_QUANT, "cutoff", to="2023-12"), SHOWN),
    "GGUFPolicy.pretraining_tokens": (_set(*_QUANT, "pretraining_tokens", to=1e12), SIZES),
    **{
        f"GGUFPolicy.{key}": (_set(*_QUANT, key, to=value), f"convert_model training {_DRAWN} {_SEARCHED}")
        for key, value in {"path": "quant-2.gguf", "dtype": "float32"}.items()
    },
    **{
        f"GGUFPolicy.{key}": (_set(*_QUANT, to=_GGUF | more), f"{_DRAWN} {_SEARCHED}")
        for key, more in {
            "device": {"device": "cuda"}, "engine": {"engine": "vllm"}, "prompt": {"prompt": "qwen"},
            "thinking": {"thinking": "open"}, "served": _SERVER, "system": {"system": "Add."},
            "examples": {"examples": [_SHOWN]},
            "vllm": {"engine": "vllm", "vllm": {"tensor_parallel": 2}},
        }.items()
    },
    **{
        f"{kind}Policy.{key}": (_set(*place, key, to=value), where)
        for kind, place in (("Checkpoint", _OWN), ("Hub", _HUB))
        for key, value, where in (
            ("system", "Add.", f"{_DRAWN} {_SEARCHED}"), ("examples", [_SHOWN], f"{_DRAWN} {_SEARCHED}"),
        )
    },
    **{
        f"{kind}Policy.stop": (_set(*place, "stop", to=["\n\n\n"]), _DRAWN)
        for kind, place in (("Checkpoint", _OWN), ("Hub", _HUB), ("GGUF", _QUANT))
    },
    "Example.problem": (_set(*_OWN, "examples", to=[_SHOWN | {"problem": "2+2?"}]), f"{_DRAWN} {_SEARCHED}"),
    "Example.response": (_set(*_OWN, "examples", to=[_SHOWN | {"response": "4."}]), f"{_DRAWN} {_SEARCHED}"),
    "GGUFPolicy.sampling": (_set(*_QUANT, "sampling", to={"search": {"top_k": 3}}), _SEARCHED),
    **{
        f"OpenAIPolicy.{key}": (_set(*_FAR, key, to=value), _ASKED)
        for key, value in {"model": "n", "base_url": "http://host/v1", "prompt": "qwen", "reasoning": True,
                           "system": "Think.", "examples": [_SHOWN], "stop": ["#"], "server": "vllm"}.items()
    },
    **{
        f"OpenAIPolicy.{key}": (_set(*_FAR, key, to=value), PAGE)
        for key, value in {"attempts": 2, "concurrency": 2, "key_variable": "KEY", "requests_per_minute": 5.0,
                           "timeout_s": 9.0}.items()
    },
    "OpenAIPolicy.sampling": (_set(*_FAR, "sampling", to={"responses": {"top_p": 0.5}}), _ASKED),
    "OpenAIPolicy.active_parameters": (_set(*_FAR, "active_parameters", to=1e9), SIZES),
    "OpenAIPolicy.parameters": (_set(*_FAR, "parameters", to=1e9), SIZES),
    "OpenAIPolicy.pretraining_tokens": (_set(*_FAR, "pretraining_tokens", to=1e9), SIZES),
    "RecordedPolicy.active_parameters": (_set(*_LOG, "active_parameters", to=1e9), SIZES),
    "RecordedPolicy.greedy": (_set(*_LOG, "greedy", to=False), f"examine {CELLS}"),
    "RecordedPolicy.parameters": (_set(*_LOG, "parameters", to=1e9), SIZES),
    "RecordedPolicy.path": (_set(*_LOG, "path", to="recorded-2.jsonl"), f"recorded {_TAKEN}"),
    "RecordedPolicy.columns": (_set(*_LOG, "columns", to={"response": "x"}), f"recorded {_TAKEN}"),
    "RecordedPolicy.format": (_set(*_LOG, "format", to="plain"), f"recorded {_TAKEN}"),
    "RecordedPolicy.skip_broken": (_set(*_LOG, "skip_broken", to=1), f"recorded {_TAKEN}"),
    "RecordedPolicy.uneven": (_set(*_LOG, "uneven", to=True), CELLS),
    "RecordedPolicy.pretraining_tokens": (_set(*_LOG, "pretraining_tokens", to=1e9), SIZES),
    "RecordedPRM.column": (_set("prms", "judge", "column", to="other"), f"recorded_scores {CELLS}"),
    "RecordedPRM.score_kind": (_set("prms", "judge", "score_kind", to="logit"), f"recorded_scores {CELLS}"),
    "RecordedPRM.parameters": (_set("prms", "judge", "parameters", to=1e9), SIZES),
    "CheckpointPRM.overflow": (_set("prms", "folder-prm", "overflow", to="windows"), _JUDGED),
    "HubPRM.overflow": (_set("prms", "hub-prm", to={"source": "hub", "id": "owner/prm", "revision": _COMMIT, "format":
                                                    "qwen", "engine": "vllm", "overflow": "refuse"}), _JUDGED),
    "CheckpointPRM.device": (_set("prms", "folder-prm", "device", to="cpu"), _JUDGED),
    "CheckpointPRM.engine": (_set("prms", "folder-prm", "engine", to="vllm"), _JUDGED),
    "CheckpointPRM.format": (_set("prms", "folder-prm", "format", to="skywork"), _JUDGED),
    "CheckpointPRM.path": (_set("prms", "folder-prm", "path", to="prm-2"), f"training {_JUDGED}"),
    "CheckpointPRM.vllm": (_set("prms", "folder-prm", to={"source": "checkpoint", "path": "prm", "engine": "vllm",
                                                          "vllm": {"tensor_parallel": 2}}), _JUDGED),
    "CheckpointPRM.verdicts": (_set("prms", "writer", "verdicts", to={"samples": 3}), _JUDGED),
    "HubPRM.active_parameters": (_set("prms", "hub-prm", "active_parameters", to=1e9), SIZES),
    "HubPRM.device": (_set("prms", "hub-prm", to={"source": "hub", "id": "owner/prm", "revision": _COMMIT,
                                                  "format": "qwen", "device": "cpu"}), _JUDGED),
    "HubPRM.engine": (_set("prms", "hub-prm", "engine", to="transformers"), _JUDGED),
    "HubPRM.format": (_set("prms", "hub-prm", "format", to="skywork"), _JUDGED),
    "HubPRM.id": (_set("prms", "hub-prm", "id", to="owner/other"), f"fetch_model training {_JUDGED}"),
    "HubPRM.parameters": (_set("prms", "hub-prm", "parameters", to=1e9), SIZES),
    "HubPRM.revision": (_set("prms", "hub-prm", "revision", to="1" * 40), f"fetch_model training {_JUDGED}"),
    "HubPRM.checksums": (_set("prms", "hub-prm", "checksums", to={"config.json": "0" * 64}), PAGE),
    "HubPRM.verdicts": (_set("prms", "hub-writer", "verdicts", to={"samples": 3}), _JUDGED),
    "CheckpointPRM.served": (_set("prms", "folder-prm", to={"source": "checkpoint", "path": "prm"} | _SERVER), _JUDGED),
    "CheckpointPRM.transformers": (_set("prms", "folder-prm", "transformers", to={"prefix_cache_gib": 1.0}), PAGE),
    "HubPRM.served": (_set("prms", "hub-prm", to={"source": "hub", "id": "owner/prm", "revision": _COMMIT,
                                                  "format": "qwen"} | _SERVER), _JUDGED),
    "HubPRM.transformers": (_set("prms", "hub-prm", to={"source": "hub", "id": "owner/prm", "revision": _COMMIT,
                                                        "format": "qwen", "transformers": {"prefix_cache_gib": 1.0}}),
                            _JUDGED),
    "HubPRM.vllm": (_set("prms", "hub-prm", "vllm", to={"tensor_parallel": 2}), _JUDGED),
    **{
        f"Verdicts.{key}": (_set("prms", "hub-writer", "verdicts", to={key: value}), _JUDGED)
        for key, value in {"samples": 2, "temperature": 0.3, "max_tokens": 100}.items()
    },
    "Labelled.format": (_set("labelled", "set", "format", to="processbench"), f"labelled {_FLAWS}"),
    "Labelled.path": (_set("labelled", "set", "path", to="labelled-2.jsonl"), f"labelled {_FLAWS}"),
    "Labelled.solutions": (_set("labelled", "set", "solutions", to=1), f"labelled {_FLAWS}"),
    "HubLabelled.checksums": (_set("labelled", "far-set", "checksums", to={"a.json": "0" * 64}), PAGE),
    "HubLabelled.file": (_set("labelled", "far-set", "file", to="b.json"), f"labelled {_FLAWS}"),
    "HubLabelled.format": (_set("labelled", "far-set", "format", to="processbench"), f"labelled {_FLAWS}"),
    "HubLabelled.id": (_set("labelled", "far-set", "id", to="owner/other"), f"labelled {_FLAWS}"),
    "HubLabelled.revision": (_set("labelled", "far-set", "revision", to="1" * 40), f"labelled {_FLAWS}"),
    "HubLabelled.solutions": (_set("labelled", "far-set", "solutions", to=1), f"labelled {_FLAWS}"),
}  # fmt: skip

NO_VALUE = {"Study.base"} | {
    f"{name}.source" for name, section in SCHEMA["$defs"].items() if "source" in section.get("properties", {})
}
"""Keys that have no other value of their own: `base` is laid over, `source` makes another kind of entry."""


def touched(before: dict, change, root: Path) -> set[str]:
    """Rules of the jobs that a finished study would run after a change."""
    after = copy.deepcopy(before)
    change(after)
    had = {job.spec.product: job.spec.digest for job in jobs(open_layout(from_mapping(before), root))}
    every = jobs(open_layout(from_mapping(after), root))
    return {job.rule for job in every if had.get(job.spec.product) != job.spec.digest}


@pytest.mark.parametrize("key", OF_SMOKE)
def test_a_key_of_the_smoke_study_touches(key, tmp_path):
    change, expected = OF_SMOKE[key]
    assert touched(smoke(), change, tmp_path) == set(expected.split())


@pytest.mark.parametrize("key", OF_VLLM)
def test_a_key_of_vllm_touches(key, tmp_path):
    change, expected = OF_VLLM[key]
    config = smoke()
    _on_vllm(config)
    assert touched(config, change, tmp_path) == set(expected.split())


@pytest.mark.parametrize("key", OF_SERVER)
def test_a_key_of_a_server_touches(key, tmp_path):
    change, expected = OF_SERVER[key]
    config = smoke()
    _on_server(config)
    assert touched(config, change, tmp_path) == set(expected.split())


@pytest.mark.parametrize("key", OF_GROWN)
def test_a_key_of_what_is_off_by_default_touches(key, tmp_path):
    change, expected = OF_GROWN[key]
    config = smoke(budgets={"rebase": [6], "particle_filtering": [5], "beam_search": [8], "best_of_n": [2]})
    config["sampling"]["confidence"] = {}
    config["benchmarks"]["words"] = {"source": "generated", "problems": 2, "seed": 1}
    assert touched(config, change, tmp_path) == set(expected.split())


@pytest.mark.parametrize("key", OF_GIVEN)
def test_a_key_of_models_and_data_from_elsewhere_touches(key, tmp_path):
    change, expected = OF_GIVEN[key]
    assert touched(given(tmp_path), change, tmp_path) == set(expected.split())


def test_every_key_of_the_schema_has_a_row():
    keys = {f"Study.{key}" for key in SCHEMA["properties"]}
    keys |= {f"{name}.{key}" for name, section in SCHEMA["$defs"].items() for key in section.get("properties", {})}
    rows = OF_SMOKE.keys() | OF_VLLM.keys() | OF_SERVER.keys() | OF_GROWN.keys() | OF_GIVEN.keys()
    assert keys - rows - NO_VALUE == set() and rows <= keys


def test_the_same_files_elsewhere_touch_nothing(tmp_path):
    # Another person's folder: what is in a file decides, not where it lies.
    before, after = given(tmp_path / "here"), given(tmp_path / "there")
    one = jobs(open_layout(from_mapping(before), tmp_path / "here"))
    other = jobs(open_layout(from_mapping(after), tmp_path / "there"))
    assert [(job.rule, job.spec.product, job.spec.digest) for job in one] == [
        (job.rule, job.spec.product, job.spec.digest) for job in other
    ]

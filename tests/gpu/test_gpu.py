"""On a GPU (`make gpu-check`, about ten minutes): what no CPU can tell. Each test skips by name without one."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
import torch

from tests.gpu import checks
from tests.rewards_checkpoints import Shelf
from tests.test_gpu_checks import random_llama
from tests.vllm_session import POLICY, PRM, ROOT
from ttstudy.models import budget
from ttstudy.models.environment import cpu_build, vllm_python
from ttstudy.run import placing


@pytest.fixture(scope="module")
def gpu_vllm(cuda):
    """The Python of vLLM's GPU build."""
    python = vllm_python()
    if python is None or cpu_build():
        pytest.skip("vLLM's GPU build is not installed (make vllm)")
    return python


def test_our_engine_draws_on_a_gpu_what_it_draws_on_a_cpu(cuda, figures):
    found = figures["Our engine, mini-180k, fp32"] = checks.own_engine(POLICY, cuda)
    assert found["greedy responses with the CPU's tokens, share"] > 0.95
    assert found["largest difference of log-probabilities to the CPU's"] < 1e-2
    assert found["sampled twice with the same seeds: same tokens, share"] == 1


def test_the_speed_of_our_engine_on_a_model_of_a_usual_size(cuda, figures, tmp_path):
    folder = random_llama(tmp_path / "llama", hidden=1024, layers=16, vocabulary=32000)
    found = checks.own_engine(folder, cuda, "bfloat16", 128)
    figures["Our engine, 0.3 billion random parameters, bf16"] = found
    assert found["tokens per second"] > 0
    figures["Our engine, weights in bf16"] = planned = checks.weights(folder, cuda, "bfloat16")
    assert planned["weights as they are, GiB"] == pytest.approx(planned["weights as planned, GiB"], rel=0.02)


def test_prms_of_all_formats_score_on_a_gpu_as_on_a_cpu(cuda, figures, tmp_path):
    found = figures["PRMs, fp32"] = checks.prm_formats(Shelf(tmp_path), cuda)
    assert max(found.values()) < 1e-3
    figures["PRMs, bf16"] = checks.prm_formats(Shelf(tmp_path / "bf16"), cuda, "bfloat16")


def test_policy_and_prm_share_a_gpu_in_one_process(cuda, figures):
    found = figures["Beam search, policy and PRM on one GPU"] = checks.together(POLICY, PRM, cuda)
    assert found["trees with the CPU's nodes, share"] > 0.8


def test_too_little_memory_is_told_in_one_sentence(cuda):
    whole = torch.cuda.get_device_properties(0).total_memory / budget.GIB
    assert "out of memory" in checks.refusal(POLICY, cuda, 2 * whole)


def test_what_the_budget_assumes_is_what_nvidia_smi_shows(cuda, figures):
    mib, total = placing.listed()[0], torch.cuda.get_device_properties(0).total_memory
    found = checks.seen(mib, total) | {"CUDA context, GiB": checks.context_gib()}
    found |= {"CUDA context as assumed, GiB": budget.CONTEXT}
    figures["The GPU budget"] = found
    assert found["GPU as torch sees it, GiB"] == pytest.approx(found["GPU as planned, GiB"], rel=0.03)
    assert found["CUDA context, GiB"] <= budget.CONTEXT


@pytest.mark.parametrize("invariant", [False, True], ids=["usual kernels", "batch-invariant"])
def test_vllm_draws_the_same_twice_and_with_batch_invariance_whatever_the_batch(gpu_vllm, figures, tmp_path, invariant):
    output = tmp_path / "found.json"
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'workflow'}{os.pathsep}{ROOT}", "HF_HUB_OFFLINE": "1"}
    command = [gpu_vllm, ROOT / "tests/gpu/vllm_gpu.py", POLICY, PRM, output, *(["--invariant"] if invariant else [])]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stderr[-4000:]
    found = figures[f"vLLM{', batch-invariant' if invariant else ''}"] = json.loads(output.read_text())
    assert found["sampled twice with the same seeds: same tokens, share"] == 1
    if invariant:
        assert found["sampled in the other order: same tokens, share"] == 1
    assert found["scores of a PRM in the same process: largest difference to the CPU's"] < 1e-3
    assert found["GiB beside weights and cache: context, graphs, passes"] < budget.CONTEXT + budget.GRAPHS + 2

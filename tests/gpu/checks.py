"""What the first hour with a GPU is to find out. Each check takes the device, so a CPU runs all of them against itself.

They give figures by name, which `make gpu-check` writes into reports/benchmarks/gpu.md. What is good enough, tests say.
"""

from __future__ import annotations

import gc
import math
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from tests.rewards_checkpoints import LAYOUTS
from tests.rewards_conformance import gap
from ttstudy.errors import sentence
from ttstudy.methods.options import Options
from ttstudy.methods.run import run
from ttstudy.models.budget import GIB, Gpu, Load
from ttstudy.policies.native import NativeEngine
from ttstudy.policies.protocol import Completion, Request, Sampling
from ttstudy.prms import open_reward_model

Figures = dict[str, float]


def requests(engine: NativeEngine, count: int, sampling: Sampling) -> list[Request]:
    """Sums to be done, with seeds of their own."""
    draw = random.Random(3)
    texts = [f"Compute {'+'.join(str(draw.randint(1, 40)) for _ in range(2 + i % 6))}." for i in range(count)]
    prompts = [tuple(engine.encode_chat([{"role": "user", "content": text}])) for text in texts]
    return [Request(prompt, sampling, seed) for seed, prompt in enumerate(prompts)]


def same(one: Sequence[Completion], other: Sequence[Completion]) -> float:
    """Share of completions whose tokens are the same."""
    return sum(a.ids == b.ids for a, b in zip(one, other, strict=True)) / len(one)


def logprob_gap(one: Sequence[Completion], other: Sequence[Completion]) -> float:
    """Largest difference of log-probabilities, as far as the tokens are the same."""
    worst = 0.0
    for a, b in zip(one, other, strict=True):
        alike = next((i for i, pair in enumerate(zip(a.ids, b.ids, strict=False)) if pair[0] != pair[1]), len(a.ids))
        pairs = zip(a.logprobs[:alike], b.logprobs[:alike], strict=False)
        worst = max([worst, *(abs(x - y) for x, y in pairs)])
    return worst


def own_engine(checkpoint: Path, device: str, dtype: str = "float32", count: int = 64) -> Figures:
    """Greedy and sampled tokens of our engine on a device against those of the CPU, and its speed."""
    here, there = NativeEngine(checkpoint, dtype="float32"), NativeEngine(checkpoint, dtype=dtype, device=device)
    greedy, drawn = Sampling(max_tokens=64), Sampling(temperature=0.8, top_p=0.95, max_tokens=64)
    on_cpu = here.generate(requests(here, count, greedy))
    on_device = there.generate(requests(there, count, greedy))
    asked = requests(there, count, drawn)
    first, again = there.generate(asked), there.generate(asked)
    turned = there.generate(asked[::-1])[::-1]
    begun = time.perf_counter()
    tokens = sum(each.tokens for each in there.generate(asked))
    return {
        "greedy responses with the CPU's tokens, share": same(on_cpu, on_device),
        "largest difference of log-probabilities to the CPU's": logprob_gap(on_cpu, on_device),
        "sampled twice with the same seeds: same tokens, share": same(first, again),
        "sampled in the other order: same tokens, share": same(first, turned),
        "tokens per second": tokens / (time.perf_counter() - begun),
    }


def prm_formats(shelf, device: str, dtype: str = "float32") -> Figures:
    """Largest difference of scores to the CPU's, whole solutions and siblings of a search, by format."""
    found = {}
    for name in ("math_shepherd", "rlhflow", "skywork-1.5b", "qwen"):
        form = LAYOUTS[name].format
        here = open_reward_model(shelf.folder(name), form, device="cpu")
        there = open_reward_model(shelf.folder(name), form, device=device, dtype=dtype)
        wanted, got = here.score_batch(shelf.solutions), there.score_batch(shelf.solutions)
        siblings = [(problem, steps[:-1], [steps[-1], "Another step."]) for problem, steps in shelf.solutions[:6]]
        last = zip(here.score_last_batch(siblings), there.score_last_batch(siblings), strict=True)
        found[f"{form}: largest difference of scores to the CPU's"] = max(
            *(gap(*pair) for pair in zip(got, wanted, strict=True)), *(gap(*pair) for pair in last)
        )
    return found


def together(policy: Path, prm: Path, device: str) -> Figures:
    """A beam search with policy and PRM on one device, in one process, against the CPU's."""
    sides = []
    for place in ("cpu", device):
        engine = NativeEngine(policy, dtype="float32", device=place)
        judge = open_reward_model(prm, device=place, dtype="float32")
        texts = [f"Compute {i}+{i + 7}+3." for i in range(8)]
        problems = [(text, text, engine.encode_chat([{"role": "user", "content": text}])) for text in texts]
        options = Options(method="beam_search", budget=8, max_depth=6, max_step_tokens=24)
        begun = time.perf_counter()
        result = run(problems, engine, judge, options, (0, "b", "p"))
        sides.append((result, time.perf_counter() - begun))
    (mine, seconds), (other, elsewhere) = sides
    texts = [frame.groupby(["problem_id", "tree"])["text"].agg(list) for frame in (mine.nodes, other.nodes)]
    return {
        "trees with the CPU's nodes, share": float((texts[0] == texts[1]).mean()),
        "PRM tokens read per token drawn": other.counters.prm_tokens / other.counters.response_tokens,
        "seconds on the CPU": seconds,
        "seconds on the device": elsewhere,
    }


def refusal(checkpoint: Path, device: str, cache_gib: float) -> str:
    """What a person is told where the device's memory does not hold what an engine asks for; "" where it does."""
    engine = NativeEngine(checkpoint, dtype="float32", device=device, cache_bytes=int(cache_gib * GIB), slots=1 << 20)
    try:
        engine.generate(requests(engine, 4096, Sampling(temperature=1.0, max_tokens=64)))
        keep = torch.empty(int(cache_gib * GIB) // 4, device=device)
        del keep
    except Exception as error:  # anything that torch raises
        return sentence(error) or f"no sentence: {type(error).__name__}"
    finally:
        del engine
        gc.collect()
    return ""


# -- figures that the GPU budget assumes ------------------------------------------------------------------------------

CONTEXT = """
import torch
free, _ = torch.cuda.mem_get_info()
torch.zeros(1, device="cuda")
torch.cuda.synchronize()
print(free)
import sys
sys.stdout.flush()
sys.stdin.readline()
"""


def used_mib(listing: str) -> float:
    """MiB in use, of the first GPU, in what `nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits` says."""
    return float(listing.split()[0])


def _used() -> float:
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return used_mib(subprocess.run(query, capture_output=True, text=True, check=True).stdout)


def context_gib() -> float:
    """GiB that a process takes of a GPU before it has put anything there, as nvidia-smi sees it."""
    before = _used()
    with subprocess.Popen(
        [sys.executable, "-c", CONTEXT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        taken = _used() - before
        process.stdin.write("\n")
        process.stdin.flush()
    return taken / 1024


def weights(checkpoint: Path, device: str, dtype: str = "float32") -> Figures:
    """GiB of a model's weights as the budget adds them up, and as they are."""
    before = torch.cuda.memory_allocated(device) if device != "cpu" else 0
    engine = NativeEngine(checkpoint, dtype=dtype, device=device)
    assert engine.network is not None
    shape, numbers = engine.network.config, {"float32": 4, "bfloat16": 2}[dtype]
    load = Load(key="p", shape=shape, engine="transformers", bytes=numbers, longest=shape.context, draws=True)
    really = engine.parameters * numbers if device == "cpu" else torch.cuda.memory_allocated(device) - before
    return {"weights as planned, GiB": load.weights(), "weights as they are, GiB": really / GIB}


def seen(listed_mib: float, total_bytes: float) -> Figures:
    """GiB of a GPU that a process sees, as the budget takes it from what nvidia-smi lists, and as torch says."""
    return {"GPU as planned, GiB": Gpu.listed_with(listed_mib).gib, "GPU as torch sees it, GiB": total_bytes / GIB}


# -- the report --------------------------------------------------------------------------------------------------------


def written(found: dict[str, Figures], hardware: str, date: str, command: str) -> str:
    """The page of figures, one table per check."""
    lines = ["# On a GPU", "", f"{date}, {hardware}. Command: `{command}`.", ""]
    for name, figures in found.items():
        lines += [f"## {name}", "", "| figure | value |", "|---|---|"]
        lines += [f"| {figure} | {_plain(value)} |" for figure, value in figures.items()]
        lines.append("")
    return "\n".join(lines)


def _plain(value: float) -> str:
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"

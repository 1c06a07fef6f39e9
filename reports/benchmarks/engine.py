"""Speed of the CPU generation engine: decoded and prefilled tokens per CPU-second, by size of the policy.

Random Llama checkpoints (multi-query attention, tied embeddings, 267 tokens). Decoding: 64 prompts of 12-24
tokens, 32 samples each, 16-64 new tokens. Prefill: 2048 distinct prompts of 40-60 tokens, one token each.
Each figure is the best of some short runs, so that other work on the machine disturbs it little.

    OMP_NUM_THREADS=1 PYTHONPATH=workflow python reports/benchmarks/engine.py [--runs 5] [--slots 256 512]
"""

from __future__ import annotations

import argparse
import platform
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[2] / "workflow")]

SHAPES = {
    "20k": {"hidden": 24, "layers": 2, "heads": 2, "head_dim": 12, "feed_forward": 64},
    "50k": {"hidden": 48, "layers": 2, "heads": 3, "head_dim": 16, "feed_forward": 96},
    "100k, 4 layers": {"hidden": 48, "layers": 4, "heads": 3, "head_dim": 16, "feed_forward": 96},
    "200k": {"hidden": 80, "layers": 3, "heads": 4, "head_dim": 20, "feed_forward": 160},
    "1M": {"hidden": 160, "layers": 4, "heads": 5, "head_dim": 32, "feed_forward": 384},
}


def matrix_speed() -> float:
    """GFLOP/s of one core on a product of [512, 512] matrices now: how free the machine is."""
    import torch

    a = torch.randn(512, 512)
    best = float("inf")
    for _ in range(30):
        start = time.process_time()
        a @ a
        best = min(best, time.process_time() - start)
    return 2 * 512**3 / best / 1e9


def main() -> None:
    """Measure and print one line per size."""
    import torch

    from tests.test_engines_checkpoint import make_checkpoint
    from ttstudy.policies.opening import open_engine
    from ttstudy.policies.protocol import Request, Sampling

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--slots", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--sizes", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    options = parser.parse_args()
    rng = random.Random(0)

    def prompts(count: int, low: int, high: int) -> list[tuple[int, ...]]:
        return [tuple(rng.choices(range(6, 262), k=rng.randint(low, high))) for _ in range(count)]

    decoding = [
        Request(prompt, Sampling(1.0, max_tokens=rng.randint(16, 64)), seed=rng.getrandbits(64))
        for prompt in prompts(64, 12, 24)
        for _ in range(32)
    ]
    filling = [Request(prompt, Sampling(1.0, max_tokens=1)) for prompt in prompts(2048, 40, 60)]
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, float32,", end=" ")
    print(f"{torch.get_num_threads()} thread(s), {matrix_speed():.0f} GFLOP/s per core at the start")
    print(
        "| policy | parameters | slots | decoded tokens/CPU-s | prefilled tokens/CPU-s |\n" + "|---" * 5 + "|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in options.sizes:
            path = make_checkpoint(Path(folder) / name, **SHAPES[name])
            for slots in options.slots:
                engine = open_engine(path, slots=slots)
                engine.generate(decoding[:64])
                decoded = prefilled = 0.0
                for _ in range(options.runs):
                    start = time.process_time()
                    tokens = sum(completion.tokens for completion in engine.generate(decoding))
                    middle = time.process_time()
                    engine.generate(filling)
                    end = time.process_time()
                    decoded = max(decoded, tokens / (middle - start))
                    prefilled = max(prefilled, sum(len(r.prompt) for r in filling) / (end - middle))
                row = (name, f"{engine.parameters:,}", slots, f"{decoded:,.0f}", f"{prefilled:,.0f}")
                print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()

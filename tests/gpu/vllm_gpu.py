"""Work of vLLM's GPU build for `test_gpu.py`: runs under its Python and writes figures as JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main(policy: Path, prm: Path, output: Path, invariant: bool) -> None:
    """Draw twice and in another order, then score beside it in one process, on one GPU."""
    import torch

    from tests.gpu import checks
    from tests.rewards_conformance import gap
    from ttstudy.policies.native import NativeEngine
    from ttstudy.policies.opening import open_engine
    from ttstudy.policies.protocol import Sampling
    from ttstudy.prms import open_reward_model

    share, cache = 0.4, 1.0
    engine = open_engine(
        policy, "vllm", "policy", dtype="float32", gpu_memory_utilization=share, kv_cache_gib=cache,
        batch_invariant=invariant,
    )  # fmt: skip
    asked = checks.requests(engine, 64, Sampling(temperature=0.8, top_p=0.95, max_tokens=64))
    first = engine.generate(asked)
    free, total = torch.cuda.mem_get_info()
    weights = NativeEngine(policy, dtype="float32").parameters * 4 / 2**30
    begun = time.perf_counter()
    again = engine.generate(asked)
    seconds = time.perf_counter() - begun
    turned = engine.generate(asked[::-1])[::-1]
    solutions = [("Compute 2+3+4.", ["2+3=5, so 5+4", "5+4=9, so \\boxed{9}"])] * 4
    there = open_reward_model(prm, device="cuda:0", dtype="float32").score_batch(solutions)
    here = open_reward_model(prm, device="cpu").score_batch(solutions)
    found = {
        "sampled twice with the same seeds: same tokens, share": checks.same(first, again),
        "sampled in the other order: same tokens, share": checks.same(first, turned),
        "tokens per second": sum(each.tokens for each in again) / seconds,
        "GiB beside weights and cache: context, graphs, passes": (total - free) / 2**30 - weights - cache,
        "scores of a PRM in the same process: largest difference to the CPU's": max(
            gap(*pair) for pair in zip(there, here, strict=True)
        ),
    }
    output.write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), "--invariant" in sys.argv)

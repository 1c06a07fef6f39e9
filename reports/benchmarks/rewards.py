"""Speed of scoring with a process reward model: batches beside single passes, siblings beside whole encodings.

    python reports/benchmarks/rewards.py [--problems 8] [--hidden 80 256] [--layers 4 6]

CPU seconds of one thread on random weights of the given sizes and the miniature's problems (10 operations, so 10
steps); every way must give the same scores to 1e-5. Writes rewards.md beside this file.
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

from ttstudy.miniature import task, tokenizer  # noqa: E402
from ttstudy.models.checkpoint import Checkpoint  # noqa: E402
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
        "each encoded whole, batched": (opened(), whole),
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--problems", type=int, default=8)
    parser.add_argument("--hidden", type=int, nargs="+", default=[80, 256])
    parser.add_argument("--layers", type=int, nargs="+", default=[4, 6])
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        lines = []
        for hidden, layers in zip(args.hidden, args.layers, strict=True):
            path = make(Path(folder) / f"{hidden}-{layers}", hidden, layers)
            lines += measure(path, solutions(args.problems))
    command = " ".join(["python reports/benchmarks/rewards.py", *sys.argv[1:]])
    text = f"""# Speed of scoring with a process reward model

{datetime.date.today()}, {cpu()}, one thread, fp32, torch {torch.__version__};
random weights in Qwen2.5-Math-PRM's layout, the miniature's problems of {STEPS} operations.
CPU seconds (the machine was shared), tokenisation included. Made by
`{command}`.

`tokens` went through the model; `faster` and `difference` (largest, of scores) are against the first row of a block.

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
